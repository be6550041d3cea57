"""Old events of audit trails may be deleted, if the operator sets a term.

Works with the code before it, which deletes none. Whatever the program does, no event younger than
a year goes: a policy of the database restricts what may be deleted.
"""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute(
        "CREATE POLICY old_alone ON audit_events AS RESTRICTIVE FOR DELETE TO fintech_system "
        "USING (at < now() - interval '365 days')"
    )
    op.execute("GRANT DELETE ON audit_events TO fintech_system")


def downgrade() -> None:
    op.execute("REVOKE DELETE ON audit_events FROM fintech_system")
    op.execute("DROP POLICY old_alone ON audit_events")
