"""Whether an e-mail address was confirmed by somebody who reads its mail.

Works with the code before it and after it: a column that may be empty, which rewrites nothing.
Nobody of before has confirmed theirs, and nobody is kept from anything by that.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column(
        "users", sa.Column("email_confirmed_at", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("users", "email_confirmed_at")
