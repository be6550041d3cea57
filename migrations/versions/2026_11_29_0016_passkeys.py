"""Passkeys, and tickets that were redeemed.

Works with the code before it: two new tables, which nobody reads yet. Like sessions the passkeys
belong to people, and spent tickets to nobody, so a tenant gets no policy and no grant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

GRANTS = {"passkeys": "SELECT, INSERT, UPDATE, DELETE", "spent_tickets": "SELECT, INSERT, DELETE"}


def upgrade() -> None:
    now = sa.text("now()")
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_passkeys_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index(op.f("ix_passkeys_user_id"), "passkeys", ["user_id"])
    op.create_table(
        "spent_tickets",
        sa.Column("ticket_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ticket_hash", name=op.f("pk_spent_tickets")),
    )
    op.create_index(op.f("ix_spent_tickets_expires_at"), "spent_tickets", ["expires_at"])
    for table, grant in GRANTS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY system ON {table} TO fintech_system USING (true) WITH CHECK (true)"
        )
        op.execute(f"GRANT {grant} ON {table} TO fintech_system")


def downgrade() -> None:
    for table in reversed(GRANTS):
        op.drop_table(table)
