"""SQL of tying out: a few statements for any number of accounts."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.tieout import Acceptance
from app.features.transactions.apply import driver
from app.models import Account, ChangeSet, RejectedRow, SourceAccount, TieOut, Transaction
from app.models.journal import JournalPage

ACCEPTANCES_MAX = 1_000
MONTHS_BACK = 240
"""Of so many months the last balance is looked at."""


class StatedBalance(NamedTuple):
    """A balance that a source stated."""

    id: UUID
    account_id: UUID
    source_account_id: UUID
    as_of: dt.datetime
    current: Decimal
    currency: str
    pending: Decimal | None
    is_blind: bool
    """A connection stated it before it told of any row: what was pending cannot be known."""


class Total(NamedTuple):
    """The sum of an account's booked rows of a month or a day."""

    account_id: UUID
    currency: str
    date: dt.date
    """Of a month its first day."""
    amount: Decimal


class LedgerRow(NamedTuple):
    """A row of the ledger, live or not."""

    id: UUID
    date: dt.date
    amount: Decimal
    pending: bool
    is_removed: bool
    duplicate_of_id: UUID | None
    change_set_id: UUID
    is_live: bool
    is_near: bool
    """It is of the days of the last balances, or has changed since."""


class FieldChange(NamedTuple):
    """What a source had said of a row before it said something else."""

    transaction_id: UUID
    change_set_id: UUID
    field: str
    before: str | None


class Page(NamedTuple):
    """Where a stated balance was read."""

    anchor_id: UUID
    source: str
    received_at: dt.datetime
    import_id: UUID | None


# Every balance of the last weeks, of each earlier month the last one, and the first two of all:
# a break of years ago stays visible, and ten years of daily balances are two hundred rows.
# Months are made first, since under row-level security an index compares nothing computed.
_BALANCES = """
WITH month AS MATERIALIZED (
    SELECT make_timestamptz(number / 12, number %% 12 + 1, 1, 0, 0, 0, 'UTC') AS starts,
           least(%(recent)s, make_timestamptz((number + 1) / 12, (number + 1) %% 12 + 1,
                                              1, 0, 0, 0, 'UTC')) AS ends
    FROM generate_series(%(first_month)s::int, %(last_month)s::int) AS number
), source AS (
    SELECT source.id, source.account_id, source.item_id IS NOT NULL AS is_connection, (
        SELECT min(as_of) FROM balance_anchors AS anchor
        WHERE anchor.household_id = %(household_id)s AND anchor.source_account_id = source.id
    ) AS first
    FROM source_accounts AS source
    WHERE household_id = %(household_id)s AND account_id = ANY(%(account_ids)s)
), kept AS (
    SELECT source.account_id, source.is_connection, anchor.*
    FROM source JOIN balance_anchors AS anchor ON anchor.source_account_id = source.id
    WHERE anchor.household_id = %(household_id)s AND anchor.as_of >= %(recent)s
    UNION
    SELECT source.account_id, source.is_connection, opening.*
    FROM source CROSS JOIN LATERAL (
        SELECT * FROM balance_anchors AS anchor
        WHERE anchor.household_id = %(household_id)s AND anchor.source_account_id = source.id
        ORDER BY as_of, id LIMIT 2
    ) AS opening
    UNION
    SELECT source.account_id, source.is_connection, closing.*
    FROM month JOIN source ON source.first < month.ends
    CROSS JOIN LATERAL (
        SELECT * FROM balance_anchors AS anchor
        WHERE anchor.household_id = %(household_id)s AND anchor.source_account_id = source.id
          AND as_of >= month.starts AND as_of < month.ends
        ORDER BY as_of DESC, id DESC LIMIT 1
    ) AS closing
)
SELECT id, account_id, source_account_id, as_of, trim_scale(current) AS current, currency,
       trim_scale(pending) AS pending, is_connection AND pending IS NULL AS is_blind
FROM kept ORDER BY account_id, as_of, id
"""

_MONTHS = """
SELECT account_id, currency, month AS date, trim_scale(sum(money_in + money_out)) AS amount
FROM monthly_totals
WHERE household_id = %(household_id)s AND account_id = ANY(%(account_ids)s) AND NOT pending
  AND month >= %(since)s
GROUP BY account_id, currency, month
ORDER BY account_id, currency, month
"""

_HAVE_ROWS = """
SELECT account.id FROM unnest(%(account_ids)s::uuid[]) AS account (id)
CROSS JOIN LATERAL (
    SELECT FROM transactions
    WHERE household_id = %(household_id)s AND account_id = account.id AND is_live AND NOT pending
    LIMIT 1
) AS row
"""

