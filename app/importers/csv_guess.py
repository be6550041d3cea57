"""Guess how a CSV file is to be read, with a reason in words for each decision."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.domain.money import AmountError
from app.importers import csv_words as words
from app.importers.amounts import decimal_mark_of, read_amount
from app.importers.base import StatementError, check_size
from app.importers.csv_balance import Step, follow
from app.importers.csv_columns import (
    Column,
    currency_in,
    describe,
    header_score,
    is_negative,
    looks_like_amount,
)
from app.importers.csv_dates import choose_order, looks_like_date
from app.importers.csv_layout import CsvLayout, Decision
from app.importers.csv_roles import choose_roles, direction_of
from app.importers.csv_table import DELIMITERS, Row, modal_width, read_rows
from app.importers.csv_words import fold
from app.importers.text import decode

_TRIAL_CHARS = 128 * 1024
_TRIAL_ROWS = 200
_NEIGHBOURS = 750
_HEAD_ROWS = 60
_HINT = re.compile(r"sep=(.)\s*(?:\r?\n|$)", re.IGNORECASE)
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_SYMBOLS = {"€": "EUR", "£": "GBP", "zł": "PLN", "Kč": "CZK", "R$": "BRL", "₹": "INR", "₽": "RUB"}
_CURRENCY_WORD = re.compile(r"\b(EUR|USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|HUF|RON|CAD|AUD|NZD|SGD)\b")
_US_WORDS = re.compile(r"\$|\bUSD\b")


def guess(data: bytes) -> CsvLayout:
    """Look at a CSV file and say how it is to be read.

    The result is a proposal: show it with `csv.preview`, let the person change it, then
    `csv.parse`. `CsvLayout.missing` names what could not be found.

    Raises:
        StatementError: The file is empty, too large, or no table of text.
    """
    check_size(data)
    text, encoding = decode(data, words=words.NON_ASCII_WORDS)
    if _is_binary(text):
        raise StatementError(
            "it is not a text file. Export it as CSV; spreadsheets can save as CSV too."
        )
    delimiter, reason = choose_delimiter(text)
    rows = read_rows(text, delimiter)
    if not rows:
        raise StatementError("it has no lines. Download it from your bank again.")
    guesser = _Guesser(rows, delimiter)
    guesser.decide("encoding", encoding, 0.99 if text.isascii() else 0.9, "the bytes fit it")
    guesser.decide("delimiter", delimiter, 0.95 if reason else 0.3, reason or "nothing is better")
    return guesser.layout(encoding)


def choose_delimiter(text: str) -> tuple[str, str]:
    """Return what separates the fields, and why; the reason is empty if nothing fits."""
    hint = _HINT.match(text)
    if hint:
        return hint[1], "the first line says so"
    sample = text[:_TRIAL_CHARS]
    scores = {}
    for delimiter in DELIMITERS:
        if delimiter in sample:
            scores[delimiter] = _score(read_rows(sample, delimiter, limit=_TRIAL_ROWS))
    best = max(scores, key=lambda key: scores[key], default=",")
    if not scores or scores[best] == (0, 0, 0.0):
        return best, ""
    return best, f"it gives {scores[best][0]} rows with a date and an amount"


def _score(rows: list[Row]) -> tuple[int, int, float]:
    width = modal_width(rows)
    if width < 2:
        wide = [row for row in rows if len(row.cells) > 1]
        if len(wide) * 4 < len(rows):
            return (0, 0, 0.0)
    usable = sum(_is_usable(row.cells) for row in rows)
    header = max((header_score(row.cells) for row in rows[:_HEAD_ROWS]), default=0)
    regular = sum(len(row.cells) == width for row in rows) / max(1, len(rows))
    return (usable, header, regular * min(width, 50))


def _is_usable(cells: Sequence[str]) -> bool:
    """Tell a record that has a day and, in another cell, an amount."""
    if len(cells) < 2:
        return False
    has_date = any(looks_like_date(cell) for cell in cells)
    return has_date and any(looks_like_amount(c) and not looks_like_date(c) for c in cells)


def _sample(rows: list[Row]) -> list[Row]:
    """Return the first rows, which are neighbours, and some from all over the file."""
    rest = rows[_NEIGHBOURS:]
    return rows[:_NEIGHBOURS] + rest[:: max(1, len(rest) // _NEIGHBOURS)]


def _is_binary(text: str) -> bool:
    sample = text[:4000]
    strange = sum(c < " " and c not in "\t\r\n\f\x1a" for c in sample) + sample.count("\ufffd")
    return strange * 10 > len(sample)


@dataclass(slots=True)
class _Guesser:
    rows: list[Row]
    delimiter: str
    decisions: list[Decision] = field(default_factory=list)

    def decide(self, name: str, value: str, confidence: float, reason: str) -> None:
        self.decisions.append(Decision(name, value, confidence, reason))

    def layout(self, encoding: str) -> CsvLayout:
        header, first = self._find_table()
        body = self.rows[first:]
        if not body:
            raise StatementError(
                "it names columns but has no rows under them. Export a period in which there "
                "are transactions."
            )
        table = self.rows[header:] if header is not None else body
        width = max(modal_width(table), len(table[0].cells) if header is not None else 0)
        names = self._names(header, width)
        sample = _sample(body)
        usable = [row for row in sample if _is_usable(row.cells)] or sample
        # A row torn by a delimiter in its text would blur what its columns are.
        usable = [row for row in usable if not any(row.cells[width:])] or usable
        columns = describe(usable, names, width)
        roles = choose_roles(columns)
        preamble = " ".join(cell for row in self.rows[:first] for cell in row.cells)[:4000]
        by_role = {role: columns[index] for index, role in roles.items()}
        decimal_mark = self._decimal_mark(usable, roles)
        date_order = self._date_order(body, roles, preamble + " ".join(names), by_role)
        sign, debits_negative = self._sign(by_role, columns, usable, decimal_mark)
        self._explain_columns(by_role)
        return CsvLayout(
            encoding=encoding,
            delimiter=self.delimiter,
            header_line=self.rows[header].line if header is not None else None,
            first_line=self.rows[min(first, len(self.rows) - 1)].line,
            names=names,
            roles=tuple(roles.get(index, "") for index in range(width)),
            date_order=date_order,
            decimal_mark=decimal_mark,
            sign=sign,
            debits_negative=debits_negative,
            currency=self._currency(by_role, names, preamble),
            account=self._account(preamble),
            decisions=tuple(self.decisions),
        )

    def _find_table(self) -> tuple[int | None, int]:
        """Return the index of the record that names the columns, and that of the first row."""
        head = self.rows[:_HEAD_ROWS]
        scores = [header_score(row.cells) if len(row.cells) > 1 else 0 for row in head]
        best = max(scores, default=0)
        if best >= 2:
            at = scores.index(best)
            self.decide("header", f"line {self.rows[at].line}", 0.95, f"{best} names are known")
            return at, at + 1
        usable = [index for index, row in enumerate(head) if _is_usable(row.cells)]
        if not usable:
            self.decide("header", "", 0.2, "no row with a date and an amount was found")
            return (0, 1) if len(self.rows) > 1 else (None, 0)
        first = usable[0]
        before = head[first - 1].cells if first else ()
        if len(before) >= 2 and len(before) * 2 >= len(head[first].cells) and _are_names(before):
            self.decide("header", f"line {head[first - 1].line}", 0.7, "it stands over the rows")
            return first - 1, first
        self.decide("header", "", 0.9, "the first rows have dates and amounts already")
        return None, first

    def _names(self, header: int | None, width: int) -> tuple[str, ...]:
        cells = self.rows[header].cells if header is not None else ()
        return tuple(cells[i][:100] if i < len(cells) else "" for i in range(width))

    def _decimal_mark(self, rows: list[Row], roles: dict[int, str]) -> str:
        money = [i for i, r in roles.items() if r in {"amount", "debit", "credit", "balance"}]
        found: Counter[str] = Counter()
        doubtful: Counter[str] = Counter()
        for row in rows:
            for index in money:
                cell = row.cells[index] if index < len(row.cells) else ""
                mark = decimal_mark_of(cell)
                if mark:
                    found[mark] += 1
                elif "." in cell or "," in cell:
                    doubtful["," if "." in cell else "."] += 1
        if found:
            mark = found.most_common(1)[0][0]
            share = found[mark] / found.total()
            self.decide("decimal_mark", mark, 0.99 if share > 0.9 else 0.6, "the amounts prove it")
            return mark
        if doubtful:
            mark = doubtful.most_common(1)[0][0]
            self.decide("decimal_mark", mark, 0.5, "three digits always follow the other mark")
            return mark
        mark = "," if self.delimiter == ";" else "."
        self.decide("decimal_mark", mark, 0.9, "no amount has decimals")
        return mark

    def _date_order(
        self, rows: list[Row], roles: dict[int, str], around: str, by_role: dict[str, Column]
    ) -> str:
        index = next((i for i, role in roles.items() if role == "date"), None)
        if index is None:
            self.decide("date", "", 0.0, "no column holds dates")
            return "DMY"
        others = [i for i, r in roles.items() if r in {"authorized_date", "value_date"}]
        # Every different day of the whole column, in the file's order: one row can prove it.
        texts = dict.fromkeys(row.cells[index] for row in rows if index < len(row.cells))
        american = self._is_american(around, by_role)
        prefer, why = ("MDY", ", the dollar signs suggest month first") if american else ("DMY", "")
        choice = choose_order(texts, prefer=prefer, why=why)
        if choice.confidence < 0.8 and others:
            more = dict.fromkeys(row.cells[i] for i in others for row in rows if i < len(row.cells))
            proof = choose_order(more, prefer=prefer, why=why)
            if proof.confidence > choice.confidence and proof.order != "YMD":
                choice = proof
        self.decide("date_order", choice.order, choice.confidence, choice.reason)
        return choice.order

    def _is_american(self, around: str, by_role: dict[str, Column]) -> bool:
        if self.delimiter == ";":
            return False
        values = [around]
        for role in ("amount", "debit", "credit", "balance", "currency"):
            if role in by_role:
                values += by_role[role].values[:20]
        return bool(_US_WORDS.search(" ".join(values)))

    def _sign(
        self, by_role: dict[str, Column], columns: list[Column], rows: list[Row], mark: str
    ) -> tuple[str, bool]:
        if "debit" in by_role and "amount" not in by_role:
            debit = by_role["debit"]
            credit = by_role.get("credit")
            full = debit.filled - debit.zeros
            negative = full > 0 and debit.negatives * 2 > full
            if not negative and credit is not None and full == 0:
                negative = False
            reason = "money out and money in have columns of their own"
            self.decide("sign", "as_written", 0.95, reason)
            return "as_written", negative
        amount = by_role.get("amount")
        if amount is None:
            self.decide("amount", "", 0.0, "no column holds amounts")
            return "as_written", False
        proof = _proof_by_balance(amount, by_role.get("balance"), rows, mark)
        sign, confidence, reason = proof or _amount_sign(amount, by_role, columns, rows)
        self.decide("sign", sign, confidence, reason)
        return sign, False

    def _currency(self, by_role: dict[str, Column], names: Sequence[str], preamble: str) -> str:
        if "currency" in by_role:
            codes = Counter(value.upper() for value in by_role["currency"].values)
            code, count = codes.most_common(1)[0]
            if code.isalpha() and len(code) == 3:
                sure = 0.99 if count == codes.total() else 0.9
                self.decide("currency", code, sure, "a column names it")
                return code
        for role in ("amount", "debit", "credit", "balance"):
            if role in by_role and (code := currency_in(fold(names[by_role[role].index]))):
                self.decide("currency", code, 0.95, "the name of the amount column says it")
                return code
        cells = " ".join(
            v for r in ("amount", "debit", "credit") if r in by_role for v in by_role[r].values[:50]
        )
        for symbol, code in _SYMBOLS.items():
            if symbol in cells:
                self.decide("currency", code, 0.9, "the amounts have its symbol")
                return code
        word = _CURRENCY_WORD.search(cells) or _CURRENCY_WORD.search(preamble)
        if word:
            self.decide("currency", word[1], 0.7, "the file mentions it")
            return word[1]
        self.decide("currency", "", 0.0, "the file does not say it; choose the account's currency")
        return ""

    def _account(self, preamble: str) -> str:
        match = _ACCOUNT.search(preamble)
        return match[0].replace(" ", "") if match else ""

    def _explain_columns(self, by_role: dict[str, Column]) -> None:
        for role in ("date", "amount", "debit", "credit", "description", "counterparty", "balance"):
            column = by_role.get(role)
            if column is not None and role not in {d.name for d in self.decisions}:
                why = "its name says so" if column.name else "its content looks like it"
                self.decide(role, f"column {column.index + 1}", 0.9 if column.name else 0.6, why)


def _are_names(cells: Sequence[str]) -> bool:
    """Tell whether a record can be a header although we know none of its words."""
    filled = [cell for cell in cells if cell]
    return len(filled) * 2 >= len(cells) and not any(
        looks_like_date(cell) or looks_like_amount(cell) for cell in filled
    )


def _proof_by_balance(
    amount: Column, balance: Column | None, rows: list[Row], mark: str
) -> tuple[str, float, str] | None:
    """Let the running balance say what the signs mean."""
    if balance is None:
        return None
    steps: list[Step] = []
    for row in rows[:_TRIAL_ROWS]:
        try:
            moved, _ = read_amount(_cell(row, amount.index), mark)
            after, _ = read_amount(_cell(row, balance.index), mark)
        except AmountError:
            continue
        steps.append((moved, after))
    straight, turned = follow(steps), follow(steps, -1)
    if straight.pairs < 2 or straight.proves == turned.proves:
        return None
    if turned.proves:
        return "inverted", 0.97, "the balance goes down where the amount is positive"
    return "as_written", 0.99, "the balance follows the amounts"


def _amount_sign(
    amount: Column, by_role: dict[str, Column], columns: list[Column], rows: list[Row]
) -> tuple[str, float, str]:
    """Decide what a positive amount means when there is one column for both directions."""
    names = {column.name for column in columns}
    if {"iso currency code", "transaction id"} <= names or "payment channel" in names:
        return "inverted", 0.95, "the file comes from Plaid, where positive is money out"
    if "direction" in by_role:
        return _by_direction(amount, by_role["direction"], rows)
    if amount.negatives == 0:
        return _unsigned_sign(columns)
    positive = amount.filled - amount.negatives
    payments = [row for row in rows if _is_payment(row)]
    paid = [_cell(row, amount.index) for row in payments]
    if positive > amount.negatives and paid and all(is_negative(text) for text in paid if text):
        return "inverted", 0.75, "payments to the card are negative, so purchases are positive"
    return "as_written", 0.95, "the amounts have signs"


def _by_direction(amount: Column, direction: Column, rows: list[Row]) -> tuple[str, float, str]:
    agree = against = 0
    for row in rows:
        word = direction_of(_cell(row, direction.index))
        text = _cell(row, amount.index)
        if word and text:
            agree += (word < 0) == is_negative(text)
            against += (word < 0) != is_negative(text)
    if amount.negatives == 0:
        return "by_direction", 0.95, "no amount has a sign; a column says in or out"
    if against > 3 * agree:
        return "inverted", 0.9, "every sign contradicts the column that says in or out"
    return "as_written", 0.97, "the signs agree with the column that says in or out"


def _unsigned_sign(columns: list[Column]) -> tuple[str, float, str]:
    """Guess the direction where nothing but the words around can say it."""
    names = f" {' '.join(column.name for column in columns)} "
    values = {fold(value) for c in columns for value in c.values[:200] if c.letters}
    spending = {"expense", "expenses", "ausgaben", "depenses", "gastos", "uitgaven"}
    if " customer " in names:
        return "as_written", 0.5, "all amounts are positive and paid by customers, please check"
    if any(f" {word} " in names for word in words.CARD_WORDS) or (
        not names.strip() and not values.isdisjoint(words.CARD_BRANDS)
    ):
        return "inverted", 0.5, "all amounts are positive and a card is named, please check"
    if not values.isdisjoint(spending):
        return "inverted", 0.5, "all amounts are positive and called expenses, please check"
    return "as_written", 0.4, "all amounts are positive: money in? please check"


def _is_payment(row: Row) -> bool:
    text = f" {fold(' '.join(cell for cell in row.cells if len(cell) > 5)[:200])} "
    return any(f" {word} " in text or text.startswith(f" {word}") for word in words.PAYMENT_WORDS)


def _cell(row: Row, index: int) -> str:
    return row.cells[index] if index < len(row.cells) else ""
