"""Whatever comes and goes of the days before an account's first balance, it stays tied."""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import msgspec
import time_machine
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.core.database import household_transaction
from app.core.ids import uuid7
from app.features.history.service import undo as undoing
from app.features.imports.service.book import book, change_set_of
from app.features.imports.service.look import Choices, look, set_layout
from app.features.imports.service.upload import preview
from app.features.proof import service as proof
from app.simulator.stream import Added, Backfilled, Modified, Posted, Removed
from tests import effort
from tests.factories.files import csv
from tests.features.connections import streams
from tests.features.connections.bank import Bank, linked, open_bank, query, row
from tests.features.tieout.days import NOON, let_it_stand, on, sync_on

ROWS_MAX = 26
happenings = st.tuples(
    st.sampled_from(["book", "withdraw", "withdraw", "correct", "post", "history", "file", "turn"]),
    st.integers(0, 13),
)
days = st.lists(st.tuples(st.booleans(), st.lists(happenings, max_size=3)), min_size=2, max_size=6)
"""Whether the bank's balance never had what comes and goes of the time before the first balance;
and what happens on that day."""
OLD_HISTORY_COMES_AND_GOES = [
    (False, [("history", 3)]), (False, [("withdraw", 4)]), (True, [("withdraw", 0)]),
    (False, [("withdraw", 0)]), (True, [("book", 9)]),
]  # fmt: skip


@dataclass
class Life:
    """A bank account that is read each noon, and files about the time before."""

    household_id: UUID
    bank: Bank
    number: int = 0
    """Of the day."""
    told: int = 0
    """Rows that there ever were."""
    stands_still: bool = False
    fresh: set[str] = field(default_factory=set)
    """History that nobody has read yet."""
    imports: list[UUID] = field(default_factory=list)
    user_id: UUID = field(default_factory=uuid7)

    def happen(self, kind: str, pick: int) -> None:
        """Let one thing happen; what makes no sense right now does nothing."""
        if self.told > ROWS_MAX:
            return
        rows = [each for each in self.bank.stream.rows() if each.transaction_id not in self.fresh]
        booked = [each for each in rows if not each.pending]
        match kind:
            case "book":
                self._apply(Added(self._row(on(self.number - pick))))
            case "withdraw" if booked:
                gone = booked[pick % len(booked)]
                self._apply(Removed(gone.transaction_id), gone.date)
            case "correct" if booked:
                old = booked[pick % len(booked)]
                row_ = self._row(old.date)
                row_ = msgspec.structs.replace(row_, transaction_id=old.transaction_id)
                self._apply(Modified(row_))
            case "post" if len(booked) < len(rows):
                [old] = [each for each in rows if each.pending]
                self.bank.stream.apply(Posted(old.transaction_id, self._row(on(self.number))))
            case "history":
                old = self._row(on(-40 - pick))
                self.fresh.add(old.transaction_id)
                self.bank.stream.apply(Backfilled([old]))
            case "file":
                self._bring(on(-60 - pick))
            case "turn" if self.imports:
                turn(self.household_id, self.user_id, self.imports[pick % len(self.imports)])

    def _apply(self, event: object, day: dt.date | None = None) -> None:
        is_older = (day or event.row.date) <= on(0)
        if self.stands_still and is_older:
            let_it_stand(self.bank, event)
        else:
            self.bank.stream.apply(event)

    def _row(self, day: dt.date, **more: object):
        amount, name = self._next()
        return row(self.bank, f"r{self.told}", str(amount), date=day, name=name, **more)

    def _next(self) -> tuple[Decimal, str]:
        """Return an amount and a name; sums of different amounts are never the same."""
        self.told += 1
        return Decimal(3**self.told).scaleb(-2), f"SHOP {self.told}"

    def _bring(self, day: dt.date) -> None:
        amount, name = self._next()
        data = csv(f"{day},{name},-{amount}")
        [(account_id,)] = query(self.household_id, "SELECT id FROM accounts")
        with time_machine.travel(NOON + dt.timedelta(days=self.number, hours=-1), tick=False):
            import_id = preview(self.household_id, self.user_id, "old.csv", data)
            key = look(self.household_id, import_id).accounts[0].key
            set_layout(self.household_id, import_id, Choices(targets={key: str(account_id)}))
            book(self.household_id, self.user_id, import_id)
        with household_transaction(self.household_id) as session:
            self.imports.append(change_set_of(session, self.household_id, import_id))


def turn(household_id: UUID, user_id: UUID, change_set_id: UUID) -> None:
    """Undo a change set, or redo it if it is undone."""
    [(undone_by,)] = query(
        household_id, "SELECT undone_by FROM change_sets WHERE id = :id", id=change_set_id
    )
    (undoing.redo if undone_by else undoing.undo)(household_id, user_id, change_set_id)


def state_of(household_id: UUID) -> tuple:
    [found] = query(
        household_id,
        "SELECT state, reason, tied_from, tied_through, stated - computed, treatment, broke_by"
        " FROM tie_outs",
    )
    return found


@settings(
    max_examples=effort.examples(150),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@example(history=OLD_HISTORY_COMES_AND_GOES)
@given(history=days)
def test_what_is_older_than_the_first_balance_opens_no_gap(history) -> None:
    bank = open_bank()
    life = Life(streams.new_household(), bank)
    for number in (-20, -2, 0):
        bank.stream.apply(Added(life._row(on(number))))
    bank.stream.apply(Added(life._row(on(-1), pending=True)))
    with linked(life.household_id, bank) as item_id:
        sync_on(bank, item_id, life.household_id, 0)
        for number, (stands_still, happening) in enumerate(history, 1):
            life.number, life.stands_still = number, stands_still
            for each in happening:
                life.happen(*each)
            life.fresh.clear()
            sync_on(bank, item_id, life.household_id, number)
            assert state_of(life.household_id)[0] == "tied", number
    check(life)
    for import_ in life.imports:
        for _ in range(2):
            turn(life.household_id, life.user_id, import_)
            assert state_of(life.household_id)[0] == "tied"
    syncs = query(life.household_id, "SELECT id FROM change_sets WHERE kind = 'sync'")
    for (change_set_id,) in syncs:
        before = state_of(life.household_id)
        try:
            turn(life.household_id, life.user_id, change_set_id)
        except undoing.DependentError:
            continue
        check(life)
        turn(life.household_id, life.user_id, change_set_id)
        assert state_of(life.household_id) == before
    check(life)


def check(life: Life) -> None:
    found = proof.replay(life.household_id)
    assert found.is_same, (found.differences, found.totals, found.standing, found.unreadable)
    assert [each for each in proof.verify(life.household_id) if each.count] == []
