"""One or two letters are looked up where words begin, instead of read for in the whole ledger.

Another function that looks behind the wall, beside `search_transactions`, bound to the household
in the same way. The code before it does not call it.
"""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION match_transactions(pattern text)
        RETURNS TABLE (id uuid, date date, amount numeric, currency text, pending boolean,
                       account_id uuid, category_id uuid)
        LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
        SET search_path = pg_catalog, public SET enable_seqscan = off SET enable_indexscan = off
        SET enable_indexonlyscan = off
        AS $$
            SELECT row.id, row.date, row.amount, row.currency, row.pending, row.account_id,
                   row.category_id
            FROM public.transactions AS row
            WHERE row.household_id = current_setting('app.household_id')::uuid
              AND row.is_live AND row.search_text ~ pattern
        $$;
        GRANT CREATE ON SCHEMA public TO fintech_system;
        ALTER FUNCTION match_transactions(text) OWNER TO fintech_system;
        REVOKE CREATE ON SCHEMA public FROM fintech_system;
        REVOKE ALL ON FUNCTION match_transactions(text) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION match_transactions(text) TO fintech_tenant, fintech_system;
        """
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION match_transactions(text)")
