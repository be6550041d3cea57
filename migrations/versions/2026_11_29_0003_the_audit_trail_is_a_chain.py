"""The audit trail is a chain, household by household.

Works with the code before it and after it: a trigger links each event when its transaction
commits, whoever wrote it. Events of before are linked here, in the order of their ids. Events that
come while the long part runs are linked by the short part, which alone keeps writers waiting.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# In commit order: the lock is taken when everything else of the transaction is done, so that
# writers of one household wait for each other's commit and for nothing else, and no transaction
# that holds it waits for another lock.
_LINK = """
CREATE FUNCTION link_audit_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.household_id::text, 13));
    SELECT sequence, hash INTO last FROM audit_links
    WHERE household_id = NEW.household_id ORDER BY sequence DESC LIMIT 1;
    INSERT INTO audit_links (household_id, sequence, event_id, hash, linked_at)
    VALUES (
        NEW.household_id, coalesce(last.sequence, 0) + 1, NEW.id,
        sha256(coalesce(last.hash, '') || convert_to(jsonb_build_array(
            1, NEW.household_id, coalesce(last.sequence, 0) + 1, NEW.id,
            extract(epoch FROM NEW.at), NEW.actor_user_id, NEW.session_id, NEW.address,
            NEW.action, NEW.object_id, NEW.details
        )::text, 'UTF8')),
        clock_timestamp()
    );
    RETURN NULL;
END
$$;
"""
_TRIGGER = """
CREATE CONSTRAINT TRIGGER link_audit_event AFTER INSERT ON audit_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION link_audit_event();
"""
_LINK_THOSE_BEFORE = """
DO $$
DECLARE
    event audit_events%ROWTYPE;
    link audit_links%ROWTYPE;
BEGIN
    FOR event IN
        SELECT * FROM audit_events AS e
        WHERE NOT EXISTS (SELECT FROM audit_links AS l
                          WHERE l.household_id = e.household_id AND l.event_id = e.id)
        ORDER BY household_id, id
    LOOP
        IF link.household_id IS DISTINCT FROM event.household_id THEN
            SELECT * INTO link FROM audit_links
            WHERE household_id = event.household_id ORDER BY sequence DESC LIMIT 1;
        END IF;
        link.household_id := event.household_id;
        link.sequence := coalesce(link.sequence, 0) + 1;
        link.event_id := event.id;
        link.hash := sha256(coalesce(link.hash, '') || convert_to(jsonb_build_array(
            1, event.household_id, link.sequence, event.id, extract(epoch FROM event.at),
            event.actor_user_id, event.session_id, event.address, event.action,
            event.object_id, event.details
        )::text, 'UTF8'));
        link.linked_at := clock_timestamp();
        INSERT INTO audit_links VALUES (link.*);
    END LOOP;
END
$$;
"""


def upgrade() -> None:
    op.create_table(
        "audit_links",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "linked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_audit_links_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "sequence", name=op.f("pk_audit_links")),
    )
    op.create_index(
        "uq_audit_links_household_id_event_id",
        "audit_links",
        ["household_id", "event_id"],
        unique=True,
    )
    op.create_index(op.f("ix_audit_links_linked_at"), "audit_links", ["linked_at"])
    op.execute("ALTER TABLE audit_links ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE audit_links FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY system ON audit_links TO fintech_system USING (true) WITH CHECK (true)"
    )
    op.execute(
        "CREATE POLICY tenant ON audit_links TO fintech_tenant "
        "USING (household_id = (SELECT current_setting('app.household_id')::uuid)) "
        "WITH CHECK (household_id = (SELECT current_setting('app.household_id')::uuid))"
    )
    op.execute("GRANT SELECT, INSERT ON audit_links TO fintech_tenant, fintech_system")
    op.execute(_LINK)
    # Whoever migrates is bound by the wall as well; this role sees all households.
    op.execute("SET LOCAL ROLE fintech_system")
    op.execute(_LINK_THOSE_BEFORE)
    op.execute("RESET ROLE")
    op.execute(_TRIGGER)
    op.execute("SET LOCAL ROLE fintech_system")
    op.execute(_LINK_THOSE_BEFORE)
    op.execute("RESET ROLE")


def downgrade() -> None:
    op.execute("DROP TRIGGER link_audit_event ON audit_events")
    op.execute("DROP FUNCTION link_audit_event()")
    op.drop_table("audit_links")
