"""Balances and holdings that the journal states, and where the ledger has others.

A balance stands while a change set in force states it. Holdings are the bank's last complete
listing, whoever undoes what.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain.records import HoldingRecord
from app.features.connections.service import fetching
from app.features.connections.service.fetching import JournaledPage, moves_cursor
from app.features.connections.service.sync import HOLDINGS, booked_account_pages
from app.features.imports.service import look
from app.features.proof.words import keys_of
from app.features.transactions.apply import driver
from app.importers.base import UNKNOWN_CURRENCY

Row = tuple[object, ...]

_CREATE = """
CREATE TEMPORARY TABLE shadow_stated (
    source_account_id uuid, journal_page_id uuid, current numeric, currency text
) ON COMMIT DROP;
CREATE TEMPORARY TABLE shadow_holdings (
    source_account_id uuid, security_source_id text, name text, quantity numeric, price numeric,
    value numeric, cost_basis numeric, currency text, as_of date
) ON COMMIT DROP;
"""

# Only balances of pages that a change set booked can be compared.
_DIFFERENT = """
SELECT format('%%s: its balance of %%s, %%s %%s, is not what the journal states.',
              account.name, anchor.as_of::date, trim_scale(anchor.current), anchor.currency)
FROM balance_anchors AS anchor
JOIN source_accounts AS account
  ON account.household_id = anchor.household_id AND account.id = anchor.source_account_id
WHERE anchor.household_id = %(household_id)s
  AND EXISTS (SELECT FROM shadow_stated AS stated
              WHERE stated.journal_page_id = anchor.journal_page_id)
  AND NOT EXISTS (SELECT FROM shadow_stated AS stated
                  WHERE stated.source_account_id = anchor.source_account_id
                    AND stated.current = anchor.current AND stated.currency = anchor.currency)
UNION ALL
SELECT DISTINCT format('%%s: the balance %%s %%s, which the journal states, is not there.',
                       account.name, trim_scale(stated.current), stated.currency)
FROM shadow_stated AS stated
JOIN source_accounts AS account
  ON account.household_id = %(household_id)s AND account.id = stated.source_account_id
WHERE NOT EXISTS (SELECT FROM balance_anchors AS anchor
                  WHERE anchor.household_id = %(household_id)s
                    AND anchor.source_account_id = stated.source_account_id
                    AND anchor.current = stated.current AND anchor.currency = stated.currency)
UNION ALL
SELECT format('%%s: shows %%s %%s, which is no balance stated for that day.',
              account.name, trim_scale(account.current), account.currency)
FROM source_accounts AS account
WHERE account.household_id = %(household_id)s AND account.current IS NOT NULL
  AND account.id IN (SELECT source_account_id FROM shadow_stated)
  AND NOT EXISTS (SELECT FROM balance_anchors AS anchor
                  WHERE anchor.household_id = %(household_id)s
                    AND anchor.source_account_id = account.id
                    AND anchor.current = account.current AND anchor.currency = account.currency
                    AND (anchor.as_of AT TIME ZONE 'UTC')::date
                        = (account.balance_as_of AT TIME ZONE 'UTC')::date)
UNION ALL
SELECT format('%%s: holds %%s %%s, the journal says %%s.',
              account.name, coalesce(trim_scale(held.quantity)::text, 'no'),
              coalesce(held.name, told.name), coalesce(trim_scale(told.quantity)::text, 'none'))
FROM (SELECT * FROM holdings WHERE household_id = %(household_id)s) AS held
FULL JOIN shadow_holdings AS told USING (source_account_id, security_source_id)
JOIN source_accounts AS account
  ON account.household_id = %(household_id)s AND account.id = source_account_id
WHERE (held.name, held.quantity, held.price, held.value, held.cost_basis, held.currency,
       held.as_of)
      IS DISTINCT FROM (told.name, told.quantity, told.price, told.value, told.cost_basis,
                        told.currency, told.as_of)
"""


@dataclass(slots=True)
class Standing:
    """What was said of balances and holdings so far, in the order of the change sets."""

    session: Session
    household_id: UUID
    holdings: dict[UUID, list[Row]] = field(default_factory=dict)
    """By Item, what the last complete listing says."""

    def __post_init__(self) -> None:
        with driver(self.session).cursor() as cursor:
            cursor.execute(_CREATE)

    def hear(self, kind: str, sync_run_id: UUID, *, in_force: bool) -> None:
        """Take in what one change set says."""
        if kind == "sync":
            self._hear_sync(sync_run_id, in_force=in_force)
        elif in_force:
            self._copy("shadow_stated", self._balances_of_import(sync_run_id))

    def _hear_sync(self, run_id: UUID, *, in_force: bool) -> None:
        pages: list[JournaledPage] = []
        read = fetching.pages_of_run(self.session, self.household_id, run_id, newest_first=True)
        for journaled in read:
            pages.insert(0, journaled)
            # Pages before the last of the cursor loop say less than it does.
            if moves_cursor(journaled.page) and journaled.page.changes.accounts:
                break
        if not pages:
            return
        keys = keys_of(self.session, self.household_id, pages[0])
        stated = [
            (
                keys[account.source_id].source_account_id,
                page.id,
                account.balance.current,
                account.balance.currency,
            )
            for page in booked_account_pages(self.session, self.household_id, run_id, pages)
            for account in page.page.changes.accounts
            if account.balance.current is not None
        ]
        if in_force:
            self._copy("shadow_stated", stated)
        for page in pages:
            if page.page.kind.endswith(HOLDINGS):
                self.holdings[page.item_id] = [
                    (keys[each.account_source_id].source_account_id, *_position(each))
                    for each in page.page.holdings
                    if each.account_source_id in keys
                ]

    def _balances_of_import(self, import_id: UUID) -> Iterator[Row]:
        booked = look.open_booked(self.session, self.household_id, import_id)
        places = {place.key: place for place in booked.decision.accounts}
        for statement in booked.file.statements:
            place = places[statement.account.source_id]
            known = statement.currency != UNKNOWN_CURRENCY
            currency = statement.currency if known else place.currency
            amounts = [
                anchor.amount
                for anchor in (statement.opening, statement.closing)
                if anchor is not None and (anchor.date or statement.end) is not None
            ]
            balance = statement.account.balance
            if statement.closing is None and balance.as_of and balance.current is not None:
                amounts.append(balance.current)
            for amount in amounts:
                yield (place.source_account_id, booked.journal_page_id, amount, currency)

    def differences(self) -> list[str]:
        """Return in words where the ledger has other balances or holdings."""
        self._copy("shadow_holdings", [row for rows in self.holdings.values() for row in rows])
        with driver(self.session).cursor() as cursor:
            rows = cursor.execute(_DIFFERENT.encode(), {"household_id": self.household_id})
            return [row[0] for row in rows]

    def _copy(self, table: str, rows: Iterable[Row]) -> None:
        rows = list(rows)  # before the COPY, since making them may ask the database
        with (
            driver(self.session).cursor() as cursor,
            cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy,  # rule: one of three names
        ):
            for row in rows:
                copy.write_row(row)


def _position(said: HoldingRecord) -> Row:
    return (
        said.security_source_id,
        said.name,
        said.quantity,
        said.price,
        said.value,
        said.cost_basis,
        said.currency,
        said.as_of,
    )
