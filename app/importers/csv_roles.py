"""Choose the columns of a CSV file: day, amount, text and the rest."""

from collections.abc import Sequence
from itertools import pairwise

from app.importers import csv_words as words
from app.importers.csv_columns import Column, currency_in, rank
from app.importers.csv_words import fold

_ACCOUNTS_MAX = 20


def choose_roles(columns: Sequence[Column]) -> dict[int, str]:
    """Return the role of each column that has one."""
    roles: dict[int, str] = {}
    _choose_dates(columns, roles)
    _choose_currency(columns, roles)
    _choose_money(columns, roles)
    _choose_direction(columns, roles)
    _choose_status(columns, roles)
    _choose_account(columns, roles)
    _choose_texts(columns, roles)
    _choose_reference(columns, roles)
    return roles


def _free(columns: Sequence[Column], roles: dict[int, str]) -> list[Column]:
    return [column for column in columns if column.index not in roles]


def _choose_dates(columns: Sequence[Column], roles: dict[int, str]) -> None:
    """Take the booking day; the day of purchase and the value day stand in where it is empty."""
    dates = [column for column in columns if column.is_date]
    if not dates:
        return
    fullest = max(column.filled for column in dates)

    def quality(column: Column) -> tuple[int, int, int]:
        kind = 0
        for score, phrases in (
            (1, words.VALUE_DATES),
            (3, words.DATES),
            (5, words.BOOKING_DATES),
        ):
            fit = rank(column.name, phrases)
            if fit:
                kind = max(kind, 2 * score + (fit == 3))
        return (column.filled * 2 > fullest, kind, -column.index)

    best = max(dates, key=quality)
    roles[best.index] = "date"
    for column in dates:
        if column is best or column.filled * 2 < fullest:
            continue
        if rank(column.name, words.VALUE_DATES) == 3:
            role = "value_date"
        elif rank(column.name, words.DATES) == 3 and rank(best.name, words.BOOKING_DATES) == 3:
            role = "authorized_date"
        else:
            continue
        if role not in roles.values():
            roles[column.index] = role


def _choose_currency(columns: Sequence[Column], roles: dict[int, str]) -> None:
    codes = [column for column in columns if column.is_currency and column.index not in roles]
    named = [column for column in codes if rank(column.name, words.CURRENCIES)]
    exact = [column for column in named if rank(column.name, words.CURRENCIES) == 3]
    unnamed = [column for column in codes if not column.name and column.filled == column.rows]
    for choice in (exact, [c for c in named if not _is_foreign(c)], unnamed):
        if choice:
            roles[choice[0].index] = "currency"
            return


def _is_foreign(column: Column) -> bool:
    return any(word in words.NOT_AMOUNTS for word in column.name.split())


def _choose_money(columns: Sequence[Column], roles: dict[int, str]) -> None:
    money = [column for column in _free(columns, roles) if column.is_money]
    balances = [c for c in money if rank(c.name, words.BALANCES) and not _is_foreign(c)]
    if balances:
        balance = max(balances, key=lambda c: (rank(c.name, words.BALANCES), c.filled, -c.index))
        roles[balance.index] = "balance"
        money = [column for column in money if column not in balances]
    named = [column for column in money if column.name]
    amount = _named_amount(named)
    pair = _named_pair(columns, roles)
    if pair and (amount is None or not amount.negatives or amount.filled * 2 < amount.rows):
        roles.update(pair)
    elif amount is not None:
        roles[amount.index] = "amount"
    else:
        _choose_money_by_content(columns, money, roles)


def _named_amount(money: Sequence[Column]) -> Column | None:
    """Return the column of what moved on the account, by its name."""
    best: tuple[tuple[float, ...], Column] | None = None
    for column in money:
        fit = rank(column.name, words.AMOUNTS)
        if not fit or _is_foreign(column):
            continue
        # The word that says it best stands first in many lists: "net" before "gross".
        prefers = (column.name in {"net", "net amount"}) - (column.name in {"gross", "total"})
        quality = (
            column.filled * 2 >= column.rows,
            min(fit, 2),
            prefers,
            bool(currency_in(column.name)),
            fit,
            -column.index,
        )
        if best is None or quality > best[0]:
            best = (quality, column)
    return best[1] if best else None


