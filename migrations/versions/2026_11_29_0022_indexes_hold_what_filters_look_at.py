"""The indexes by account and by category hold what filters look at, as the list's own does.

Works with the code before it: the new indexes have the keys of those that they replace. They are
built beside them, part by part, while others write; only taking their place locks the ledger, for
an instant. What an interrupted attempt left is built anew.
"""

from alembic import op

revision = "0022"
down_revision = "0021"

PARTS = 8
HELD = {
    "account": "amount, currency, category_id, pending",
    "category": "amount, currency, account_id, pending",
}


def upgrade() -> None:
    _replace({kind: f" INCLUDE ({columns})" for kind, columns in HELD.items()})


def downgrade() -> None:
    _replace(dict.fromkeys(HELD, ""))


def _replace(included: dict[str, str]) -> None:
    suffix = "covering" if any(included.values()) else "plain"
    definitions = {
        kind: f"(household_id, {kind}_id, date DESC, id DESC){columns} WHERE is_live"
        for kind, columns in included.items()
    }
    with op.get_context().autocommit_block():
        # It waits for whoever reads or writes, and lets others do so meanwhile.
        op.execute("SET lock_timeout = 0")
        for kind, definition in definitions.items():
            for part in range(PARTS):
                name = f"ix_transactions_part_{part}_{kind}_{suffix}"
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
                op.execute(
                    f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name}"
                    f" ON transactions_part_{part} {definition}"
                )
        op.execute("SET lock_timeout = '4s'")
    for kind, definition in definitions.items():
        # The index of a table with parts is only dropped with those of its parts, at once.
        op.execute(
            f"-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX ix_transactions_{kind}"
        )
        # Of the parent alone, which has no rows.
        op.execute(
            "-- squawk-ignore require-concurrent-index-creation\n"
            f"CREATE INDEX ix_transactions_{kind} ON ONLY transactions {definition}"
        )
        for part in range(PARTS):
            op.execute(
                f"ALTER INDEX ix_transactions_{kind}"
                f" ATTACH PARTITION ix_transactions_part_{part}_{kind}_{suffix}"
            )
