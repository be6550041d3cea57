"""Invitations into a household.

Works with the code before it and after it: one new table, which nobody reads yet. A tenant gets
the policy that every owned table has, and no grant: who is let in is decided across households.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

OWN = "household_id = (SELECT current_setting('app.household_id')::uuid)"


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('owner', 'member', 'viewer')", name=op.f("ck_invitations_role")
        ),
        _key("household_id", "households", "CASCADE"),
        _key("invited_by", "users", "CASCADE"),
        _key("used_by", "users", "SET NULL"),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_invitations")),
    )
    op.create_index(op.f("ix_invitations_token_hash"), "invitations", ["token_hash"])
    op.execute("ALTER TABLE invitations ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE invitations FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY system ON invitations TO fintech_system USING (true) WITH CHECK (true)"
    )
    op.execute(
        f"CREATE POLICY tenant ON invitations TO fintech_tenant USING ({OWN}) WITH CHECK ({OWN})"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO fintech_system")


def downgrade() -> None:
    op.drop_table("invitations")


def _key(column: str, table: str, ondelete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_invitations_{column}")
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete=ondelete)
