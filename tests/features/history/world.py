"""A household with a bank and files, and a naive model of its history to compare the ledger with.

The model is the decision of ADR 17 in plain Python: a list of change sets, each in force or not,
with the words that its source said and the decisions that were made; the ledger is the last of
those in force. Which row a word is about is history, noted when it was said.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from unittest import mock
from uuid import UUID

from app.core.database import household_transaction
from app.core.ids import uuid7
from app.domain.records import ChangeSet, join_pages
from app.features.connections.service import sync
from app.features.history.service import undo as undoing
from app.features.imports.service import decision
from app.features.imports.service.book import book
from app.features.imports.service.upload import preview
from app.features.transactions import edits
from app.features.transactions.edits import Edit
from app.importers.identity import IdentitySource
from app.providers.plaid import pages
from tests.factories.files import ofx
from tests.features.connections import bank as banks
from tests.features.connections import streams
from tests.features.connections.bank import query
from tests.features.connections.streams import History

DECIDED = ("source_id", "duplicate_of_id", "category_user", "counterparty_user", "note")
FILE_ROWS = 5
Said = tuple[dt.date, Decimal, bool, str, str | None]
"""Day, amount, pending, description, the pending transaction that it was."""
Stated = tuple[str, dt.date, Decimal]
"""Source account, day, balance."""
Step = tuple[str, int, int]
"""What happens at the bank: see `streams.History.step`."""


@dataclass
class Set:
    """One change set as the model knows it."""

    id: UUID
    kind: str
    words: dict[UUID, Said | None] = field(default_factory=dict)
    decisions: dict[tuple[UUID, str], str | None] = field(default_factory=dict)
    stated: set[Stated] = field(default_factory=set)
    in_force: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether it decides nothing that a later one could need."""
        return not any(name in ("source_id", "duplicate_of_id") for _, name in self.decisions)


