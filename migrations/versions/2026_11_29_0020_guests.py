"""Guests: people who see the accounts of a household that are shared with them, and no others.

Works with the code before it: a new role and a new table, which nobody uses yet. Members' policies
stay as they are, and so do the plans of their statements: a guest's transactions run as a role of
their own. What that role has no right to, a guest does not see: the journal, the history, banks.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

OWN = "household_id = (SELECT current_setting('app.household_id')::uuid)"
SHARED = "ANY (ARRAY(SELECT account_id FROM account_shares))"
SEEN = {
    "account_shares": "user_id = (SELECT current_setting('app.guest_id')::uuid)",
    "accounts": f"id = {SHARED}",
    "categories": "true",
    "daily_totals": f"account_id = {SHARED}",
    # An account's own bank is named; the subquery is behind the wall of its table.
    "items": "id = ANY (ARRAY(SELECT item_id FROM source_accounts))",
    "monthly_totals": f"account_id = {SHARED}",
    "source_accounts": f"account_id = {SHARED}",
    "tie_outs": f"account_id = {SHARED}",
    "transactions": f"account_id = {SHARED}",
}
"""What a guest sees of each table."""
COLUMNS = {"items": "(household_id, id, institution_name, institution_seen_at)"}
ROLES = "role IN ('owner', 'member', 'viewer', 'guest')"


def upgrade() -> None:
    op.execute(_MAKE_ROLE)
    _create_shares()
    for table, condition in SEEN.items():
        op.execute(
            f"CREATE POLICY guest ON {table} FOR SELECT TO fintech_guest"
            f" USING ({OWN} AND {condition})"
        )
        op.execute(f"GRANT SELECT {COLUMNS.get(table, '')} ON {table} TO fintech_guest")
    for table in ("memberships", "invitations"):
        _know_the_role(table)
    op.execute(_SEARCH)
    op.execute("GRANT CREATE ON SCHEMA public TO fintech_system")
    op.execute("ALTER FUNCTION search_shared_transactions(text) OWNER TO fintech_system")
    op.execute("REVOKE CREATE ON SCHEMA public FROM fintech_system")
    op.execute("REVOKE ALL ON FUNCTION search_shared_transactions(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION search_shared_transactions(text) TO fintech_guest")


def downgrade() -> None:
    op.execute("DROP FUNCTION search_shared_transactions(text)")
    for table in SEEN:
        op.execute(f"REVOKE ALL ON {table} FROM fintech_guest")
        op.execute(f"DROP POLICY guest ON {table}")
    op.drop_table("account_shares")
    # Whoever was a guest sees nothing more. The wall binds the owner of the tables too: who does
    # not inherit this role would delete nothing.
    op.execute("SET LOCAL ROLE fintech_system")
    for table in ("memberships", "invitations"):
        op.execute(f"DELETE FROM {table} WHERE role = 'guest'")
    op.execute("RESET ROLE")
    # A deleted row still has foreign keys to be looked at, and a table with such is not altered.
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table in ("memberships", "invitations"):
        op.drop_constraint(op.f(f"ck_{table}_role"), table, type_="check")
        op.create_check_constraint(
            op.f(f"ck_{table}_role"), table, "role IN ('owner', 'member', 'viewer')"
        )
    # The role itself is another database's as well, and stays.
    op.execute("REVOKE USAGE ON SCHEMA public FROM fintech_guest")


def _create_shares() -> None:
    op.create_table(
        "account_shares",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_account_shares_household_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id", "user_id"],
            ["memberships.household_id", "memberships.user_id"],
            name=op.f("fk_account_shares_household_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id", "account_id"],
            ["accounts.household_id", "accounts.id"],
            name=op.f("fk_account_shares_household_id_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "household_id", "user_id", "account_id", name=op.f("pk_account_shares")
        ),
    )
    op.execute("ALTER TABLE account_shares ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE account_shares FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY system ON account_shares TO fintech_system USING (true) WITH CHECK (true)"
    )
    op.execute(
        f"CREATE POLICY tenant ON account_shares TO fintech_tenant USING ({OWN}) WITH CHECK ({OWN})"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON account_shares TO fintech_system")


def _know_the_role(table: str) -> None:
    """Let memberships and invitations be a guest's as well."""
    # Nobody writes what the old one forbids before every program knows the new role.
    op.execute(
        f"-- squawk-ignore ban-drop-constraint\nALTER TABLE {table} DROP CONSTRAINT ck_{table}_role"
    )
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_role CHECK ({ROLES}) NOT VALID")
    # A row a person: it is read in an instant.
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_role"
    )


# As the first migration makes the other two: roles belong to the whole server.
_MAKE_ROLE = """
DO $$
DECLARE
    assume text := CASE WHEN current_setting('server_version_num')::int >= 160000
                        THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    IF to_regrole('fintech_guest') IS NULL THEN
        BEGIN
            CREATE ROLE fintech_guest NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'fintech_guest', assume) THEN
        EXECUTE format('GRANT fintech_guest TO %I', current_user);
    END IF;
    GRANT USAGE ON SCHEMA public TO fintech_guest;
END
$$
"""
# Rare words among a million rows, as `search_transactions` finds them for members, but only in
# what is shared with the guest; fails without one.
_SEARCH = """
CREATE FUNCTION search_shared_transactions(needle text)
RETURNS TABLE (id uuid, date date, amount numeric, currency text, pending boolean,
               account_id uuid, category_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, public SET enable_seqscan = off SET enable_indexscan = off
SET enable_indexonlyscan = off
AS $$
    SELECT row.id, row.date, row.amount, row.currency, row.pending, row.account_id, row.category_id
    FROM public.transactions AS row
    WHERE row.household_id = current_setting('app.household_id')::uuid
      AND row.account_id = ANY (ARRAY(
          SELECT share.account_id FROM public.account_shares AS share
          WHERE share.household_id = current_setting('app.household_id')::uuid
            AND share.user_id = current_setting('app.guest_id')::uuid))
      AND row.is_live
      AND row.search_text LIKE
          '%' || replace(replace(replace(needle, '\\', '\\\\'), '%', '\\%'), '_', '\\_') || '%'
$$
"""
