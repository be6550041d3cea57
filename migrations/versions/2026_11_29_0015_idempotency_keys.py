"""Requests that may be sent again, and what they were answered.

Works with the code before it: a new table, which nobody reads yet. Answers are written in the
transaction of what they tell of: a tenant's, or one that crosses households.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

OWN = "household_id = (SELECT current_setting('app.household_id')::uuid)"


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("running_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        _belongs_to("households", "household_id"),
        _belongs_to("users", "user_id"),
        sa.PrimaryKeyConstraint("household_id", "key_hash", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])
    op.execute("ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY system ON idempotency_keys TO fintech_system USING (true) WITH CHECK (true)"
    )
    op.execute(
        "CREATE POLICY tenant ON idempotency_keys TO fintech_tenant"
        f" USING ({OWN}) WITH CHECK ({OWN})"
    )
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO fintech_tenant, fintech_system"
    )


def downgrade() -> None:
    op.drop_table("idempotency_keys")


def _belongs_to(table: str, column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_idempotency_keys_{column}")
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete="CASCADE")