@dataclass
class World:
    """The household, its sources, and the model."""

    household_id: UUID
    user_id: UUID
    item_id: UUID
    bank: banks.Bank
    history: History
    cursor: str | None = None
    sets: list[Set] = field(default_factory=list)
    born: dict[UUID, str] = field(default_factory=dict)
    """The name at its source under which each row came."""
    files: int = 0

    def sync(
        self,
        happenings: Sequence[Step],
        *,
        anew: bool = False,
        late: Sequence[Step] = (),
        by_earlier: bool = False,
    ) -> None:
        """Let things happen at the bank and sync.

        `anew`: the bank refuses our cursor. `late` happens after the rows were asked for, before
        the accounts are. `by_earlier`: by a program that let the listing's balances count.
        """
        for step in happenings:
            self.history.step(*step)
        anew = anew and self.cursor is not None
        self.cursor = None if anew else self.cursor
        joined, by_rows = self._told()
        self.bank.forgets = anew
        self.bank.late = [partial(self.history.step, *step) for step in late]
        with self._earlier_program() if by_earlier else nullcontext():
            outcome = sync.sync_item(self.household_id, self.item_id, "accept" if anew else None)
        assert outcome.state == "done", outcome
        listed = _balances(self.bank.fetch_accounts("").changes)
        if by_earlier:
            stated = {*by_rows.items(), *listed.items()}
        else:
            stated = set((listed | by_rows).items())
        words = {
            record.key: (
                record.date,
                record.money.amount,
                record.pending,
                record.description,
                record.pending_source_id,
            )
            for record in joined.upserts
        }
        words |= dict.fromkeys(joined.removed)
        if anew:
            listed = {account.source_id for account in joined.accounts}
            words = dict.fromkeys(key for key in self._names() if key[0] in listed) | words
        today = dt.datetime.now(dt.UTC).date()
        self._note("sync", words, {(account, today, current) for account, current in stated})
        self.cursor = joined.to_cursor

    def bring(self, pick: int, cents: int) -> None:
        """Import a file that has some of the rows of a month, in some version."""
        chosen = [n for n in range(FILE_ROWS) if pick >> n & 1] or [pick % FILE_ROWS]
        rows = [
            (f"202603{n + 10}", f"-{n + 1}.00", f"f{n}", f"SHOP {n} {'abc'[cents % 3]}")
            for n in chosen
        ]
        balance = Decimal(cents % 5)
        self.files += 1
        data = ofx(rows, balance=f"{balance}.00") + b"\n" * self.files
        import_id = preview(self.household_id, self.user_id, "march.ofx", data)
        book(self.household_id, self.user_id, import_id)
        if self.files % 3 == 0:
            self._forget_notes(import_id)
        [(account,)] = query(
            self.household_id, "SELECT account_source_id FROM source_accounts WHERE source = 'ofx'"
        )
        words = {}
        for number, amount, bank_id, name in rows:
            day = dt.date.fromisoformat(number)
            source_id = IdentitySource().next_id(day, Decimal(amount), bank_id=bank_id)
            words[account, source_id] = (day, Decimal(amount), False, name, None)
        self._note("import", words, {(account, dt.date(2026, 3, 31), balance)})

    def edit(self, pick: int, cents: int, *, many: bool) -> None:
        """Decide something of one row, or of several."""
        rows = sorted(self.born)
        if not rows:
            return
        chosen = rows[pick % 3 :: 2] if many else [rows[pick % len(rows)]]
        note = None if cents % 4 == 0 else f"note {cents % 3}"
        given = Edit(given=frozenset({"note"}), note=note)
        with household_transaction(self.household_id) as session:
            edited = edits.edit_transactions(
                session, self.household_id, self.user_id, chosen, given
            )
        if edited is not None:
            same_movements = query(
                self.household_id,
                "SELECT id FROM transactions WHERE coalesce(duplicate_of_id, id) IN"
                " (SELECT coalesce(duplicate_of_id, id) FROM transactions WHERE id = ANY(:ids))",
                ids=chosen,
            )
            decisions = {(row, "note"): note for (row,) in same_movements}
            self.sets.append(Set(edited.change_set_id, "edit", decisions=decisions))

    def turn(self, pick: int, *, in_force: bool) -> None:
        """Undo one of the change sets in force, or redo one of the others."""
        possible = [each for each in self.sets if each.in_force is not in_force]
        if possible:
            self.turn_set(possible[pick % len(possible)], in_force=in_force)

    def turn_set(self, target: Set, *, in_force: bool) -> bool:
        """Undo or redo one; False if that is refused, which it must not be without a reason."""
        act = undoing.redo if in_force else undoing.undo
        try:
            act(self.household_id, self.user_id, target.id)
        except undoing.DependentError:
            assert not target.is_plain
            return False
        target.in_force = in_force
        return True

    def model(self) -> dict[UUID, tuple[object, ...]]:
        """Return each row as the fold has it: what is said, removed or not, what is decided."""
        rows: dict[UUID, tuple[object, ...]] = {}
        for row, name in self.born.items():
            said: Said | None = None
            decided: dict[str, str | None] = dict.fromkeys(DECIDED) | {"source_id": name}
            for each in self.sets:
                if not each.in_force:
                    continue
                said = each.words.get(row, said)
                decided |= {n: value for (r, n), value in each.decisions.items() if r == row}
            rows[row] = (said, *decided.values()) if said else (None, *decided.values())
        return rows

    def ledger(self) -> dict[UUID, tuple[object, ...]]:
        """Return the same of the ledger; of a removed row, what it says does not matter."""
        found = query(
            self.household_id,
            "SELECT id, removed_at IS NULL, date, amount, pending, description,"
            " pending_source_id, source_id, duplicate_of_id::text, category_user::text,"
            " counterparty_user, note"
            " FROM transactions",
        )
        return {row[0]: (tuple(row[2:7]) if row[1] else None, *row[7:]) for row in found}

    def first_to_say_so(self) -> dict[UUID, UUID]:
        """Return, of each row that is shown, the first change set in force that says what it says.

        Of those that say the same, one after another.
        """
        found: dict[UUID, UUID] = {}
        for row in self.born:
            said: Said | None = None
            for each in self.sets:
                word = each.words.get(row, said) if each.in_force else said
                if word != said:
                    said, found[row] = word, each.id
            if said is None:
                found.pop(row, None)
        return found

    def named_pages(self) -> dict[UUID, UUID]:
        """Return, of each row that is shown, the change set whose page it names."""
        found = query(
            self.household_id,
            "SELECT t.id, c.id FROM transactions t JOIN journal_pages p ON p.id = t.journal_page_id"
            " JOIN change_sets c ON c.sync_run_id = p.sync_run_id WHERE t.removed_at IS NULL",
        )
        return dict(found)

    def stated(self) -> set[Stated]:
        """Return the balances that change sets in force state."""
        return {each for one in self.sets if one.in_force for each in one.stated}

    def anchors(self) -> set[Stated]:
        """Return the balances that the ledger knows."""
        return set(
            query(
                self.household_id,
                "SELECT s.account_source_id, (as_of AT TIME ZONE 'UTC')::date, a.current"
                " FROM balance_anchors a JOIN source_accounts s ON s.id = a.source_account_id",
            )
        )

    def _told(self) -> tuple[object, dict[str, Decimal]]:
        """Read the rows that the bank will tell, as its own client, and balances of that moment."""
        found, cursor, has_more = [], self.cursor, True
        while has_more:
            answer = self.bank.stream.sync(cursor or "", self.bank.page_rows)
            page = pages.decode_page(pages.TRANSACTIONS, answer.as_json(), cursor)
            found.append(page.changes)
            cursor, has_more = page.changes.to_cursor, answer.has_more
        return join_pages(found), _balances(found[-1])

    @contextmanager
    def _earlier_program(self) -> Iterator[None]:
        """Let a sync book as before balances counted as of the rows, and note nothing of it."""
        with mock.patch.object(sync, "_with_balances_of", lambda _, listing: listing):
            yield
        query(
            self.household_id,
            "UPDATE change_sets SET counts = counts - 'as_of_rows' WHERE sequence ="
            " (SELECT max(sequence) FROM change_sets)",
        )

    def _forget_notes(self, import_id: UUID) -> None:
        """Let a file be one that was booked before we noted what it repeats and states."""
        with household_transaction(self.household_id) as session:
            booked = decision.read(session, self.household_id, import_id)
            for account in booked.accounts:
                account.repeated = account.stated = None
            decision.write(session, self.household_id, import_id, booked)
        query(
            self.household_id,
            "UPDATE change_sets SET counts = counts - 'repeated' WHERE sync_run_id = :run",
            run=import_id,
        )

    def _names(self) -> dict[tuple[str, str], tuple[UUID, UUID]]:
        """Return, by account and name at the source, each row and what brought it."""
        found = query(
            self.household_id,
            "SELECT s.account_source_id, t.source_id, t.id, t.change_set_id FROM transactions t"
            " JOIN source_accounts s ON s.id = t.source_account_id",
        )
        return {(account, name): (row, brought_by) for account, name, row, brought_by in found}

    def _note(self, kind: str, words: dict, stated: set[Stated]) -> None:
        """Note the last change set: which rows its words are about, and what was decided."""
        [(id_,)] = query(
            self.household_id, "SELECT id FROM change_sets ORDER BY sequence DESC LIMIT 1"
        )
        names = {}
        for key, (row, brought_by) in self._names().items():
            names[key] = row
            if brought_by == id_:
                self.born[row] = key[1]
        decisions = {}
        for row, name, before, after in query(
            self.household_id,
            "SELECT transaction_id, field, before, after FROM field_changes"
            " WHERE change_set_id = :id AND field = ANY(:fields)",
            id=id_,
            fields=list(DECIDED),
        ):
            decisions[row, name] = after
            if name == "source_id" and self.born.get(row) == after:
                # It came and got another name in one change set.
                self.born[row] = before
        said = {names[key]: word for key, word in words.items() if key in names}
        self.sets.append(Set(id_, kind, said, decisions, stated))


def _balances(changes: ChangeSet) -> dict[str, Decimal]:
    return {
        each.source_id: each.balance.current
        for each in changes.accounts
        if each.balance.current is not None
    }


@contextmanager
def new_world() -> Iterator[World]:
    """Yield a household with two accounts at a bank, as yet without transactions."""
    household_id = streams.new_household()
    history = streams.new_history(f"item-{uuid7()}", streams.Noise())
    bank = banks.Bank(history.stream)
    with banks.linked(household_id, bank) as item_id:
        yield World(household_id, uuid7(), item_id, bank, history)
