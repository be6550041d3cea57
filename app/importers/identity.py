"""What makes a transaction of a file the same one in the next file: deterministic ids.

The rule, and why (an id that is too narrow makes duplicates, which can be seen and merged;
an id that is too wide lets one row overwrite another, which nobody ever notices; so in doubt
the id is narrow):

* A row with the bank's own id (OFX FITID, a transaction number in a CSV) is known by that id
  **together with its day and its amount**. OFX says that a FITID is unique for ever, but banks
  number each download from 1, use the cheque number, or give every instalment the same id:
  with the id alone the row of March would overwrite the row of February. Name and memo may
  change between downloads and do not count.
* A row without one is known by day, amount, text, counterparty and reference, in a form in
  which case, width and runs of spaces do not count.
* Rows that are still equal are numbered in the file's order. Exports cover whole days, and the
  day is part of the id, so an overlapping export counts the same rows in the same way; a day
  that was cut short when it was exported keeps the numbers it had and continues them later.
* Neither the account (it is the other half of the key), nor the currency, nor a running
  balance counts: a balance after the row changes when the bank inserts an earlier row.

Banks that give the same row a new FITID in each download are found by `match_renumbered`,
which needs what is stored already and so cannot be part of the id.
"""

import datetime as dt
import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from app.domain.records import TransactionRecord

_DIGEST_CHARS = 24


def normalise(text: str) -> str:
    """Return `text` without differences of case, width and spacing, for comparing only."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


class IdentitySource:
    """Hands out the ids of one account's transactions in one file, in the file's order."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def next_id(
        self, date: dt.date, amount: Decimal, *, bank_id: str = "", texts: Iterable[str] = ()
    ) -> str:
        """Return the id of the next row.

        Args:
            date: The day it was posted.
            amount: Signed; 1.5 and 1.50 are the same amount.
            bank_id: The bank's own id, empty if there is none.
            texts: Description, counterparty, reference; used only without `bank_id`.
        """
        bank_id = bank_id.strip()
        kind = "id" if bank_id else "row"
        known = bank_id or normalise("\0".join(texts))
        base = _digest(kind, date.isoformat(), _plain(amount), known)
        self._seen[base] += 1
        number = self._seen[base]
        return f"{kind}1:{base}" if number == 1 else f"{kind}1:{base}#{number}"


def account_id(*parts: str) -> str:
    """Return an id for an account from what the file says about it, without showing it.

    Card numbers and IBANs must not lie around in keys and logs.
    """
    return f"file1:{_digest(*(part.strip().upper() for part in parts))}"


def number_equal(records: Iterable[TransactionRecord]) -> list[TransactionRecord]:
    """Number rows that several statements of one account have under the same id."""
    seen: Counter[str] = Counter()
    numbered = []
    for record in records:
        seen[record.source_id] += 1
        count = seen[record.source_id]
        again = replace(record, source_id=f"{record.source_id}/{count}") if count > 1 else record
        numbered.append(again)
    return numbered


def without_number(source_id: str) -> str:
    """Return the id as a single statement has it, before `number_equal`."""
    return source_id.partition("/")[0]


def match_renumbered(
    stored: Iterable[TransactionRecord], incoming: Iterable[TransactionRecord]
) -> dict[str, str]:
    """Find rows that are stored already although the bank gave them new ids in this file.

    A bank renumbers, or it does not: as soon as one stored row comes again under its id,
    rows with other ids are other rows, and nothing is matched. Only days strictly inside
    what the file covers count, for its first and last day may be incomplete. Rows match
    one to one by day, amount and text.

    Args:
        stored: Transactions of the account from earlier files, of any period.
        incoming: Transactions of the same account in the new file.

    Returns:
        The stored id for each incoming id that is the same row; empty if in doubt.
    """
    incoming = tuple(incoming)
    if not incoming:
        return {}
    first, last = min(row.date for row in incoming), max(row.date for row in incoming)
    kept = [row for row in stored if first < row.date < last]
    new_ids = {row.source_id for row in incoming}
    if any(row.source_id in new_ids for row in kept):
        return {}
    waiting: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
    for row in reversed(kept):
        waiting[_content(row)].append(row.source_id)
    matches = {}
    for row in incoming:
        candidates = waiting.get(_content(row))
        if candidates:
            matches[row.source_id] = candidates.pop()
    return matches


def _content(row: TransactionRecord) -> tuple[object, ...]:
    return (row.date, row.money.amount, row.money.currency, normalise(row.description))


def _plain(amount: Decimal) -> str:
    """Write an amount so that equal amounts have equal text."""
    if not amount:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _digest(*parts: str) -> str:
    # The separator cannot be part of a text: NUL was replaced when the file was decoded.
    joined = "\0".join(parts).encode("utf-8", errors="replace")
    return hashlib.sha256(joined).hexdigest()[:_DIGEST_CHARS]
