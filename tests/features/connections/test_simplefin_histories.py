"""Random banks behind a SimpleFIN server: whatever happens between readings, the days that were
told to the end are in the ledger as the bank has them, and nothing outside of them is touched.

`FINTECH_HISTORIES=1000 pytest tests/features/connections/test_simplefin_histories.py` runs as many.
"""

import datetime as dt
import json
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.ids import uuid7
from app.core.outbound import Allowance
from app.features.connections.service import sync
from app.features.proof import service as proof
from app.features.transactions.service import Applied
from app.providers import registry
from app.providers.simplefin.client import SimpleFINClient
from app.providers.simplefin.pages import TRUSTED_DAYS
from app.providers.simplefin.provider import SimpleFINProvider
from app.providers.simplefin.windows import Window
from app.simulator.rows import Row
from app.simulator.stream import Noise
from tests import effort
from tests.features.connections import streams
from tests.features.connections.bank import query, store_simplefin_item

BEGIN = dt.datetime(2026, 1, 20, 9, tzinfo=dt.UTC)
ROWS = "SELECT source_id, date, amount, pending FROM transactions WHERE removed_at IS NULL"
many = settings(max_examples=effort.histories() // 2)

kinds = st.sampled_from([kind for kind in streams.KINDS if kind != "churn account"])
steps = st.tuples(kinds, st.integers(0, 60), st.integers(-50_000, 50_000))
rounds = st.lists(
    st.tuples(
        st.lists(steps, max_size=8),
        st.integers(0, 25),
        st.sampled_from(["", "", "act.missingdata", "con.", "gen.api"]),
    ),
    min_size=2,
    max_size=6,
)
"""What happens before each reading, the days that pass, and what the server complains of."""


@dataclass
class Server(SimpleFINClient):
    """Answers for a stream as the protocol wants it; no network."""

    history: streams.History
    trouble: str = ""
    asked: list[Window] = field(default_factory=list)

    def accounts(self, access_url: str, window: Window) -> bytes:
        """Tell the days of a window, and all that is pending; half of it when in trouble."""
        self.asked.append(window)
        rows = [
            row
            for row in self.history.stream.rows()
            if row.pending or window.first <= row.date < window.end
        ]
        is_cut = self.trouble in ("act.missingdata", "con.")
        told = rows[: len(rows) // 2] if is_cut else rows
        return json.dumps(
            {
                "errlist": [{"code": self.trouble, "msg": "?"}] if self.trouble else [],
                "connections": [],
                "accounts": [
                    _account(account_id, [row for row in told if row.account_id == account_id])
                    for account_id in self.history.stream.accounts
                ],
            }
        ).encode()

    def truth(self) -> dict[str, tuple]:
        """Return what the bank has, by id, with our sign."""
        return {
            row.transaction_id: (row.date, -row.amount, row.pending)
            for row in self.history.stream.rows()
        }


def _account(account_id: str, rows: list[Row]) -> dict[str, object]:
    return {
        "id": account_id, "name": "Everyday Checking", "currency": "USD", "balance": "1.00",
        "balance-date": _epoch(streams.FIRST_DAY), "transactions": list(map(_row, rows)),
    }  # fmt: skip


def _row(row: Row) -> dict[str, object]:
    return {
        "id": row.transaction_id,
        "posted": 0 if row.pending else _epoch(row.date),
        "amount": f"{-row.amount:f}",
        "description": row.name,
        "transacted_at": _epoch(row.date),
    }


def _epoch(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(12), dt.UTC).timestamp())


def _ledger(household_id: UUID) -> dict[str, tuple]:
    return {row[0]: row[1:] for row in query(household_id, ROWS)}


@many
@given(rounds=rounds)
def test_days_that_were_told_are_as_the_bank_has_them(rounds):
    household_id = streams.new_household()
    history = streams.new_history(f"item-{uuid7()}", Noise())
    server = Server(history)
    now = BEGIN
    provider = SimpleFINProvider(Allowance(), server, now=lambda: now)
    provider.requests_per_day = None
    before = dict(registry._providers)
    registry._providers["simplefin"] = provider
    try:
        item_id = store_simplefin_item(household_id)
        ever: set[str] = set()
        for happenings, days, trouble in rounds:
            for step in happenings:
                history.step(*step)
            now += dt.timedelta(days=days, seconds=1)
            ever |= set(server.truth())
            kept = _ledger(household_id)
            server.trouble, server.asked = trouble, []

            assert sync.sync_item(household_id, item_id).state == "done"

            _check(server, kept, _ledger(household_id))
            assert set(_ledger(household_id)) <= ever
            server.trouble = trouble if trouble != "gen.api" else ""
            assert sync.sync_item(household_id, item_id).applied == Applied(0, 0, 0)
        assert proof.replay(household_id).is_same
    finally:
        registry._providers.clear()
        registry._providers.update(before)


def _check(server: Server, kept: dict[str, tuple], now: dict[str, tuple]) -> None:
    """Compare what was asked with the bank, and what was not with what was there before."""
    first, end = min(each.first for each in server.asked), max(each.end for each in server.asked)

    def told(rows: dict[str, tuple], since: dt.date) -> dict[str, tuple]:
        return {name: row for name, row in rows.items() if row[2] or since <= row[0] < end}

    truth = server.truth()
    if server.trouble in ("", "gen.api"):
        assert told(truth, first).items() <= now.items()  # nothing is missed
        sure = max(first, server.asked[-1].at.date() - dt.timedelta(days=TRUSTED_DAYS))
        assert told(now, sure) == told(truth, sure)  # what is gone is gone
    else:
        assert set(kept) <= set(now)  # nothing is withdrawn on half an answer
    outside = set(kept) - set(told(kept, first)) - set(told(truth, first))
    assert all(now[name] == kept[name] for name in outside)
