"""Plaid's words to our records. Here, and nowhere else, Plaid's sign becomes ours."""

import datetime as dt
from decimal import Context, Decimal
from functools import lru_cache

from app.domain.money import INTEGER_DIGITS_MAX, AmountError, Money, check_amount, is_currency
from app.domain.records import (
    AccountRecord,
    BalanceRecord,
    HoldingRecord,
    SourceKey,
    TransactionRecord,
)
from app.providers.base import ItemRecord
from app.providers.decoding import RowError
from app.providers.plaid import structs
from app.providers.plaid.errors import message_of

FIRST_YEAR, LAST_YEAR = 1900, 2199

_KINDS = {
    "depository": "depository",
    "credit": "credit",
    "loan": "loan",
    "investment": "investment",
    "brokerage": "investment",  # the word of API versions before 2019
}
_OWED_KINDS = ("credit", "loan")

_QUANTITY_DECIMALS_MAX = 18
_WIDE = Context(prec=64)
# A double holds no more digits than these; an amount of which more are given is not one.
_DOUBLE_DIGITS = 17
# A few units in the last place: what a sum of a few doubles may be off by.
_DOUBLE_PRECISION = Decimal(2) ** -48


def transaction_record(row: structs.Transaction) -> TransactionRecord:
    """Return the row in our words and our sign.

    Raises:
        RowError: The amount, currency or date is none that we can book.
    """
    category = row.personal_finance_category
    return TransactionRecord(
        row.account_id,
        row.transaction_id,
        _booking_date(row.date),
        _owner_money(row.amount, row.iso_currency_code, row.unofficial_currency_code),
        row.original_description or row.name or "",
        row.pending,
        row.merchant_name or _merchant(row.counterparties),
        row.authorized_date,
        category.detailed or category.primary if category else None,
        row.pending_transaction_id,
    )


def investment_record(row: structs.InvestmentTransaction) -> TransactionRecord:
    """Return a movement of an investment account; a purchase is money out.

    Rows of type `cancel` are kept: they carry the amount that undoes an earlier row.

    Raises:
        RowError: The amount, currency or date is none that we can book.
    """
    return TransactionRecord(
        account_source_id=row.account_id,
        source_id=row.investment_transaction_id,
        date=_booking_date(row.date),
        money=_owner_money(row.amount, row.iso_currency_code, row.unofficial_currency_code),
        description=row.name or "",
    )


def removed_key(row: structs.Removed) -> SourceKey:
    """Return what identifies the withdrawn transaction."""
    return (row.account_id, row.transaction_id)


def account_record(row: structs.Account) -> AccountRecord:
    """Return the account with what is owed as a negative balance.

    Raises:
        RowError: A balance or its currency is none that we can keep.
    """
    kind = _KINDS.get(row.type or "", "other")
    given = row.balances
    currency, pence = _currency(given.iso_currency_code, given.unofficial_currency_code)
    current = _balance(given.current, pence=pence, field="balances.current")
    balance = BalanceRecord(
        currency=currency,
        current=-current if current is not None and kind in _OWED_KINDS else current,
        available=_balance(given.available, pence=pence, field="balances.available"),
        limit=_balance(given.limit, pence=pence, field="balances.limit"),
        as_of=utc(given.last_updated_datetime),
    )
    return AccountRecord(
        source_id=row.account_id,
        name=row.name or row.official_name or row.subtype or "Account",
        kind=kind,
        subtype=row.subtype,
        balance=balance,
        official_name=row.official_name,
        mask=row.mask,
        persistent_id=row.persistent_account_id,
    )


def holding_record(row: structs.Holding, security: structs.Security | None) -> HoldingRecord:
    """Return the position with its security's names, where Plaid sent them.

    Price and quantity keep up to 18 decimals. Value and cost basis are the institution's own
    products and are rounded to 8.

    Raises:
        RowError: A number or the currency is none that we can keep.
    """
    currency, pence = _currency(row.iso_currency_code, row.unofficial_currency_code)
    security = security or structs.Security(row.security_id)
    quantity = _measure(row.quantity, field="quantity")
    assert quantity is not None  # required by the struct
    return HoldingRecord(
        account_source_id=row.account_id,
        security_source_id=row.security_id,
        name=security.name or security.ticker_symbol or "Unnamed security",
        quantity=quantity,
        currency=currency,
        ticker=security.ticker_symbol,
        isin=security.isin,
        type=security.type,
        price=_measure(row.institution_price, pence=pence, field="institution_price"),
        value=_computed(row.institution_value, pence=pence, field="institution_value"),
        cost_basis=_computed(row.cost_basis, pence=pence, field="cost_basis"),
        as_of=row.institution_price_as_of,
    )


