"""The forms in which people decide of transactions, and what they decide."""

from uuid import UUID

from pydantic import BaseModel, Field

from app.core.errors import InvalidInputError
from app.features.transactions.edits import (
    COUNTERPARTY_CHARACTERS_MAX,
    NOTE_CHARACTERS_MAX,
    ROWS_MAX,
    Edit,
)


class EditForm(BaseModel):
    """The drawer's form; an empty field takes the user's own decision back.

    With what the form had shown, only what was typed over is decided.
    """

    counterparty: str = Field("", max_length=1_000)
    category: str = Field("", max_length=100)
    note: str = Field("", max_length=20_000)
    has_seen: bool = False
    """The fields that follow were sent along: an empty one was empty."""
    seen_counterparty: str = Field("", max_length=1_000)
    seen_category: str = Field("", max_length=100)
    seen_note: str = Field("", max_length=20_000)


class BulkForm(BaseModel):
    """One decision for many transactions; an empty field leaves a thing as it is."""

    ids: list[UUID] = Field([], max_length=ROWS_MAX)
    all: bool = False
    """All that the filter in the address lets through."""
    counterparty: str = Field("", max_length=1_000)
    category: str = Field("", max_length=100)
    """`none` takes the user's own choice back."""
    note: str = Field("", max_length=20_000)
    reviewed: str = Field("", pattern="^(yes|no)?$")


def edit_of(form: EditForm) -> Edit:
    """Read the drawer's form.

    Raises:
        InvalidInputError: A value is too long, or names no category.
    """
    _check_lengths(form)
    typed: dict[str, object] = {
        "counterparty": form.counterparty,
        "category_id": _category(form.category),
        "note": form.note,
    }
    seen: dict[str, object] = {}
    if form.has_seen:
        seen["counterparty"] = form.seen_counterparty or None
        seen["category_id"] = _category(form.seen_category)
        seen["note"] = form.seen_note.replace("\r\n", "\n") or None
    given = {name for name in typed if name not in seen or _differs(typed[name], seen[name])}
    return Edit(given=frozenset(given), expected=seen, **typed)  # type: ignore[arg-type]


def bulk_edit_of(form: BulkForm) -> Edit:
    """Read the form for many.

    Raises:
        InvalidInputError: A value is too long, or names no category.
    """
    _check_lengths(form)
    given = {name for name in ("counterparty", "note", "reviewed") if getattr(form, name)}
    if form.category:
        given.add("category_id")
    return Edit(
        given=frozenset(given),
        category_id=None if form.category == "none" else _category(form.category),
        counterparty=form.counterparty,
        note=form.note,
        reviewed=form.reviewed == "yes",
    )


def _differs(typed: object, seen: object) -> bool:
    text = typed.replace("\r\n", "\n").strip() or None if isinstance(typed, str) else typed
    return text != seen


def _check_lengths(form: EditForm | BulkForm) -> None:
    if len(form.counterparty.strip()) > COUNTERPARTY_CHARACTERS_MAX:
        raise InvalidInputError(_too_long(COUNTERPARTY_CHARACTERS_MAX), field="counterparty")
    if len(form.note.strip()) > NOTE_CHARACTERS_MAX:
        raise InvalidInputError(_too_long(NOTE_CHARACTERS_MAX), field="note")


def _category(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise InvalidInputError("There is no such category.", field="category_id") from None


def _too_long(characters_max: int) -> str:
    return f"At most {characters_max:,} characters."
