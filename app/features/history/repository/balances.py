"""SQL of the balances that a change set's pages stated."""

import datetime as dt
import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, delete, select, text, update
from sqlalchemy.orm import Session

from app.models import BalanceAnchor, JournalPage, SourceAccount

# Whose pages came on one of these days; files state balances of any day.
_NEIGHBOURS = text("""
    SELECT DISTINCT set.sequence, set.kind, set.sync_run_id, set.created_at
    FROM change_sets AS set JOIN journal_pages AS page
        ON page.household_id = set.household_id AND page.sync_run_id = set.sync_run_id
    LEFT JOIN source_accounts AS account ON account.household_id = set.household_id
        AND account.item_id = page.item_id AND account.id = ANY(:source_account_ids)
    LEFT JOIN imports AS file ON file.household_id = set.household_id AND file.id = set.sync_run_id
    WHERE set.household_id = :household_id AND set.undone_by IS NULL AND set.id <> :but
      AND ((account.id IS NOT NULL AND (page.received_at AT TIME ZONE 'UTC')::date = ANY(:days))
        OR file.format = ANY(:formats))
    ORDER BY set.sequence
""")
_FORMATS = text("""
    SELECT DISTINCT source FROM source_accounts
    WHERE household_id = :household_id AND id = ANY(:ids) AND item_id IS NULL
""")
_GIVE_BACK = text("""
    INSERT INTO balance_anchors
    SELECT taken.* FROM jsonb_populate_recordset(NULL::balance_anchors, CAST(:taken AS jsonb))
        AS taken
    WHERE taken.household_id = :household_id AND NOT EXISTS (
        SELECT FROM balance_anchors AS anchor
        WHERE anchor.household_id = :household_id
          AND anchor.source_account_id = taken.source_account_id
          AND (anchor.as_of AT TIME ZONE 'UTC')::date = (taken.as_of AT TIME ZONE 'UTC')::date
          AND (anchor.current, anchor.currency) = (taken.current, taken.currency))
""")
_RECOUNT = text("""
    UPDATE source_accounts AS account
    SET current = last.current, available = last.available, balance_as_of = last.as_of
    FROM unnest(CAST(:ids AS uuid[])) AS touched (id)
    LEFT JOIN LATERAL (
        SELECT current, available, as_of FROM balance_anchors AS anchor
        WHERE anchor.household_id = :household_id AND anchor.source_account_id = touched.id
        ORDER BY as_of DESC, anchor.id DESC LIMIT 1
    ) AS last ON true
    WHERE account.household_id = :household_id AND account.id = touched.id
""")


def stated_by(session: Session, household_id: UUID, sync_run_id: UUID) -> Sequence[BalanceAnchor]:
    """Return the balances that are known from the pages of a sync run or an import."""
    return session.scalars(
        select(BalanceAnchor).where(
            BalanceAnchor.household_id == household_id,
            BalanceAnchor.journal_page_id.in_(_pages(household_id, sync_run_id)),
        )
    ).all()


def of_accounts(
    session: Session, household_id: UUID, source_account_ids: Sequence[UUID]
) -> Sequence[BalanceAnchor]:
    """Return all balances that are known of some source accounts."""
    return session.scalars(
        select(BalanceAnchor).where(
            BalanceAnchor.household_id == household_id,
            BalanceAnchor.source_account_id.in_(source_account_ids),
        )
    ).all()


def neighbours(
    session: Session, household_id: UUID, change_set_id: UUID, anchors: Sequence[BalanceAnchor]
) -> list[tuple[str, UUID, dt.datetime]]:
    """Return kind, run and time of the other change sets in force that may have stated the same."""
    ids = list({anchor.source_account_id for anchor in anchors})
    own = {"household_id": household_id, "ids": ids}
    rows = session.execute(
        _NEIGHBOURS,
        {
            "household_id": household_id,
            "but": change_set_id,
            "source_account_ids": ids,
            "days": list({anchor.as_of.date() for anchor in anchors}),
            "formats": list(session.scalars(_FORMATS, own)),
        },
    )
    return [(row.kind, row.sync_run_id, row.created_at) for row in rows]


def hand_over(session: Session, household_id: UUID, anchor_id: UUID, page_id: UUID) -> None:
    """Let another page, which states the same, be where a balance is known from."""
    session.execute(
        update(BalanceAnchor)
        .where(BalanceAnchor.household_id == household_id, BalanceAnchor.id == anchor_id)
        .values(journal_page_id=page_id)
    )


def forget(session: Session, household_id: UUID, anchor_ids: Sequence[UUID]) -> None:
    """Delete balances that nobody in force states."""
    session.execute(
        delete(BalanceAnchor).where(
            BalanceAnchor.household_id == household_id, BalanceAnchor.id.in_(anchor_ids)
        )
    )


def to_json(anchor: BalanceAnchor) -> dict[str, object]:
    """Return a balance as `give_back` reads it."""
    return {name: _plain(getattr(anchor, name)) for name in BalanceAnchor.__table__.columns.keys()}  # noqa: SIM118


def _plain(value: object) -> object:
    return None if value is None else str(value)


def give_back(session: Session, household_id: UUID, taken: Sequence[dict[str, object]]) -> None:
    """Store balances as `to_json` wrote them, but for those that are stated again since."""
    session.execute(_GIVE_BACK, {"household_id": household_id, "taken": json.dumps(taken)})


def recount(session: Session, household_id: UUID, source_account_ids: Sequence[UUID]) -> None:
    """Bring source accounts to the last balance that is known of each."""
    session.execute(_RECOUNT, {"household_id": household_id, "ids": list(source_account_ids)})


def any_feeds_other(session: Session, household_id: UUID, fed: Sequence[tuple[UUID, UUID]]) -> bool:
    """Tell whether one of these source accounts feeds another ledger account now."""
    now = session.execute(
        select(SourceAccount.id, SourceAccount.account_id).where(
            SourceAccount.household_id == household_id,
            SourceAccount.id.in_([source_account_id for source_account_id, _ in fed]),
        )
    )
    return not {(row.id, row.account_id) for row in now} <= set(fed)


def _pages(household_id: UUID, sync_run_id: UUID) -> Select[UUID]:
    return select(JournalPage.id).where(
        JournalPage.household_id == household_id, JournalPage.sync_run_id == sync_run_id
    )