def _named_pair(columns: Sequence[Column], roles: dict[int, str]) -> dict[int, str]:
    """Return the columns for money out and money in, where the file has both."""

    def best(phrases: frozenset[str]) -> Column | None:
        fits = [
            column
            for column in _free(columns, roles)
            if rank(column.name, phrases)
            and (column.is_money or not column.filled)
            and not any(word in {"original", "foreign", "fee"} for word in column.name.split())
        ]
        return max(fits, key=lambda c: (rank(c.name, phrases), c.filled, -c.index), default=None)

    debit, credit = best(words.DEBITS), best(words.CREDITS)
    if debit is None or credit is None or debit.index == credit.index:
        return {}
    if not debit.filled and not credit.filled:
        return {}
    return {debit.index: "debit", credit.index: "credit"}


def _choose_money_by_content(
    columns: Sequence[Column], money: Sequence[Column], roles: dict[int, str]
) -> None:
    """Tell amount, debit, credit and balance apart where no name does."""
    candidates = [column for column in money if not _is_foreign(column)]
    with_decimals = [c for c in candidates if 0 < c.filled - c.zeros <= 2 * c.decimals]
    candidates = with_decimals or candidates
    if not candidates:
        return
    pair = _complementary(candidates)
    if pair:
        first, second = pair
        # Rows of money in are fewer; with equal numbers debit stands before credit.
        out_first = second.filled - second.zeros <= first.filled - first.zeros
        if first.negatives != second.negatives:
            out_first = first.negatives > second.negatives
        roles[first.index] = "debit" if out_first else "credit"
        roles[second.index] = "credit" if out_first else "debit"
        rest = [column for column in candidates if column not in pair]
    else:
        full = [column for column in candidates if column.filled * 2 >= column.rows] or candidates
        amount = max(full, key=lambda c: (c.negatives > 0, c.filled, -c.index))
        rest = [column for column in candidates if column is not amount]
        if not amount.negatives and _is_empty(columns, amount.index + 1) and rest:
            # Money out, an empty column for money in, the balance.
            roles.update({amount.index: "debit", amount.index + 1: "credit"})
        else:
            roles[amount.index] = "amount"
    rest = [c for c in rest if c.filled * 2 >= c.rows and not c.name]
    if rest and "balance" not in roles.values():
        roles[rest[-1].index] = "balance"


def _is_empty(columns: Sequence[Column], index: int) -> bool:
    return index < len(columns) and not columns[index].filled and not columns[index].name


def _complementary(columns: Sequence[Column]) -> tuple[Column, Column] | None:
    """Return two columns of which each row fills exactly one, zeros counting as empty."""
    for first, second in pairwise(columns):
        if second.index != first.index + 1:
            continue
        in_first, in_second = first.filled - first.zeros, second.filled - second.zeros
        total = in_first + in_second
        # Half of the rows may be continuation lines that fill neither.
        if min(in_first, in_second) > 0 and first.rows < 2 * total <= 2 * first.rows:
            return (first, second)
    return None


def _choose_direction(columns: Sequence[Column], roles: dict[int, str]) -> None:
    """Take the column that says money in or out in words."""
    fits = []
    for column in _free(columns, roles):
        known = [value for value in column.values if fold(value) in _BOTH or value in "+-"]
        if not column.filled or len(known) < 0.9 * column.filled or column.filled * 2 < column.rows:
            continue
        kinds = {direction_of(value) for value in known}
        name_fit = rank(column.name, words.DIRECTIONS)
        if name_fit or (not column.name and "debit" not in roles.values()):
            fits.append(((len(kinds), name_fit, -column.index), column))
    if fits:
        roles[max(fits, key=lambda fit: fit[0])[1].index] = "direction"


_BOTH = words.OUT_WORDS | words.IN_WORDS


def direction_of(text: str) -> int:
    """Return -1 for a word that means money out, 1 for money in, 0 for neither."""
    if text in ("+", "-"):
        return 1 if text == "+" else -1
    word = fold(text)
    if word in words.OUT_WORDS:
        return -1
    return 1 if word in words.IN_WORDS else 0


