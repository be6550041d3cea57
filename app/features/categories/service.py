"""Use cases of the categories."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.ids import uuid7s
from app.domain import taxonomy
from app.features.categories import repository


@dataclass(frozen=True, slots=True)
class CategoryNode:
    """One category as lists and menus show it."""

    id: UUID
    parent_id: UUID | None
    code: str | None
    name: str
    kind: str
    """`income`, `spending` or `transfer`."""
    is_archived: bool


def seed(session: Session, household_id: UUID) -> None:
    """Give a new household the whole taxonomy, for it to change as it likes.

    Parents come first, so that they exist when their children point at them.
    """
    ids = uuid7s(len(taxonomy.CATEGORIES))
    by_code = {category.code: id_ for category, id_ in zip(taxonomy.CATEGORIES, ids, strict=True)}
    repository.insert_categories(
        session,
        [
            {
                "household_id": household_id,
                "id": by_code[category.code],
                "parent_id": by_code[category.parent] if category.parent else None,
                "code": category.code,
                "name": category.name,
                "kind": category.kind,
                "position": position,
            }
            for position, category in enumerate(taxonomy.CATEGORIES)
        ],
    )


def list_categories(session: Session, household_id: UUID) -> list[CategoryNode]:
    """Return the household's categories in the order of the tree."""
    return [
        CategoryNode(
            id=row.id,
            parent_id=row.parent_id,
            code=row.code,
            name=row.name,
            kind=row.kind,
            is_archived=row.archived_at is not None,
        )
        for row in repository.list_categories(session, household_id)
    ]


def ids_by_code(session: Session, household_id: UUID) -> dict[str, UUID]:
    """Return the household's category for each of Plaid's codes, for a sync to look up.

    Use `taxonomy.find` first: it knows the older names and falls back to the primary one.
    """
    rows = repository.list_codes(session, household_id)
    return {code: id_ for code, id_ in rows if code is not None}


def with_children(nodes: Sequence[CategoryNode], wanted: Iterable[UUID]) -> tuple[UUID, ...]:
    """Return the wanted ids and, after each, those of the categories below it."""
    found: dict[UUID, None] = {}
    for category_id in wanted:
        found[category_id] = None
        for node in nodes:
            # The tree is listed parents first, so one pass finds every depth.
            if node.parent_id in found and node.parent_id is not None:
                found[node.id] = None
    return tuple(found)
