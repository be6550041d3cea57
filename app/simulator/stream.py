"""The change stream of one Item as Plaid's /transactions/sync shows it, without any I/O.

The HTTP endpoint and the property tests use this same model. Use it like this:

    stream = ItemStream("item", [Account(account_id="checking", name="Checking")])
    stream.apply(Added(Row("p1", "checking", day, Decimal("9.99"), pending=True)))
    page = stream.sync(cursor="", count=100)      # raises MutationError mid-loop
    stream.apply(Posted("p1", Row("t1", "checking", day, Decimal("11.99"))))
    page = stream.sync(page.next_cursor, 100)     # removed p1, added t1 linked to p1
    page.as_dict(), page.as_json()                # what Plaid would send
    stream.truth()                                # {"t1": ("checking", day, 11.99, False)}

The stream is an append-only log; a cursor names a position in it, so every cursor stays valid
for ever. A loop over pages reads the log from its first cursor and shows each transaction once,
at its last change: `added` when it is new since the loop's first cursor, else `modified`, or
`removed`. The empty cursor shows all that is current as `added` and nothing as `removed`.
When anything happens between two pages of a loop, the later page raises `MutationError`, again
and again, until the caller restarts from the loop's first cursor.
`Noise` adds what Plaid allows itself: see there.
"""

import base64
import datetime as dt
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from app.simulator.events import (
    COUNT_MAX,
    AccountChurned,
    Added,
    Backfilled,
    Churned,
    Event,
    Modified,
    Noise,
    Posted,
    Removed,
)
from app.simulator.identifiers import identifier
from app.simulator.rows import (
    ZERO,
    Account,
    Balance,
    Row,
    account_json,
    decode,
    encode,
    join_json,
    stated_balance,
    transaction_json,
)

__all__ = [
    "COUNT_MAX", "HISTORICAL", "INITIAL", "NOT_READY", "AccountChurned", "Added", "Backfilled",
    "Churned", "Event", "InvalidCursorError", "ItemStream", "Modified", "MutationError", "Noise",
    "Page", "Posted", "Removed", "Truth", "replay",
]  # fmt: skip

NOT_READY = "NOT_READY"
INITIAL = "INITIAL_UPDATE_COMPLETE"
HISTORICAL = "HISTORICAL_UPDATE_COMPLETE"

Truth = dict[str, tuple[str, dt.date, Decimal, bool]]


class MutationError(Exception):
    """The data changed between two pages of a loop (Plaid's MUTATION_DURING_PAGINATION)."""


class InvalidCursorError(ValueError):
    """The cursor is not one that this stream gave out."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a sync."""

    added: list[Row]
    modified: list[Row]
    removed: list[tuple[str, str]]
    """Transaction id and account id."""
    next_cursor: str
    has_more: bool
    status: str
    accounts: list[tuple[Account, Balance]] = field(default_factory=list)

    def parts(self, *, version: str = "v2", described: bool = True) -> dict[str, object]:
        """Return the fields of Plaid's answer, with the lists as encoded JSON."""
        return {
            "accounts": join_json(account_json(*each) for each in self.accounts),
            "added": _rows_json(self.added, version, described=described),
            "modified": _rows_json(self.modified, version, described=described),
            "removed": [
                {"transaction_id": transaction_id, "account_id": account_id}
                for transaction_id, account_id in self.removed
            ],
            "next_cursor": self.next_cursor,
            "has_more": self.has_more,
            "transactions_update_status": self.status,
        }

    def as_json(
        self, request_id: str = "simulated000000", *, version: str = "v2", described: bool = True
    ) -> bytes:
        """Return the body that Plaid would send; amounts are exact JSON numbers."""
        return encode(self.parts(version=version, described=described) | {"request_id": request_id})

    def as_dict(self, *, version: str = "v2") -> dict[str, Any]:
        """Return the parsed body; fractions are Decimals, never floats."""
        body: dict[str, Any] = decode(self.as_json(version=version))
        return body


def _rows_json(rows: Iterable[Row], version: str, *, described: bool) -> msgspec.Raw:
    return join_json(transaction_json(row, version=version, described=described) for row in rows)


@dataclass(slots=True)
class _Life:
    """Where a transaction's versions lie in the log."""

    born: int
    last: int
    row: Row
    removed: bool = False


