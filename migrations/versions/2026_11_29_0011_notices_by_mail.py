"""Notices by mail: what is still to be sent, and when a notice was.

Works with the code before it: a new table and a new column, which nobody reads yet.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

OWN = "household_id = (SELECT current_setting('app.household_id')::uuid)"


def upgrade() -> None:
    op.add_column("notices", sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "notice_mails",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_notice_mails_household_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id", "notice_id"],
            ["notices.household_id", "notices.id"],
            name=op.f("fk_notice_mails_household_id_notice_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "notice_id", name=op.f("pk_notice_mails")),
    )
    op.create_index(op.f("ix_notice_mails_due_at"), "notice_mails", ["due_at"])
    op.execute("ALTER TABLE notice_mails ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE notice_mails FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY system ON notice_mails TO fintech_system USING (true) WITH CHECK (true)"
    )
    op.execute(
        f"CREATE POLICY tenant ON notice_mails TO fintech_tenant USING ({OWN}) WITH CHECK ({OWN})"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON notice_mails TO fintech_system")
    op.execute("GRANT INSERT ON notice_mails TO fintech_tenant")


def downgrade() -> None:
    op.drop_table("notice_mails")
    op.drop_column("notices", "mailed_at")
