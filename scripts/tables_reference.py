"""Write docs/reference/data-model.md from the models and what they say of themselves.

`--check` writes nothing and fails when the page is not what it should be.
"""

import ast
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reference_pages import REFERENCE, ROOT, cell, write_pages
from sqlalchemy.dialects import postgresql

POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]
PAGE = REFERENCE / "data-model.md"
FAMILIES = {
    "people": "People",
    "connections": "Connections and files",
    "journal": "The journal",
    "ledger": "The ledger and its views",
    "privacy": "Privacy",
    "operations": "Operations",
}
# Of the diagram: what a newcomer has to know first.
MAIN = (
    "households", "memberships", "users", "items", "sync_runs", "imports", "journal_pages",
    "accounts", "source_accounts", "transactions", "categories", "change_sets", "field_changes",
    "balance_anchors", "holdings",
)  # fmt: skip
# The journal outlives what it speaks of, so these are no foreign keys.
WITHOUT_KEY = (
    ("change_sets", "transactions"),
    ("journal_pages", "transactions"),
    ("items", "journal_pages"),
    ("transactions", "field_changes"),
)
HEAD = """# The data model

Made by `scripts/tables_reference.py` from `app/models`; do not edit.

* What a household owns has `household_id` first in its primary key. Row-level security is forced
  on every table: a request sees its own household, whatever its SQL says, and a guest's request
  what is shared with them.
* `users`, `user_sessions`, `user_totp`, `recovery_codes`, `passkeys`, `user_identities`,
  `spent_tickets`, `refresh_tokens`, `api_tokens`, `password_resets`, `attempt_buckets`,
  `erasures`, `invitations`, `account_shares` and `webhooks` are closed to requests. Only the role
  `fintech_system` reads them, from few named places.
* Ids are UUIDv7, made by us. What a source calls a thing stands in a column `…source_id`.
* Amounts are `NUMERIC(24, 8)` in major units beside a currency code; negative is money out.
* In `transactions` a column without suffix, or with `_source`, is the source's; `_enriched` is for
  rules and models; `_user` is a person's. `category_id` and `counterparty` are computed: the
  user's, else the enrichment's, else the source's.
* `daily_totals` and `monthly_totals` are kept by triggers in the statement that changes the
  ledger.
"""


def models() -> list[type[Any]]:
    """Return the classes of all tables, in the order of their files and lines."""
    sys.path.insert(0, str(ROOT))
    from app import models as package  # noqa: PLC0415 - the path is set first

    classes = [each for each in vars(package).values() if hasattr(each, "__tablename__")]
    order = list(FAMILIES)
    return sorted(
        classes, key=lambda each: (order.index(family(each)), inspect.getsourcelines(each)[1])
    )


def family(model: type[Any]) -> str:
    """Return the module that a model is in."""
    return model.__module__.rpartition(".")[2]


def column_texts(model: type[Any]) -> dict[str, str]:
    """Return what the source says below each column."""
    [node] = ast.parse(inspect.getsource(model)).body
    assert isinstance(node, ast.ClassDef)
    found: dict[str, str] = {}
    for field, following in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            found[field.target.id] = str(following.value.value)
    return found


def section(model: type[Any]) -> list[str]:
    """Return the section of one table."""
    table = model.__table__
    texts = column_texts(model)
    lines = [f"### `{table.name}`", "", inspect.cleandoc(model.__doc__ or ""), ""]
    lines += ["| Column | Type | | Meaning |", "| --- | --- | --- | --- |"]
    for column in table.columns:
        kind = (
            column.type.compile(POSTGRESQL)
            .lower()
            .replace("timestamp with time zone", "timestamptz")
        )
        marks = [
            word
            for word, applies in (
                ("key", column.primary_key),
                ("computed", column.computed is not None),
                ("may be null", column.nullable and column.computed is None),
            )
            if applies
        ]
        text = cell(texts.get(column.name, ""))
        lines.append(f"| `{column.name}` | {kind} | {', '.join(marks)} | {text} |")
    return [*lines, ""]


def diagram(classes: Sequence[type[Any]]) -> list[str]:
    """Return how the main tables hang together, for Mermaid."""
    tables = {each.__table__.name: each.__table__ for each in classes}
    edges = set(WITHOUT_KEY)
    for name in MAIN:
        for key in tables[name].foreign_key_constraints:
            target = key.referred_table.name
            reaches_household_otherwise = target == "households" and name not in (
                "memberships", "items", "accounts", "categories", "imports",
            )  # fmt: skip
            if target in MAIN and not reaches_household_otherwise:
                edges.add((target, name))
    lines = ["```mermaid", "erDiagram"]
    lines += [f'    {parent} ||--o{{ {child} : ""' for parent, child in sorted(edges)]
    return [*lines, "```", ""]


def page() -> str:
    """Return docs/reference/data-model.md."""
    classes = models()
    lines = [HEAD, *diagram(classes)]
    title = ""
    for model in classes:
        if title != FAMILIES[family(model)]:
            title = FAMILIES[family(model)]
            lines += [f"## {title}", ""]
        lines += section(model)
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page; return the exit status."""

    def pages() -> dict[Path, str]:
        return {PAGE: page()}

    return write_pages(__doc__, pages, arguments)


if __name__ == "__main__":
    sys.exit(main())