@dataclass(frozen=True, slots=True)
class _Cursor:
    base: int
    """Position at which the loop started."""
    position: int
    generation: int = 0
    """1 + the stream's generation when the loop started; 0 at the end of a loop."""
    page: int = 0
    """Pages of this loop that were handed out."""


_CURSOR = struct.Struct(">4sIIIH")
_ENTRY = tuple[str, int, bool]
"""Transaction id, number of the event, whether it is a removal."""


class ItemStream:
    """The transactions of one Item and how they came to be; see the module's text."""

    def __init__(
        self, name: str, accounts: Iterable[Account] = (), *, status: str = HISTORICAL
    ) -> None:
        self.name = name
        self.status = status
        """NOT_READY, INITIAL or HISTORICAL; set it as the Item matures."""
        self.noise = Noise()
        self.accounts: dict[str, Account] = {each.account_id: each for each in accounts}
        self._log: list[_ENTRY] = []
        self._versions: list[Row] = []
        self._lives: dict[str, _Life] = {}
        self._posted: dict[str, Decimal] = dict.fromkeys(self.accounts, ZERO)
        self._pending: dict[str, Decimal] = dict.fromkeys(self.accounts, ZERO)
        self._generation = 0
        self._events = 0

    # What happens at the bank

    def apply(self, event: Event) -> None:
        """Let an event happen.

        Raises:
            ValueError: The event contradicts the stream: an id that is unknown, gone or used
                before, or an unknown account.
        """
        self._events += 1
        match event:
            case Added(row):
                self._add(row)
            case Backfilled(rows):
                self._backfill(rows)
            case Posted():
                self._post(event)
            case Modified(row):
                self._modify(row)
            case Removed(transaction_id):
                self._remove(transaction_id)
            case Churned(transaction_id, row):
                self._remove(transaction_id)
                self._add(row)
            case AccountChurned():
                self._churn_account(event)
        self._generation += 1

    def touch(self) -> None:
        """Break every loop that is under way, without changing any data."""
        self._generation += 1

    def set_accounts(self, accounts: Iterable[Account]) -> None:
        """Replace what is known of the accounts; those with transactions must stay."""
        self.accounts = {each.account_id: each for each in accounts}
        for account_id in self.accounts:
            self._posted.setdefault(account_id, ZERO)
            self._pending.setdefault(account_id, ZERO)

    def _add(self, row: Row) -> None:
        if row.transaction_id in self._lives:
            raise ValueError(f"the id {row.transaction_id} was used before")
        if row.account_id not in self.accounts:
            raise ValueError(f"there is no account {row.account_id}")
        self._lives[row.transaction_id] = _Life(len(self._log), len(self._log), row)
        self._append(row, removed=False)
        self._count(row, 1)

    def _backfill(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._add(row)
            if not row.pending:
                account = self.accounts[row.account_id]
                # What was in the balance already must not change it.
                shift = -row.amount if account.owes else row.amount
                opening = account.opening + shift
                self.accounts[row.account_id] = msgspec.structs.replace(account, opening=opening)

    def _post(self, event: Posted) -> None:
        row = event.row
        if event.linked:
            row = msgspec.structs.replace(row, pending_transaction_id=event.pending_id)
        if event.removal == "before":
            self._remove(event.pending_id)
        self._add(row)
        if event.removal == "after":
            self._remove(event.pending_id)

    def _living(self, transaction_id: str) -> _Life:
        life = self._lives.get(transaction_id)
        if life is None or life.removed:
            raise ValueError(f"there is no transaction {transaction_id}")
        return life

    def _modify(self, row: Row) -> None:
        life = self._living(row.transaction_id)
        if row.account_id not in self.accounts:
            raise ValueError(f"there is no account {row.account_id}")
        self._count(life.row, -1)
        life.row, life.last = row, len(self._log)
        self._append(row, removed=False)
        self._count(row, 1)

    def _remove(self, transaction_id: str) -> None:
        life = self._living(transaction_id)
        self._count(life.row, -1)
        life.removed, life.last = True, len(self._log)
        self._append(life.row, removed=True)

    def _churn_account(self, event: AccountChurned) -> None:
        old = self.accounts.get(event.account_id)
        if old is None or event.new_account_id in self.accounts:
            raise ValueError(f"account {event.account_id} cannot become {event.new_account_id}")
        new_id = event.new_account_id
        self.accounts[new_id] = msgspec.structs.replace(old, account_id=new_id)
        self._posted[new_id] = self._pending[new_id] = ZERO
        renamed = {
            key: identifier(self.name, "churn", new_id, key)
            for key, life in self._lives.items()
            if life.row.account_id == event.account_id and not life.removed
        }
        rows = [self._lives[key].row for key in renamed]
        for row in rows:
            self._remove(row.transaction_id)
        for row in rows:
            pending_id = row.pending_transaction_id
            self._add(
                msgspec.structs.replace(
                    row,
                    account_id=new_id,
                    transaction_id=renamed[row.transaction_id],
                    pending_transaction_id=renamed.get(pending_id or "", pending_id),
                )
            )
        del self.accounts[event.account_id]

    def _append(self, row: Row, *, removed: bool) -> None:
        self._log.append((row.transaction_id, self._events, removed))
        self._versions.append(row)

    def _count(self, row: Row, sign: int) -> None:
        totals = self._pending if row.pending else self._posted
        totals[row.account_id] += sign * row.amount

    # What the caller sees

    def truth(self) -> Truth:
        """Return what is current, by transaction id: account, date, amount, pending.

        Amounts have Plaid's sign: positive is money out of the account.
        """
        return {
            key: (life.row.account_id, life.row.date, life.row.amount, life.row.pending)
            for key, life in self._lives.items()
            if not life.removed
        }

    def rows(self) -> list[Row]:
        """Return the current version of every transaction, in the order they arrived."""
        return [life.row for life in self._lives.values() if not life.removed]

    def row(self, transaction_id: str) -> Row | None:
        """Return the current version of a transaction, if there is one."""
        life = self._lives.get(transaction_id)
        return None if life is None or life.removed else life.row

    def knows(self, transaction_id: str) -> bool:
        """Whether the id is or was that of a transaction."""
        return transaction_id in self._lives

    def balance(self, account_id: str) -> Balance:
        """Return what the bank states; always the opening plus the posted rows.

        With the pending ones at banks that count them.
        """
        account = self.accounts[account_id]
        posted = self._posted.get(account_id, ZERO)
        return stated_balance(account, posted, self._pending.get(account_id, ZERO))

    def head(self) -> str:
        """Return a cursor after all that has happened (Plaid's `now`)."""
        return self._encode(_Cursor(len(self._log), len(self._log)), None)

    def pages_read(self, cursor: str | None, account_id: str | None = None) -> int:
        """Return how many pages of its loop the cursor has behind it; 0 starts a loop."""
        return self._decode(cursor or "", account_id).page

    def sync(
        self, cursor: str | None = "", count: int = 100, *, account_id: str | None = None
    ) -> Page:
        """Return the next page after the cursor.

        Args:
            cursor: Empty or None for everything, `now` for the end, else a `next_cursor`.
            count: Rows wanted, 1 to 500; a page may be shorter although more follow.
            account_id: Show this account alone; such a stream has its own cursors.

        Raises:
            MutationError: Something happened since the loop's first page; restart from there.
            InvalidCursorError: The cursor is not ours.
            ValueError: The count is out of range.
        """
        if not 1 <= count <= COUNT_MAX:
            raise ValueError(f"count must be 1 to {COUNT_MAX}")
        if self.status == NOT_READY:
            return Page([], [], [], "", has_more=False, status=NOT_READY)
        if cursor == "now":
            end = self._encode(_Cursor(len(self._log), len(self._log)), account_id)
            return Page([], [], [], end, has_more=False, status=self.status)
        at = self._decode(cursor or "", account_id)
        if at.generation and at.generation != self._generation + 1:
            raise MutationError
        return self._page(at, min(count, self.noise.page_rows_max), account_id)

    def _page(self, at: _Cursor, count: int, account_id: str | None) -> Page:
        shown: list[int] = self._repeated(at, account_id)
        position, rows, end = at.position, 0, len(self._log)
        mentioned: set[str] = set()
        while position < end and rows < count:
            if self._shows(position, at.base, account_id):
                key = self._log[position][0]
                if key in mentioned or (rows and self._splits(shown[-1], position)):
                    break
                mentioned.add(key)
                shown.append(position)
                rows += 1
            position += 1
        while position < end and not self._shows(position, at.base, account_id):
            position += 1
        has_more = position < end
        after = (
            _Cursor(at.base, position, self._generation + 1, at.page + 1)
            if has_more
            else _Cursor(end, end)
        )
        return self._assemble(shown, at.base, self._encode(after, account_id), has_more=has_more)

    def _shows(self, position: int, base: int, account_id: str | None) -> bool:
        """Whether the entry is part of a loop that started at `base`."""
        key, _, removed = self._log[position]
        if account_id is not None and self._versions[position].account_id != account_id:
            return False
        life = self._lives[key]
        if self.noise.raw_log and base > 0:
            return True
        return life.last == position and (not removed or life.born < base)

    def _splits(self, previous: int, position: int) -> bool:
        (_, event, removed), (_, next_event, next_removed) = (
            self._log[previous],
            self._log[position],
        )
        return self.noise.split_pairs and event == next_event and removed != next_removed

    def _repeated(self, at: _Cursor, account_id: str | None) -> list[int]:
        """Positions of the page before that this page repeats."""
        found: list[int] = []
        position = at.position - 1
        while at.page and position >= at.base and len(found) < self.noise.repeat_rows:
            key, _, removed = self._log[position]
            current = self._lives[key].last == position and not removed
            if current and self._shows(position, at.base, account_id):
                found.append(position)
            position -= 1
        return found[::-1]

    def _assemble(
        self, shown: Sequence[int], base: int, next_cursor: str, *, has_more: bool
    ) -> Page:
        added: list[Row] = []
        modified: list[Row] = []
        removed: list[tuple[str, str]] = []
        for place, position in enumerate(shown):
            key, _, is_removal = self._log[position]
            row = self._versions[position]
            if is_removal:
                removed.append((key, row.account_id))
                continue
            # In the raw log a row is new at its first entry only.
            first = position if self.noise.raw_log and base > 0 else base
            is_new = self._lives[key].born >= first
            if self.noise.swap_added_modified and place % 2:
                is_new = not is_new
            (added if is_new else modified).append(row)
        if self.noise.unknown_removals and self.accounts:
            removed.append((identifier(self.name, "never", next_cursor), next(iter(self.accounts))))
        accounts = [
            (account, self.balance(account_id))
            for account_id, account in self.accounts.items()
            if account.type != "investment"
        ]
        return Page(added, modified, removed, next_cursor, has_more, self.status, accounts)

    # Cursors

    def _tag(self, account_id: str | None) -> bytes:
        return blake2b(f"{self.name}\x1f{account_id}".encode(), digest_size=4).digest()

    def _encode(self, cursor: _Cursor, account_id: str | None) -> str:
        packed = _CURSOR.pack(
            self._tag(account_id),
            cursor.base,
            cursor.position,
            cursor.generation,
            min(cursor.page, 0xFFFF),
        )
        seal = blake2b(packed, digest_size=9, key=b"simulator").digest()
        return base64.b64encode(packed + seal).decode()

    def _decode(self, text: str, account_id: str | None) -> _Cursor:
        if not text:
            return _Cursor(0, 0)
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError:
            raise InvalidCursorError("the cursor is not one of ours") from None
        packed, seal = raw[: _CURSOR.size], raw[_CURSOR.size :]
        if seal != blake2b(packed, digest_size=9, key=b"simulator").digest():
            raise InvalidCursorError("the cursor is not one of ours")
        tag, base, position, generation, page = _CURSOR.unpack(packed)
        if tag != self._tag(account_id) or position > len(self._log):
            raise InvalidCursorError("the cursor belongs to another Item")
        return _Cursor(base, position, generation, page)


def replay(pages: Iterable[Page], known: Mapping[str, Row] | None = None) -> dict[str, Row]:
    """Return what a reader of the pages holds: upserts first, then removals, page by page."""
    held = dict(known or {})
    for page in pages:
        held |= {row.transaction_id: row for row in [*page.added, *page.modified]}
        for transaction_id, _ in page.removed:
            held.pop(transaction_id, None)
    return held
