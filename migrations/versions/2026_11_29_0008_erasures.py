"""Households that are to be erased, and the tombstones of those that were.

Works with the code before it and after it: a new table, which nobody reads yet. It outlives the
household, so it belongs to none: a tenant gets no policy and no grant.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    now = sa.text("now()")
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="asked", nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("key_destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("items_removed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "items_left",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.Column("rows", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("audit_sequence", sa.BigInteger(), nullable=True),
        sa.Column("audit_hash", sa.LargeBinary(), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('asked', 'erased')", name=op.f("ck_erasures_state")),
        sa.CheckConstraint(
            "asked_by IN ('owner', 'operator', 'restore')", name=op.f("ck_erasures_asked_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.execute("ALTER TABLE erasures ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE erasures FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY system ON erasures TO fintech_system USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON erasures TO fintech_system")


def downgrade() -> None:
    op.drop_table("erasures")