_DAYS = """
SELECT account_id, currency, date, trim_scale(sum(money_in + money_out)) AS amount
FROM daily_totals
WHERE household_id = %(household_id)s AND date = ANY(%(dates)s)
  AND account_id = ANY(%(account_ids)s) AND NOT pending
GROUP BY account_id, currency, date
"""

_BY_DAY = """
SELECT account_id, currency, date, trim_scale(sum(money_in + money_out)) AS amount
FROM daily_totals
WHERE household_id = %(household_id)s AND account_id = %(account_id)s
  AND currency = %(currency)s AND date BETWEEN %(first)s AND %(last)s AND NOT pending
GROUP BY account_id, currency, date
ORDER BY date
"""

# What was pending can be known only now: the rows change when they are posted. Of a balance that
# another one followed it is not known any more.
_NOTE_PENDING = """
UPDATE balance_anchors AS anchor
SET pending = coalesce((
    SELECT sum(total.money_in + total.money_out) FROM monthly_totals AS total
    WHERE total.household_id = %(household_id)s AND total.account_id = source.account_id
      AND total.currency = anchor.currency AND total.pending
), 0)
FROM source_accounts AS source
WHERE source.household_id = %(household_id)s AND source.account_id = ANY(%(account_ids)s)
  AND source.item_id IS NOT NULL
  AND anchor.household_id = %(household_id)s AND anchor.source_account_id = source.id
  AND anchor.as_of > %(since)s AND anchor.pending IS NULL
  AND NOT EXISTS (
      SELECT FROM balance_anchors AS later
      WHERE later.household_id = %(household_id)s
        AND later.source_account_id = anchor.source_account_id
        AND (later.as_of, later.id) > (anchor.as_of, anchor.id))
RETURNING source.account_id
"""

# Of the last balances; and around the first one, where rows come late, with whatever has changed of
# the days before it. No condition looks at each row of a long past: rows are found by their day or
# by their change, and what does not count and has not changed since says nothing.
_ROWS = """
WITH row AS NOT MATERIALIZED (
    SELECT id, date, trim_scale(amount) AS amount, pending, removed_at IS NOT NULL AS is_removed,
           duplicate_of_id, change_set_id, is_live
    FROM transactions
    WHERE household_id = %(household_id)s AND account_id = %(account_id)s
      AND currency = %(currency)s AND date <= %(last)s
), near AS (
    SELECT * FROM row WHERE is_live AND date >= %(first)s
    UNION
    SELECT * FROM row WHERE id IN (
        SELECT transaction_id FROM field_changes
        WHERE household_id = %(household_id)s AND change_set_id >= %(near_since)s
          AND field IN ('amount', 'date', 'pending', 'removed_at', 'duplicate_of_id'))
), changed AS (
    SELECT transaction_id, field FROM field_changes
    WHERE household_id = %(household_id)s AND change_set_id >= %(since)s
), old AS (
    SELECT * FROM row WHERE is_live AND date BETWEEN %(opening_first)s AND %(opening_last)s
    UNION
    SELECT * FROM row WHERE date BETWEEN %(opening_first)s AND %(opening_last)s AND id IN (
        SELECT transaction_id FROM changed WHERE field = 'duplicate_of_id')
    UNION
    SELECT * FROM row WHERE date <= %(opening_last)s AND id IN (
        SELECT transaction_id FROM changed
        WHERE field IN ('amount', 'date', 'pending', 'removed_at'))
)
SELECT near.*, true AS is_near FROM near
UNION ALL
SELECT old.*, false FROM old WHERE id NOT IN (SELECT id FROM near)
ORDER BY is_near DESC, date DESC, id DESC
LIMIT %(limit)s
"""

# The institution's own changes alone: what we or people mended was wrong all along.
_CHANGES = """
SELECT change.transaction_id, change.change_set_id, change.field, change.before
FROM field_changes AS change
JOIN change_sets AS made
  ON made.household_id = change.household_id AND made.id = change.change_set_id
WHERE change.household_id = %(household_id)s AND made.household_id = %(household_id)s
  AND change.transaction_id = ANY(%(row_ids)s) AND change.change_set_id >= %(since)s
  AND change.field IN ('amount', 'date', 'pending', 'removed_at')
  AND made.kind IN ('sync', 'import') AND made.undone_by IS NULL
ORDER BY change.change_set_id
"""

_PAGES = """
SELECT anchor.id AS anchor_id, source.source, page.received_at,
       CASE WHEN page.item_id IS NULL THEN page.sync_run_id END AS import_id
FROM balance_anchors AS anchor
JOIN source_accounts AS source
  ON source.household_id = anchor.household_id AND source.id = anchor.source_account_id
JOIN journal_pages AS page
  ON page.household_id = anchor.household_id AND page.id = anchor.journal_page_id
WHERE anchor.household_id = %(household_id)s AND anchor.id = ANY(%(anchor_ids)s)
"""

