"""Say what a journaled body of Plaid means: pure, and the same in ten years."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from app.domain.records import AccountRecord, ChangeSet, RejectedRecord, TransactionRecord
from app.providers.base import Page
from app.providers.decoding import (
    DECODE_ERRORS,
    bad_body,
    decode_leniently,
    decode_rows,
    parse_object,
    records_of,
    repaired,
    without_nul,
)
from app.providers.plaid import mapping, structs

TRANSACTIONS = "plaid.transactions_sync"
ACCOUNTS = "plaid.accounts"
ITEM = "plaid.item"
HOLDINGS = "plaid.holdings"
INVESTMENT_TRANSACTIONS = "plaid.investment_transactions"

_STILL_COLLECTING = ("NOT_READY", "INITIAL_UPDATE_COMPLETE")

_SYNC = msgspec.json.Decoder(
    structs.SyncPage[structs.Transaction, structs.Removed, structs.Account]
)
_SYNC_RAW = msgspec.json.Decoder(structs.SyncPage[Raw, Raw, Raw])
_ITEM = msgspec.json.Decoder(structs.ItemPage[structs.Item, structs.ItemStatus])
_ITEM_RAW = msgspec.json.Decoder(structs.ItemPage[object, object])
_ACCOUNTS = msgspec.json.Decoder(structs.AccountsPage[structs.Account, structs.Item])
_ACCOUNTS_RAW = msgspec.json.Decoder(structs.AccountsPage[Raw, object])
_HOLDINGS = msgspec.json.Decoder(
    structs.HoldingsPage[structs.Holding, structs.Security, structs.Account, structs.Item]
)
_HOLDINGS_RAW = msgspec.json.Decoder(structs.HoldingsPage[Raw, Raw, Raw, object])
_INVESTMENTS = msgspec.json.Decoder(
    structs.InvestmentTransactionsPage[structs.InvestmentTransaction, structs.Account, structs.Item]
)
_INVESTMENTS_RAW = msgspec.json.Decoder(structs.InvestmentTransactionsPage[Raw, Raw, object])

Body = TypeVar("Body", bound=Struct)
RawBody = TypeVar("RawBody", bound=Struct)
Rejected = list[RejectedRecord]


def decode_page(kind: str, payload: bytes, from_cursor: str | None) -> Page:
    """Return what a body of this kind means; rows that cannot be booked are in `rejected`.

    Raises:
        ProviderUnavailableError: The body is no JSON, or is cut off.
        ProviderContractError: It is not an answer of this kind.
        ValueError: The kind is not one of Plaid's.
    """
    try:
        decoder = _DECODERS[kind]
    except KeyError:
        raise ValueError(f"{kind!r} is not a kind of page of Plaid's") from None
    return decoder(payload, from_cursor)


def find_transaction(payload: bytes, source_id: str) -> dict[str, object]:
    """Return all that the body says of one transaction, numbers exact; empty if nothing.

    Where the body names it several times, the last word is returned.
    """
    body = parse_object(repaired(payload))
    found: dict[str, object] = {}
    for part, id_field in (
        ("added", "transaction_id"),
        ("modified", "transaction_id"),
        ("removed", "transaction_id"),
        ("investment_transactions", "investment_transaction_id"),
    ):
        rows = body.get(part)
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get(id_field) == source_id:
                found = row
    return found


def _decode_transactions(payload: bytes, from_cursor: str | None) -> Page:
    rejected: Rejected = []
    body = _decode(_SYNC, _SYNC_RAW, payload, rejected, _sync_rows)
    next_cursor = body.next_cursor or None
    if body.transactions_update_status == "NOT_READY":
        next_cursor = None
    upserts = _transactions(body.added, "added", rejected)
    upserts += _transactions(body.modified, "modified", rejected)
    return Page(
        kind=TRANSACTIONS,
        payload=payload,
        changes=ChangeSet(
            from_cursor=from_cursor,
            # A cursor that we have must not be forgotten over an answer without one: what is
            # withdrawn meanwhile would be missed.
            to_cursor=next_cursor or from_cursor,
            upserts=tuple(upserts),
            removed=tuple([mapping.removed_key(row) for row in body.removed]),
            accounts=_accounts(body.accounts, rejected),
            rejected=tuple(rejected),
        ),
        has_more=bool(body.has_more) and next_cursor is not None,
        ready=next_cursor is not None,
        history_complete=body.transactions_update_status not in _STILL_COLLECTING,
    )


def _decode_item(payload: bytes, from_cursor: str | None) -> Page:
    body = _decode(_ITEM, _ITEM_RAW, payload, [], _item_rows)
    return Page(
        kind=ITEM,
        payload=payload,
        changes=ChangeSet(from_cursor, from_cursor, ()),
        item=mapping.item_record(body.item, body.status),
    )


def _decode_accounts(payload: bytes, from_cursor: str | None) -> Page:
    rejected: Rejected = []
    body = _decode(_ACCOUNTS, _ACCOUNTS_RAW, payload, rejected, _accounts_rows)
    accounts = _accounts(body.accounts, rejected)
    return Page(
        kind=ACCOUNTS,
        payload=payload,
        changes=ChangeSet(
            from_cursor, from_cursor, (), accounts=accounts, rejected=tuple(rejected)
        ),
        item=mapping.item_record(body.item or structs.Item()),
    )


def _decode_holdings(payload: bytes, from_cursor: str | None) -> Page:
    rejected: Rejected = []
    body = _decode(_HOLDINGS, _HOLDINGS_RAW, payload, rejected, _holdings_rows)
    securities = {security.security_id: security for security in body.securities or ()}
    holdings = records_of(
        body.holdings,
        lambda row: mapping.holding_record(row, securities.get(row.security_id)),
        "holdings",
        lambda row: row.security_id,
        rejected,
    )
    accounts = _accounts(body.accounts, rejected)
    return Page(
        kind=HOLDINGS,
        payload=payload,
        changes=ChangeSet(
            from_cursor, from_cursor, (), accounts=accounts, rejected=tuple(rejected)
        ),
        item=mapping.item_record(body.item) if body.item else None,
        holdings=tuple(holdings),
    )


def _decode_investments(payload: bytes, from_cursor: str | None) -> Page:
    """Read a page of offset paging; the cursor is the offset in digits."""
    rejected: Rejected = []
    body = _decode(_INVESTMENTS, _INVESTMENTS_RAW, payload, rejected, _investment_rows)
    upserts = records_of(
        body.investment_transactions,
        mapping.investment_record,
        "investment_transactions",
        lambda row: row.investment_transaction_id,
        rejected,
    )
    accounts = _accounts(body.accounts, rejected)
    # Rejected rows count too: the offset is a position in Plaid's list.
    seen = len(upserts) + sum(row.where.startswith("investment_transactions") for row in rejected)
    offset = int(from_cursor or 0) + seen
    return Page(
        kind=INVESTMENT_TRANSACTIONS,
        payload=payload,
        changes=ChangeSet(
            from_cursor, str(offset), tuple(upserts), accounts=accounts, rejected=tuple(rejected)
        ),
        has_more=seen > 0 and offset < (body.total_investment_transactions or 0),
        item=mapping.item_record(body.item) if body.item else None,
    )


def _decode(
    strict: msgspec.json.Decoder[Body],
    lax: msgspec.json.Decoder[RawBody],
    payload: bytes,
    rejected: Rejected,
    rows_of: Callable[[RawBody, Rejected], Body],
) -> Body:
    """Decode the whole body at once, or else row by row, so that one bad row costs only itself."""
    payload = without_nul(payload)
    try:
        return strict.decode(payload)
    except DECODE_ERRORS:
        pass
    try:
        body = lax.decode(repaired(payload))
    except DECODE_ERRORS as error:
        raise bad_body(error) from None
    return rows_of(body, rejected)


def _sync_rows(
    body: structs.SyncPage[Raw, Raw, Raw], rejected: Rejected
) -> structs.SyncPage[structs.Transaction, structs.Removed, structs.Account]:
    row, id_field = structs.Transaction, "transaction_id"
    return structs.SyncPage(
        next_cursor=body.next_cursor,
        added=decode_rows(row, body.added, "added", id_field, rejected),
        modified=decode_rows(row, body.modified, "modified", id_field, rejected),
        removed=decode_rows(structs.Removed, body.removed, "removed", id_field, rejected),
        has_more=body.has_more,
        accounts=_account_rows(body.accounts, rejected),
        transactions_update_status=body.transactions_update_status,
    )


def _item_rows(
    body: structs.ItemPage[object, object], _: Rejected
) -> structs.ItemPage[structs.Item, structs.ItemStatus]:
    status = _part(structs.ItemStatus, body.status)
    return structs.ItemPage(_part(structs.Item, body.item) or structs.Item(), status)


def _accounts_rows(
    body: structs.AccountsPage[Raw, object], rejected: Rejected
) -> structs.AccountsPage[structs.Account, structs.Item]:
    return structs.AccountsPage(
        _account_rows(body.accounts, rejected), _part(structs.Item, body.item)
    )


def _holdings_rows(
    body: structs.HoldingsPage[Raw, Raw, Raw, object], rejected: Rejected
) -> structs.HoldingsPage[structs.Holding, structs.Security, structs.Account, structs.Item]:
    id_field = "security_id"
    return structs.HoldingsPage(
        holdings=decode_rows(structs.Holding, body.holdings, "holdings", id_field, rejected),
        securities=decode_rows(structs.Security, body.securities, "securities", id_field, rejected),
        accounts=_account_rows(body.accounts, rejected),
        item=_part(structs.Item, body.item),
    )


def _investment_rows(
    body: structs.InvestmentTransactionsPage[Raw, Raw, object], rejected: Rejected
) -> structs.InvestmentTransactionsPage[
    structs.InvestmentTransaction, structs.Account, structs.Item
]:
    return structs.InvestmentTransactionsPage(
        investment_transactions=decode_rows(
            structs.InvestmentTransaction,
            body.investment_transactions,
            "investment_transactions",
            "investment_transaction_id",
            rejected,
        ),
        total_investment_transactions=body.total_investment_transactions,
        accounts=_account_rows(body.accounts, rejected),
        item=_part(structs.Item, body.item),
    )


def _account_rows(rows: list[Raw] | None, rejected: Rejected) -> list[structs.Account]:
    return decode_rows(structs.Account, rows, "accounts", "account_id", rejected)


def _part(part_type: type[Body], value: object) -> Body | None:
    """Read a part without which the page still means something."""
    # Not `Raw`, as msgspec has no "Raw or null"; these parts hold no exact numbers.
    return decode_leniently(part_type, msgspec.json.encode(value))


def _transactions(
    rows: list[structs.Transaction], where: str, rejected: Rejected
) -> list[TransactionRecord]:
    return records_of(
        rows, mapping.transaction_record, where, lambda row: row.transaction_id, rejected
    )


def _accounts(rows: list[structs.Account] | None, rejected: Rejected) -> tuple[AccountRecord, ...]:
    return tuple(
        records_of(
            rows or (), mapping.account_record, "accounts", lambda row: row.account_id, rejected
        )
    )


_DECODERS: dict[str, Callable[[bytes, str | None], Page]] = {
    TRANSACTIONS: _decode_transactions,
    ACCOUNTS: _decode_accounts,
    ITEM: _decode_item,
    HOLDINGS: _decode_holdings,
    INVESTMENT_TRANSACTIONS: _decode_investments,
}
