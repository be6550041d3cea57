"""SimpleFIN's words to our records. The sign is ours already: positive is money in."""

import datetime as dt
import hashlib
import re
from decimal import Decimal

from app.domain.money import AmountError, Money, check_amount, is_currency
from app.domain.records import AccountRecord, BalanceRecord, TransactionRecord
from app.providers.decoding import RowError
from app.providers.simplefin.structs import Account, Transaction

FIRST_YEAR, LAST_YEAR = 1900, 2199

_KINDS = (
    ("loan", re.compile(r"\b(loan|mortgage|heloc|auto ?loan|student loan)\b", re.IGNORECASE)),
    (
        "investment",
        re.compile(r"\b(401k?|403b|ira|roth|brokerage|invest\w*|hsa invest\w*)\b", re.IGNORECASE),
    ),
    (
        "credit",
        re.compile(
            r"\b(credit ?card|card|visa|mastercard|amex|american express|discover|platinum|"
            r"sapphire|freedom|venture|quicksilver|line of credit)\b",
            re.IGNORECASE,
        ),
    ),
)
_NOT_CREDIT = re.compile(r"\b(debit|checking|savings|prepaid)\b", re.IGNORECASE)
_MASK = re.compile(r"(?:\(|[x*.#•…-]|\b)\s?(\d{4})\)?\s*\Z")
_AROUND = " \t-(*.#•…"
_NO_LETTERS = re.compile(r"[^A-Z]+")


def transaction_record(row: Transaction, account: Account, currency: str) -> TransactionRecord:
    """Return the row in our words.

    A pending row without any day of its own gets that of the account's balance.

    Raises:
        RowError: The amount or a date is none that we can book.
    """
    is_pending = bool(row.pending) or row.posted == 0
    happened = None if not row.transacted_at else _day(row.transacted_at, "transacted_at")
    if is_pending:
        fallback = row.posted or account.balance_date
        day = happened or (_day(fallback, "posted") if fallback else None)
        if day is None:
            raise RowError("the date is missing", "posted")
    else:
        day = _day(row.posted, "posted")
    return TransactionRecord(
        account_source_id=account.id,
        source_id=row.id,
        date=day,
        money=Money(_exact(row.amount, "amount"), currency),
        description=row.description or row.payee or row.memo or "",
        pending=is_pending,
        counterparty=row.payee,
        authorized_date=happened,
    )


def account_record(
    row: Account, currency: str, *, institution: str | None, institution_key: str | None
) -> AccountRecord:
    """Return the account; what is owed is a negative balance there as with us.

    SimpleFIN knows no kinds of accounts: the name has to tell.

    Raises:
        RowError: A balance is none that we can keep.
    """
    mask = _MASK.search(row.name)
    return AccountRecord(
        source_id=row.id,
        # The digits are shown beside the name, and other sources tell it without them.
        name=(row.name[: mask.start()] if mask else row.name).strip(_AROUND) or "Account",
        kind=kind_of(row.name),
        subtype=None,
        balance=BalanceRecord(
            currency=currency,
            current=_exact_or_none(row.balance, "balance"),
            available=_exact_or_none(row.available_balance, "available-balance"),
            as_of=instant_of(row.balance_date),
        ),
        mask=mask[1] if mask else None,
        persistent_id=f"simplefin:{institution_key}:{row.id}" if institution_key else None,
        institution=institution,
    )


def kind_of(name: str) -> str:
    """Return the family of an account by its name."""
    for kind, words in _KINDS:
        if words.search(name) and not (kind == "credit" and _NOT_CREDIT.search(name)):
            return kind
    return "depository"


def currency_of(text: str) -> str:
    """Return the code of a currency; one that is named by an address gets a code of ours.

    The address is not asked for its name: the server chose it, and a name that changes would split
    an account in two.

    Raises:
        RowError: It is neither.
    """
    text = text.strip()
    if is_currency(text.upper()) and len(text) <= 5:
        return text.upper()
    if not text.lower().startswith(("https://", "http://")):
        raise RowError("the currency is not one that we know", "currency")
    word = _NO_LETTERS.sub("", text.rstrip("/").rpartition("/")[2].upper())
    # Four digits of the address more: two airlines both have miles.
    return f"{word[:8] or 'POINTS'}{hashlib.sha256(text.encode()).hexdigest()[:4].upper()}"


def instant_of(epoch: int | None) -> dt.datetime | None:
    """Return an instant; None for 0 and for what is none."""
    if not epoch:
        return None
    try:
        instant = dt.datetime.fromtimestamp(epoch, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return instant if FIRST_YEAR <= instant.year <= LAST_YEAR else None


def _day(epoch: int, field: str) -> dt.date:
    instant = instant_of(epoch)
    if instant is None:
        raise RowError("the date cannot be right", field)
    return instant.date()


def _exact(amount: Decimal, field: str) -> Decimal:
    try:
        return check_amount(amount)
    except AmountError as error:
        raise RowError(str(error), field) from None


def _exact_or_none(amount: Decimal | None, field: str) -> Decimal | None:
    return None if amount is None else _exact(amount, field)