_ACCEPTANCES = """
SELECT id, counts->'accepted_difference' AS said FROM change_sets
WHERE household_id = %(household_id)s AND counts ? 'accepted_difference' AND undone_by IS NULL
ORDER BY sequence DESC LIMIT %(limit)s
"""

_WITH_ALARM = """
SELECT account_id FROM tie_outs
WHERE household_id = %(household_id)s AND account_id = ANY(%(account_ids)s)
  AND state = 'gap' AND accepted_by IS NULL
"""

_COLUMNS = (
    "state", "reason", "tied_from", "tied_through", "tied_amount", "stated", "stated_on",
    "computed", "broke_by", "currency", "treatment", "explanation", "accepted_by",
)  # fmt: skip
_STORE = """
INSERT INTO tie_outs AS known (household_id, account_id, gap_since, checked_at, {columns})
VALUES (%(household_id)s, %(account_id)s,
        CASE WHEN %(state)s = 'gap' THEN %(now)s END, %(now)s, {values})
ON CONFLICT (household_id, account_id) DO UPDATE
SET checked_at = excluded.checked_at, {updates},
    gap_since = CASE WHEN excluded.state = 'gap'
                     THEN coalesce(known.gap_since, excluded.checked_at) END
""".format(
    columns=", ".join(_COLUMNS),
    values=", ".join(f"%({name})s" for name in _COLUMNS),
    updates=", ".join(f"{name} = excluded.{name}" for name in _COLUMNS),
)


def accounts(session: Session, household_id: UUID, account_ids: Sequence[UUID]) -> list[Account]:
    """Return these accounts."""
    return list(
        session.scalars(
            select(Account).where(Account.household_id == household_id, Account.id.in_(account_ids))
        )
    )


def all_account_ids(session: Session, household_id: UUID) -> list[UUID]:
    """Return all accounts of a household."""
    return list(session.scalars(select(Account.id).where(Account.household_id == household_id)))


def note_pending(
    session: Session, household_id: UUID, account_ids: Sequence[UUID], since: dt.datetime
) -> set[UUID]:
    """Note beside balances just stated what is pending; return the accounts that have such."""
    with driver(session).cursor() as cursor:
        parameters = {"household_id": household_id, "account_ids": list(account_ids)}
        found = cursor.execute(_NOTE_PENDING, parameters | {"since": since}).fetchall()
    return {row[0] for row in found}


def balances(
    session: Session, household_id: UUID, account_ids: Sequence[UUID], recent: dt.datetime
) -> list[StatedBalance]:
    """Return stated balances by account and time, those before `recent` thinned out."""
    last_month = recent.year * 12 + recent.month - 1
    parameters = {
        "household_id": household_id,
        "account_ids": list(account_ids),
        "recent": recent,
        "first_month": last_month - MONTHS_BACK,
        "last_month": last_month,
    }
    with driver(session).cursor(row_factory=class_row(StatedBalance)) as cursor:
        return cursor.execute(_BALANCES, parameters).fetchall()


def months(
    session: Session, household_id: UUID, account_ids: Sequence[UUID], since: dt.date
) -> list[Total]:
    """Return the sums of booked rows of each month that begins on `since` or later."""
    with driver(session).cursor(row_factory=class_row(Total)) as cursor:
        parameters = {
            "household_id": household_id,
            "account_ids": list(account_ids),
            "since": since,
        }
        return cursor.execute(_MONTHS, parameters).fetchall()


