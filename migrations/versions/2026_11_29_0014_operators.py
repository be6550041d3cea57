"""Operators: who may see how the server is, and when it was last backed up.

Works with the code before it: a column with a constant default, which rewrites nothing, and a new
table, which nobody reads yet. It belongs to no household: a tenant gets no policy and no grant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column(
        "users", sa.Column("is_operator", sa.Boolean(), server_default="false", nullable=False)
    )
    op.create_table(
        "backup_records",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("is_ok", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('backup', 'check')", name=op.f("ck_backup_records_kind")),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_backup_records")),
    )
    op.execute("ALTER TABLE backup_records ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE backup_records FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY system ON backup_records TO fintech_system USING (true) WITH CHECK (true)"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON backup_records TO fintech_system")


def downgrade() -> None:
    op.drop_table("backup_records")
    op.drop_column("users", "is_operator")
