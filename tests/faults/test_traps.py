"""Traps that others fell into; docs/reference/correctness.md says where each of them is tested."""

import re
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.features.changes import service as changes
from app.features.connections.service import sync
from app.providers.base import ProductUnavailableError, ProviderUnavailableError
from app.simulator.stream import INITIAL, NOT_READY, Added, Modified, Removed
from tests.features.connections.bank import item_of, linked, open_bank, query, row

ROOT = Path(__file__).parents[2]
LIVE = "SELECT source_id FROM transactions WHERE is_live ORDER BY 1"


def test_trap_2_a_removal_finds_its_row_also_on_an_account_that_got_a_new_id(ada):
    """Removals are keyed by what the source says today, not by a column of the past."""
    bank = open_bank(rows=3)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        bank.stream.apply(Removed("t1"))
        sync.sync_item(ada.household_id, item_id, "button")

    assert query(ada.household_id, LIVE) == [("t0",), ("t2",)]


@pytest.mark.parametrize(
    "happening", ["not ready", "product unavailable", "an outage between two pages"]
)
def test_traps_3_and_5_whatever_is_not_there_leaves_cursor_and_rows_as_they_were(ada, happening):
    bank = open_bank(rows=4)
    bank.page_rows = 2
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        before = (item_of(ada.household_id, item_id).cursor, query(ada.household_id, LIVE))
        for number in range(6):
            bank.stream.apply(Added(row(bank, f"new{number}", "1.00")))
        _let(happening, bank)
        sync.sync_item(ada.household_id, item_id, "schedule")
        after = (item_of(ada.household_id, item_id).cursor, query(ada.household_id, LIVE))
        _let("all is well", bank)
        sync.sync_item(ada.household_id, item_id, "schedule")

    assert after == before
    assert before[0] is not None
    assert [source_id for (source_id,) in query(ada.household_id, LIVE)] == sorted(
        bank.stream.truth()
    )


def _let(happening, bank):
    match happening:
        case "not ready":
            bank.stream.status = NOT_READY
        case "product unavailable":
            bank.errors["transactions"] = ProductUnavailableError("PRODUCTS_NOT_SUPPORTED", "no")
        case "an outage between two pages":
            real = bank.fetch_transactions

            def fail_on_the_second_page(token, cursor):
                page = real(token, cursor)
                bank.errors["transactions"] = ProviderUnavailableError("DOWN", "closed")
                return page

            bank.fetch_transactions = fail_on_the_second_page
        case _:
            bank.stream.status = INITIAL
            bank.errors.clear()
            vars(bank).pop("fetch_transactions", None)


def test_totals_follow_an_amount_that_the_bank_changes(ada):
    bank = open_bank(rows=2)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        bank.stream.apply(Modified(row(bank, "t0", "-7.00")))
        sync.sync_item(ada.household_id, item_id, "button")

    totals = "SELECT sum(money_in), sum(money_out), sum(count) FROM "
    for table in ("daily_totals", "monthly_totals"):
        assert query(ada.household_id, totals + table) == [(7, -2, 2)]


def test_trap_13_no_key_that_opens_anything_stands_in_the_code():
    """Nothing that looks like a real secret is shipped, not even for a demo."""
    files = subprocess.run(
        ["git", "ls-files", "app", "deploy", "scripts"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    looks = re.compile(
        r"\b(?:access|public|secret)-(?:sandbox|production)-[0-9a-f-]{20,}"
        r"|\bsk-[A-Za-z0-9]{20,}|(?i:api_?key|secret|token)\w*\s*=\s*[\"'][A-Za-z0-9+/_-]{24,}[\"']"
    )
    found = [
        f"{name}: {match[0]}"
        for name in files
        if name.endswith((".py", ".yml", ".yaml", ".toml", ".sh", ".conf"))
        and (ROOT / name).is_file()
        for match in looks.finditer((ROOT / name).read_text(encoding="utf-8"))
    ]
    if not files:
        pytest.skip("not a checkout: there is no list of files to look through")

    assert found == []


_EFFECTIVE = (
    ("bank", None, None, "bank"),
    ("bank", "model", None, "model"),
    ("bank", "model", "user", "user"),
    ("bank", None, "user", "user"),
    (None, "model", None, "model"),
    (None, None, "user", "user"),
    (None, None, None, None),
)


@pytest.mark.parametrize(("source", "enriched", "user", "shown"), _EFFECTIVE)
def test_trap_10_an_enrichment_that_says_nothing_hides_and_locks_nothing(
    ada, source, enriched, user, shown
):
    """The database computes what is shown: the user's, else enrichment's, else the source's."""
    bank = open_bank(rows=1)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
    said = {"source": source, "enriched": enriched, "user": user}
    with ada.session() as session:
        changes.open_change_set(session, ada.household_id, kind="edit", actor_user_id=ada.user_id)
        for who, name in said.items():
            session.execute(
                text(f"UPDATE transactions SET counterparty_{who} = :name"), {"name": name}
            )
            session.execute(
                text(
                    f"UPDATE transactions SET category_{who} ="
                    " (SELECT id FROM categories ORDER BY id OFFSET :nth LIMIT 1)"
                    if name
                    else f"UPDATE transactions SET category_{who} = NULL"
                ),
                {"nth": list(said).index(who)} if name else {},
            )

    [(counterparty, category_id)] = query(
        ada.household_id, "SELECT counterparty, category_id FROM transactions"
    )
    order = query(ada.household_id, "SELECT id FROM categories ORDER BY id LIMIT 3")
    assert counterparty == shown
    by_name = dict(zip(("bank", "model", "user"), (each for (each,) in order), strict=True))
    assert category_id == by_name.get(shown)


@pytest.mark.parametrize("name", ["", "  "])
@pytest.mark.parametrize("who", ["enriched", "user"])
def test_trap_10_a_name_that_says_nothing_cannot_be_stored(ada, who, name):
    """An empty answer would be shown instead of what the bank says."""
    bank = open_bank(rows=1)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
    before = query(ada.household_id, "SELECT counterparty FROM transactions")

    with ada.session() as session:
        changes.open_change_set(session, ada.household_id, kind="edit", actor_user_id=ada.user_id)
        statement = text(f"UPDATE transactions SET counterparty_{who} = :name")
        with pytest.raises(IntegrityError, match="ck_transactions_names"), session.begin_nested():
            session.execute(statement, {"name": name})

    assert query(ada.household_id, "SELECT counterparty FROM transactions") == before