def have_rows(session: Session, household_id: UUID, account_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the accounts that have booked rows, of whatever day."""
    with driver(session).cursor() as cursor:
        parameters = {"household_id": household_id, "account_ids": list(account_ids)}
        return {row[0] for row in cursor.execute(_HAVE_ROWS, parameters)}


def days(
    session: Session, household_id: UUID, account_ids: Sequence[UUID], dates: Iterable[dt.date]
) -> list[Total]:
    """Return the sums of booked rows of some days."""
    with driver(session).cursor(row_factory=class_row(Total)) as cursor:
        parameters = {"household_id": household_id, "account_ids": list(account_ids)}
        return cursor.execute(_DAYS, parameters | {"dates": list(dates)}).fetchall()


def by_day(
    session: Session, household_id: UUID, account_id: UUID, currency: str, span: tuple[dt.date, ...]
) -> list[Total]:
    """Return the sums of booked rows of each day from the first to the last of `span`."""
    with driver(session).cursor(row_factory=class_row(Total)) as cursor:
        parameters = {"household_id": household_id, "account_id": account_id, "currency": currency}
        return cursor.execute(_BY_DAY, parameters | {"first": span[0], "last": span[-1]}).fetchall()


class Window(NamedTuple):
    """Which rows of an account are asked for."""

    account_id: UUID
    currency: str
    first: dt.date
    last: dt.date
    """Live rows of these days are near, …"""
    near_since: UUID
    """… and all up to the last day that changed since this moment."""
    opening_first: dt.date
    opening_last: dt.date
    """All rows of these days are asked for, …"""
    since: UUID
    """… and those of before that changed since this moment."""
    limit: int


def rows(
    session: Session, household_id: UUID, window: Window
) -> tuple[list[LedgerRow], list[FieldChange]]:
    """Return rows, the near ones first, and what sources changed of them."""
    parameters: dict[str, object] = {"household_id": household_id, **window._asdict()}
    with driver(session).cursor(row_factory=class_row(LedgerRow)) as cursor:
        found = cursor.execute(_ROWS, parameters).fetchall()
    with driver(session).cursor(row_factory=class_row(FieldChange)) as cursor:
        parameters["row_ids"] = [row.id for row in found]
        return found, cursor.execute(_CHANGES, parameters).fetchall()


def acceptances(session: Session, household_id: UUID) -> dict[tuple[UUID, str], list[Acceptance]]:
    """Return the gaps that people accepted, by account and currency; the last one first."""
    found: defaultdict[tuple[UUID, str], list[Acceptance]] = defaultdict(list)
    with driver(session).cursor() as cursor:
        parameters = {"household_id": household_id, "limit": ACCEPTANCES_MAX}
        for change_set_id, said in cursor.execute(_ACCEPTANCES, parameters):
            found[UUID(said["account_id"]), said["currency"]].append(
                Acceptance(
                    change_set_id,
                    Decimal(said["gap"]),
                    dt.date.fromisoformat(said["after"]),
                    dt.date.fromisoformat(said["by"]),
                )
            )
    return found


def find_change_set(session: Session, household_id: UUID, change_set_id: UUID) -> ChangeSet:
    """Return a change set that is there."""
    return session.scalars(
        select(ChangeSet).where(
            ChangeSet.household_id == household_id, ChangeSet.id == change_set_id
        )
    ).one()


def pages(session: Session, household_id: UUID, anchor_ids: Sequence[UUID]) -> list[Page]:
    """Return where balances were read."""
    with driver(session).cursor(row_factory=class_row(Page)) as cursor:
        parameters = {"household_id": household_id, "anchor_ids": list(anchor_ids)}
        return cursor.execute(_PAGES, parameters).fetchall()


def count_rejected(session: Session, household_id: UUID, account_id: UUID, since: UUID) -> int:
    """Return how many rows of the account's connections could not be read since a moment."""
    items = select(SourceAccount.item_id).where(
        SourceAccount.household_id == household_id,
        SourceAccount.account_id == account_id,
        SourceAccount.item_id.is_not(None),
    )
    return (
        session.scalar(
            select(func.count())
            .select_from(RejectedRow)
            .join(
                JournalPage,
                (JournalPage.household_id == RejectedRow.household_id)
                & (JournalPage.id == RejectedRow.journal_page_id),
            )
            .where(
                RejectedRow.household_id == household_id,
                RejectedRow.id > since,
                JournalPage.item_id.in_(items),
            )
        )
        or 0
    )


def find(session: Session, household_id: UUID, account_ids: Sequence[UUID]) -> dict[UUID, TieOut]:
    """Return what is stored of these accounts."""
    found = session.scalars(
        select(TieOut).where(
            TieOut.household_id == household_id, TieOut.account_id.in_(account_ids)
        ),
        execution_options={"populate_existing": True},
    )
    return {each.account_id: each for each in found}


def with_alarm(session: Session, household_id: UUID, account_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the accounts that have a gap which nobody has accepted."""
    with driver(session).cursor() as cursor:
        parameters = {"household_id": household_id, "account_ids": list(account_ids)}
        return {row[0] for row in cursor.execute(_WITH_ALARM, parameters)}


def store(
    session: Session,
    household_id: UUID,
    values: Iterable[tuple[UUID, dict[str, object]]],
    now: dt.datetime,
) -> None:
    """Store what was found of each account; `gap_since` stays while a gap stays."""
    with driver(session).cursor() as cursor:
        cursor.executemany(
            _STORE,
            [
                each
                | {
                    "household_id": household_id,
                    "account_id": account_id,
                    "now": now,
                    "explanation": Jsonb(each["explanation"]),
                }
                for account_id, each in values
            ],
        )


def transactions(
    session: Session, household_id: UUID, row_ids: Sequence[UUID]
) -> dict[UUID, Transaction]:
    """Return transactions, live or not, by id."""
    found = session.scalars(
        select(Transaction).where(
            Transaction.household_id == household_id, Transaction.id.in_(row_ids)
        )
    )
    return {each.id: each for each in found}