def item_record(item: structs.Item, status: structs.ItemStatus | None = None) -> ItemRecord:
    """Return the Item's state; its freshness is that of the transactions product."""
    updates = (status and (status.transactions or status.investments)) or structs.UpdateStatus()
    error = item.error
    return ItemRecord(
        institution_id=item.institution_id,
        institution_name=item.institution_name,
        error_code=error.error_code or None if error else None,
        error_message=message_of(error.error_type, error.error_code) if error else None,
        consent_expires_at=utc(item.consent_expiration_time),
        last_successful_update=utc(updates.last_successful_update),
        last_failed_update=utc(updates.last_failed_update),
        products=tuple(item.products or item.billed_products or ()),
    )


def _owner_money(amount: Decimal, iso_code: str | None, unofficial_code: str | None) -> Money:
    currency, pence = _currency(iso_code, unofficial_code)
    return Money(-_exact_amount(amount, pence=pence, field="amount"), currency)


@lru_cache(maxsize=1024)
def _currency(iso_code: str | None, unofficial_code: str | None) -> tuple[str, bool]:
    """Return the currency, and whether the amounts are in hundredths of it (GBX, pence)."""
    code = iso_code or unofficial_code
    if not code:
        raise RowError("the currency is missing", "iso_currency_code")
    if not is_currency(code):
        raise RowError("the currency is not one that we know", "iso_currency_code")
    return ("GBP", True) if code == "GBX" else (code, False)


def _exact_amount(amount: Decimal, *, pence: bool, field: str) -> Decimal:
    if pence and amount.is_finite():
        amount = amount.scaleb(-2)
    try:
        return check_amount(amount)
    except AmountError as error:
        if (rounded := _without_float_noise(amount)) is not None:
            return rounded
        raise RowError(str(error), field) from None


def _without_float_noise(amount: Decimal) -> Decimal | None:
    """Return the decimal that was meant when 0.1 + 0.2 arrives as 0.30000000000000004.

    Plaid's numbers are doubles. What differs from a number of eight decimals by less than a
    double can tell apart is that number; anything else is not ours to round.
    """
    if not amount.is_finite() or abs(amount.adjusted()) > _DOUBLE_DIGITS:
        return None
    if len(amount.as_tuple().digits) > _DOUBLE_DIGITS:
        return None
    try:
        rounded = check_amount(round(amount, 8))
    except AmountError:
        return None
    return rounded if abs(rounded - amount) <= abs(amount) * _DOUBLE_PRECISION else None


def _balance(amount: Decimal | None, *, pence: bool, field: str) -> Decimal | None:
    return None if amount is None else _exact_amount(amount, pence=pence, field=field)


def _computed(amount: Decimal | None, *, pence: bool, field: str) -> Decimal | None:
    measure = _measure(amount, pence=pence, field=field)
    return None if measure is None else _at_most(measure, 8)


def _measure(number: Decimal | None, *, pence: bool = False, field: str) -> Decimal | None:
    """Check a quantity or price, which may be much finer than money."""
    if number is None:
        return None
    if not number.is_finite() or number.adjusted() >= INTEGER_DIGITS_MAX:
        raise RowError("the number is too large or not a number", field)
    return _at_most(number.scaleb(-2) if pence else number, _QUANTITY_DECIMALS_MAX)


def _at_most(number: Decimal, decimals: int) -> Decimal:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # finite
    if exponent >= -decimals:
        return number
    return number.quantize(Decimal((0, (1,), -decimals)), context=_WIDE)


def _booking_date(date: dt.date) -> dt.date:
    if not FIRST_YEAR <= date.year <= LAST_YEAR:
        raise RowError("the date cannot be right", "date")
    return date


def _merchant(counterparties: list[structs.Counterparty] | None) -> str | None:
    for counterparty in counterparties or ():
        if counterparty.type == "merchant":
            return counterparty.name
    return None


def utc(instant: dt.datetime | None) -> dt.datetime | None:
    """Return the instant with a zone; Plaid's own without one are UTC."""
    if instant is None or instant.tzinfo is not None:
        return instant
    return instant.replace(tzinfo=dt.UTC)
