"""When a session's person last showed who they are.

Works with the code before it, which neither reads nor writes the column; a session without it was
proven when it was opened.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    proven_at = sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True)
    op.add_column("user_sessions", proven_at)


def downgrade() -> None:
    op.drop_column("user_sessions", "proven_at")
