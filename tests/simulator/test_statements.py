"""Statements that the simulated banks offer: the same money as their feed, in another form."""

from decimal import Decimal

import pytest

from app.importers import ofx
from app.simulator.rows import decode
from tests.simulator.conftest import owed_change


@pytest.mark.parametrize(
    ("institution", "counts_pending"), [("ins_900001", False), ("ins_900002", True)]
)
def test_a_statement_says_what_the_feed_says(bank, institution, counts_pending):
    token = bank.link("demo_family", institution)
    accounts = bank.post("/accounts/get", access_token=token)["accounts"]
    rows = list(bank.truth(token).values())

    answer = bank.http.get(f"/simulator/items/{bank.item_id(token)}/statements")

    files = {each["mask"]: each["ofx"] for each in decode(answer.content)["statements"]}
    assert files
    for account in accounts:
        if account["mask"] not in files:
            continue
        [statement] = ofx.parse(files[account["mask"]].encode()).statements
        posted, later = [], Decimal(0)
        for row in rows:
            if row["account_id"] != account["account_id"]:
                continue
            amount = Decimal(str(row["amount"]))
            if row["pending"]:
                later += owed_change(account, amount) if counts_pending else 0
            elif row["date"] > str(statement.end):
                later += owed_change(account, amount)
            elif row["date"] >= str(statement.start):
                posted.append(-amount)
        owner = -1 if account["type"] == "credit" else 1
        current = Decimal(str(account["balances"]["current"]))
        assert statement.closing.date == statement.end
        assert statement.closing.amount == owner * (current - later)
        assert sorted(row.money.amount for row in statement.transactions) == sorted(posted)
