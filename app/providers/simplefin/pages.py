"""Say what a journaled answer of SimpleFIN means: pure, and the same in ten years.

An answer does not say which days it is about, so the page keeps the question in its first line, and
the body as it came after it.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from app.domain.records import AccountRecord, ChangeSet, RejectedRecord, TransactionRecord
from app.providers.base import ItemRecord, Page, Span
from app.providers.decoding import (
    DECODE_ERRORS,
    RowError,
    bad_body,
    decode_rows,
    parse_object,
    records_of,
    repaired,
    without_nul,
)
from app.providers.simplefin import errors, mapping
from app.providers.simplefin.structs import Account, AccountSet, Connection, Transaction, Trouble
from app.providers.simplefin.windows import Window, place_after, place_of

TRANSACTIONS = "simplefin.transactions_sync"
TRUSTED_DAYS = 30
"""Days for which silence means that there is nothing; servers forget what is older."""
_INSTITUTIONS_NAMED = 2

Rejected = list[RejectedRecord]


def payload_of(window: Window, body: bytes) -> bytes:
    """Return what the journal keeps of a question and its answer."""
    return msgspec.json.encode(window) + b"\n" + body


def decode_page(kind: str, payload: bytes, from_cursor: str | None) -> Page:
    """Return what an answer means; rows that cannot be booked are in `rejected`.

    Raises:
        ProviderUnavailableError: The body is no JSON, or is cut off.
        ProviderContractError: It is not an answer of this kind.
        ReauthRequiredError: The server let nobody in, and so told nothing.
        ValueError: The kind or the cursor is not one of SimpleFIN's.
    """
    if kind != TRANSACTIONS:
        raise ValueError(f"{kind!r} is not a kind of page of SimpleFIN's")
    question, _, answer = payload.partition(b"\n")
    window = msgspec.json.decode(question, type=Window)
    body = _decode(answer)
    rejected: Rejected = []
    told = _Told(body, rejected)
    if not told.accounts and any(each.code == "gen.auth" for each in told.troubles):
        raise errors.explained("gen.auth")
    # Some servers list what is pending whatever the days.
    has_rows = any(not row.pending and window.first <= row.date < window.end for row in told.rows)
    place, has_more = place_after(
        place_of(from_cursor), window, has_rows=has_rows, is_whole=not told.has_gaps
    )
    return Page(
        kind=kind,
        payload=payload,
        changes=ChangeSet(
            from_cursor,
            place.cursor,
            tuple(told.rows),
            accounts=tuple(told.accounts),
            rejected=tuple(rejected),
        ),
        has_more=has_more,
        history_complete=not has_more,
        item=_item(told),
        told=tuple(told.spans(window)),
    )


def find_transaction(payload: bytes, source_id: str) -> dict[str, object]:
    """Return all that the answer says of one transaction, numbers exact; empty if nothing."""
    body = parse_object(repaired(payload.partition(b"\n")[2]))
    accounts = body.get("accounts")
    for account in accounts if isinstance(accounts, list) else ():
        rows = account.get("transactions") if isinstance(account, dict) else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("id") == source_id:
                return row
    return {}


class _Told:
    """What an answer tells, account by account."""

    def __init__(self, body: AccountSet, rejected: Rejected) -> None:
        self.troubles = _troubles(body)
        self.accounts: list[AccountRecord] = []
        self.rows: list[TransactionRecord] = []
        self.balance_dates: list[int] = []
        self._connection_of: dict[str, str | None] = {}
        self._oldest: dict[str, dt.date] = {}
        connections = _connections(body)
        for row in decode_rows(Account, body.accounts, "accounts", "id", rejected):
            try:
                self._add(row, connections, rejected)
            except RowError as error:
                rejected.append(RejectedRecord(error.reason, f"accounts.{error.field}", row.id))

    def _add(self, row: Account, connections: Mapping[str, Connection], rejected: Rejected) -> None:
        if row.id in self._connection_of:
            raise RowError("two accounts have the same id", "id")
        currency = mapping.currency_of(row.currency)
        connection = connections.get(row.conn_id or "")
        source = connection or row.org
        key = connection.org_id if connection else row.org.key if row.org else None
        record = mapping.account_record(
            row, currency, institution=source.title if source else None, institution_key=key
        )
        self.accounts.append(record)
        self._connection_of[row.id] = row.conn_id
        if row.balance_date:
            self.balance_dates.append(row.balance_date)
        given = decode_rows(Transaction, row.transactions, "transactions", "id", rejected)
        found = records_of(
            {each.id: each for each in given}.values(),
            lambda each: mapping.transaction_record(each, row, currency),
            "transactions",
            lambda each: each.id,
            rejected,
        )
        self.rows += found
        days = [each.date for each in found if not each.pending]
        if days:
            self._oldest[row.id] = min(days)

    @property
    def has_gaps(self) -> bool:
        """Whether something may be missing of any account."""
        return any(self._is_about(each, None) for each in self.troubles)

    def spans(self, window: Window) -> list[Span]:
        """Return, for each account that was read to the end, the days of which all is told."""
        trusted = max(window.first, window.at.date() - dt.timedelta(TRUSTED_DAYS))
        spans = []
        for account in self.accounts:
            if any(self._is_about(each, account.source_id) for each in self.troubles):
                continue
            first = min(trusted, self._oldest.get(account.source_id, trusted))
            if first < window.end:
                spans.append(Span(account.source_id, max(first, window.first), window.end))
        return spans

    def _is_about(self, trouble: Trouble, account_id: str | None) -> bool:
        """Tell whether trouble concerns an account; None: any.

        What names none that is listed may concern all.
        """
        if trouble.code == errors.DEVELOPERS:
            return False
        if account_id is None:
            return True
        if trouble.account_id in self._connection_of:
            return trouble.account_id == account_id
        if trouble.conn_id:
            return self._connection_of[account_id] in (trouble.conn_id, None)
        return True


def _decode(answer: bytes) -> AccountSet:
    try:
        return msgspec.json.decode(without_nul(answer), type=AccountSet)
    except DECODE_ERRORS:
        pass
    try:
        return msgspec.json.decode(repaired(answer), type=AccountSet)
    except DECODE_ERRORS as error:
        raise bad_body(error) from None


def _troubles(body: AccountSet) -> list[Trouble]:
    """Return the errors of either version; version 2 repeats its own as texts."""
    if body.errlist is not None:
        return decode_rows(Trouble, body.errlist, "errlist", "code", [])
    return [errors.of_text(text) for text in _texts(body.errors)]


def _texts(rows: Sequence[Raw] | None) -> list[str]:
    found = []
    for raw in rows or ():
        try:
            found.append(msgspec.json.decode(raw, type=str))
        except DECODE_ERRORS:
            found.append("")  # something is wrong, whatever it is
    return found


def _connections(body: AccountSet) -> dict[str, Connection]:
    rows = decode_rows(Connection, body.connections, "connections", "conn_id", [])
    return {row.conn_id: row for row in rows}


def _item(told: _Told) -> ItemRecord:
    names = list(dict.fromkeys(each.institution for each in told.accounts if each.institution))
    worst = errors.worst_of(told.troubles)
    return ItemRecord(
        institution_id=None,
        institution_name=_named(names),
        error_code=worst[0] if worst else None,
        error_message=worst[1] if worst else None,
        reads_on=bool(told.accounts),
        # The nearest that SimpleFIN has to "when the bank was reached".
        last_successful_update=mapping.instant_of(max(told.balance_dates, default=0)),
    )


def _named(names: Sequence[str]) -> str | None:
    if len(names) <= _INSTITUTIONS_NAMED:
        return " and ".join(names) or None
    return f"{names[0]} and {len(names) - 1} more"
