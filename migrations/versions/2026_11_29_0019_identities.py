"""Who people are at an OpenID Connect provider.

Works with the code before it: a new table, which nobody reads yet. Like sessions identities belong
to people, so a tenant gets no policy and no grant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    now = sa.text("now()")
    op.create_table(
        "user_identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_identities_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_user_identities")),
    )
    op.create_index(op.f("ix_user_identities_user_id"), "user_identities", ["user_id"])
    op.execute("ALTER TABLE user_identities ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE user_identities FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY system ON user_identities TO fintech_system USING (true) WITH CHECK (true)"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON user_identities TO fintech_system")


def downgrade() -> None:
    op.drop_table("user_identities")
