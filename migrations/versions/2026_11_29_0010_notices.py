"""Notices: what people are told of their account.

Works with the code before it: a new table, which nobody reads yet. A tenant writes notices in the
transaction of what they are about; they are read by their person, across households.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

OWN = "household_id = (SELECT current_setting('app.household_id')::uuid)"


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        _belongs_to("households", "household_id"),
        _belongs_to("users", "user_id"),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_notices")),
    )
    op.create_index(op.f("ix_notices_user_id_id"), "notices", ["user_id", "id"])
    op.create_index(
        op.f("ix_notices_unread"), "notices", ["user_id"], postgresql_where="read_at IS NULL"
    )
    op.execute("ALTER TABLE notices ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE notices FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY system ON notices TO fintech_system USING (true) WITH CHECK (true)")
    op.execute(
        f"CREATE POLICY tenant ON notices TO fintech_tenant USING ({OWN}) WITH CHECK ({OWN})"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON notices TO fintech_system")
    op.execute("GRANT INSERT ON notices TO fintech_tenant")


def downgrade() -> None:
    op.drop_table("notices")


def _belongs_to(table: str, column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_notices_{column}")
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete="CASCADE")
