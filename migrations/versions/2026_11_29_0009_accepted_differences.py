"""Accepted differences: what a person accepted of an account that does not tie out.

Works with the code before it and after it: a column that may be empty, and an index.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

INDEX = "ix_change_sets_accepted_differences"


def upgrade() -> None:
    op.add_column("tie_outs", sa.Column("accepted_by", sa.Uuid(), nullable=True))
    with op.get_context().autocommit_block():
        op.create_index(
            INDEX,
            "change_sets",
            ["household_id"],
            postgresql_where=sa.text("counts ? 'accepted_difference'"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(INDEX, "change_sets", postgresql_concurrently=True, if_exists=True)
    op.drop_column("tie_outs", "accepted_by")
