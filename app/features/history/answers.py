"""What the API says of change sets: the shape of each answer."""

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import BaseModel


class AcceptedDifferenceOut(BaseModel):
    """A difference that somebody accepted: between which days, stated less computed."""

    account_id: UUID
    gap: str
    currency: str
    after: dt.date
    by: dt.date


class SetOut(BaseModel):
    """Changes that were made together."""

    id: UUID
    sequence: int
    kind: str
    words: str
    """What it was, in a sentence."""
    actor_user_id: UUID | None
    created_at: dt.datetime
    counts: dict[str, Any]
    accepted_difference: AcceptedDifferenceOut | None
    reason: str | None
    target_id: UUID | None
    """Of an undo or redo: what it turned."""
    undone_by: UUID | None
    import_id: UUID | None
    item_id: UUID | None


class SetsOut(BaseModel):
    """One page, the newest first."""

    data: list[SetOut]
    next_before: int | None


class FieldChangeOut(BaseModel):
    """One field that got another value."""

    transaction_id: UUID
    field: str | None
    before: str | None
    after: str | None
    reason: str | None
    confidence: str | None


class SetDetailOut(SetOut):
    """A change set with the newest of what it brought and changed."""

    brought: list[UUID]
    changed: list[FieldChangeOut]


class EffectOut(BaseModel):
    """What becomes of the sum of one currency."""

    currency: str
    amount: str


class RowOut(BaseModel):
    """One transaction before and after, by the ledger's columns."""

    before: dict[str, Any]
    after: dict[str, Any]


class RefusalOut(BaseModel):
    """Why it cannot be done yet, and the later change set that needs it."""

    message: str
    change_set_id: UUID | None


class PreviewOut(BaseModel):
    """What undoing or redoing a change set would do."""

    verb: str
    """`undo` or `redo`."""
    removed: int
    restored: int
    changed: int
    effects: list[EffectOut]
    rows: list[RowOut]
    balances: int
    source_accounts: int
    refusal: RefusalOut | None


class UndoneOut(BaseModel):
    """The change set that took another one back."""

    change_set_id: UUID
    undone: UUID


class RedoneOut(BaseModel):
    """The change set that put another one in force again."""

    change_set_id: UUID
    redone: UUID