def _choose_status(columns: Sequence[Column], roles: dict[int, str]) -> None:
    for column in _free(columns, roles):
        if rank(column.name, words.STATUSES) == 3 and column.filled and column.distinct <= 12:
            roles[column.index] = "status"
            return


def _choose_account(columns: Sequence[Column], roles: dict[int, str]) -> None:
    """Take the column that names the own account: filled in every row, with few values."""
    # A file with rows of one day often has one row; only a clear name counts then.
    fits = [
        column
        for column in _free(columns, roles)
        if rank(column.name, words.ACCOUNTS) == 3
        and column.filled >= 0.98 * column.rows
        and column.distinct <= max(_own_accounts_min(column), min(_ACCOUNTS_MAX, column.rows // 2))
        and not column.is_date
    ]
    if fits:
        roles[fits[0].index] = "account"


def _own_accounts_min(column: Column) -> int:
    return 3 if column.name in {"source account", "account name"} else 1


def _choose_texts(columns: Sequence[Column], roles: dict[int, str]) -> None:
    free = [column for column in _free(columns, roles) if column.filled]
    party = _counterparty(columns, free)
    if party is not None:
        roles[party.index] = "counterparty"
        free = [column for column in free if column is not party]
    exact = [c for c in free if rank(c.name, words.DESCRIPTIONS) == 3]
    loose = [c for c in free if rank(c.name, words.DESCRIPTIONS) and not _names_no_text(c)]
    numbered = [c for c in free if _is_numbered(c.name)]
    fits = [*(exact or loose), *numbered]
    if not fits and party is not None:
        fits = [c for c in free if c.name in _GENERIC_NAMES and c.letters]
    if not fits and party is None:
        texts = [c for c in free if c.is_text and not c.is_currency and not _names_no_text(c)]
        # What varies and is long is the description; the category usually stands after it.
        best = max((_wordiness(c) for c in texts), default=0)
        fits = [c for c in texts if _wordiness(c) >= 0.6 * best][:1]
    roles.update({column.index: "description" for column in fits})


def _wordiness(column: Column) -> float:
    return column.alpha * (1 + column.distinct.bit_length())


_GENERIC_NAMES = frozenset({"name", "naam", "nom", "nombre", "nome"})
_NO_TEXT = frozenset("id type code number date time card account product bank bic iban fee".split())


def _names_no_text(column: Column) -> bool:
    """Tell a column named for something about the transaction that nobody reads as its text."""
    return not _NO_TEXT.isdisjoint(column.name.split())


def _counterparty(columns: Sequence[Column], free: Sequence[Column]) -> Column | None:
    """Return the column of the other party; a mere `name` only where nothing is clearer."""
    exact = [c for c in free if rank(c.name, words.COUNTERPARTIES) == 3 and c.letters]
    clear = any(
        rank(c.name, words.COUNTERPARTIES) == 3 and len(c.name.split()) > 1 for c in columns
    )
    if clear:
        exact = [c for c in exact if c.name not in _GENERIC_NAMES]
    loose = [
        c
        for c in free
        if rank(c.name, words.COUNTERPARTIES)
        and c.is_text
        and not _names_no_text(c)
        and not rank(c.name, words.DESCRIPTIONS)
        and (not clear or c.name not in _GENERIC_NAMES)
    ]
    return max(exact or loose, key=lambda c: (c.letters, -c.index), default=None)


def _is_numbered(name: str) -> bool:
    """Tell columns such as `VWZ3` or `Omschrijving-2`: one text in several pieces."""
    stem = name.rstrip("0123456789").strip()
    return stem != name and stem in _STEMS


_STEMS = frozenset(
    {"vwz", "omschrijving", "verwendungszweck", "text", "tekst", "description", "memo"}
)


def _choose_reference(columns: Sequence[Column], roles: dict[int, str]) -> None:
    """Take the bank's own number of the row: named so, and different in each row."""
    fits = [
        column
        for column in _free(columns, roles)
        if rank(column.name, words.REFERENCES) == 3 and column.filled
    ]
    unique = [c for c in fits if c.distinct == c.filled and c.filled == c.rows]
    for choice in (unique, fits):
        if choice:
            roles[choice[0].index] = "reference"
            return
