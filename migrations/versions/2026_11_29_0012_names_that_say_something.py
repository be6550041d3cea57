"""A name that says nothing hides no other one: enrichment's and people's are not empty.

Works with the code before it and after it, which never write such names. What is there already is
looked at by the next migration, which keeps nobody waiting.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE transactions ADD CONSTRAINT ck_transactions_names"
        " CHECK (btrim(counterparty_enriched) <> '' AND btrim(counterparty_user) <> '') NOT VALID"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_transactions_names"), "transactions", type_="check")
