-- What Alembic cannot derive from the models: roles, partitions, walls and views.

-- 1. Two roles that row-level security binds, whoever DATABASE_URL logs in as. Roles belong to
--    the whole server, so another database's migration may be creating them right now.
DO $$
DECLARE
    role_name text;
    assume text := CASE WHEN current_setting('server_version_num')::int >= 160000
                        THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['fintech_tenant', 'fintech_system'] LOOP
        -- Whoever may not create roles has an administrator make them first.
        IF to_regrole(role_name) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        -- From version 16 on, whoever creates a role may grant it, but not yet assume it.
        IF NOT pg_has_role(current_user, role_name, assume) THEN
            EXECUTE format('GRANT %I TO %I', role_name, current_user);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role_name);
    END LOOP;
END
$$;

-- 2. Partitions of the big table, by household.
DO $$
BEGIN
    FOR part IN 0..7 LOOP
        EXECUTE format(
            'CREATE TABLE transactions_part_%s PARTITION OF transactions '
            'FOR VALUES WITH (MODULUS 8, REMAINDER %s)', part, part
        );
    END LOOP;
END
$$;

-- 3. Who may do what. The tenant's role cannot see people's secrets, and cannot rewrite the
--    journal or the history of changes.
GRANT SELECT, INSERT, UPDATE, DELETE ON
    accounts, balance_anchors, categories, daily_totals, holdings, imports, items, link_sessions,
    match_suggestions, monthly_totals, rejected_rows, source_accounts, sync_runs, tie_outs, transactions
    TO fintech_tenant;
GRANT SELECT, INSERT ON audit_events, change_sets, field_changes, journal_pages TO fintech_tenant;
GRANT UPDATE (counts, undone_by) ON change_sets TO fintech_tenant;
GRANT UPDATE (after, reason, confidence) ON field_changes TO fintech_tenant;
GRANT SELECT ON household_keys, memberships TO fintech_tenant;
GRANT SELECT, UPDATE ON households TO fintech_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    attempt_buckets, categories, household_keys, households, items, link_sessions, memberships,
    refresh_tokens, sync_runs, user_sessions, users, webhooks
    TO fintech_system;
GRANT SELECT, DELETE ON
    accounts, balance_anchors, change_sets, daily_totals, field_changes, holdings, imports,
    journal_pages, match_suggestions, monthly_totals, rejected_rows, source_accounts, tie_outs,
    transactions
    TO fintech_system;
GRANT SELECT, INSERT ON audit_events TO fintech_system;

-- 4. The wall: a tenant's session sees its own household. Without the setting, it fails.
DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT c.relname AS table_name,
               (SELECT a.attname FROM pg_attribute a
                WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attname =
                    CASE c.relname WHEN 'households' THEN 'id' ELSE 'household_id' END) AS owner
        FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition AND c.relname <> 'alembic_version'
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', wall.table_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', wall.table_name);
        EXECUTE format(
            'CREATE POLICY system ON %I TO fintech_system USING (true) WITH CHECK (true)',
            wall.table_name
        );
        CONTINUE WHEN wall.owner IS NULL
            OR wall.table_name IN ('user_sessions', 'webhooks');
        EXECUTE format(
            'CREATE POLICY tenant ON %1$I TO fintech_tenant '
            'USING (%2$I = (SELECT current_setting(''app.household_id'')::uuid)) '
            'WITH CHECK (%2$I = (SELECT current_setting(''app.household_id'')::uuid))',
            wall.table_name, wall.owner
        );
    END LOOP;
END
$$;

-- 5. One writer of a household's ledger at a time, decided before the first row is locked, so
--    that two writers never wait for each other.
CREATE FUNCTION lock_household_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    household text := current_setting('app.household_id', true);
BEGIN
    IF household <> '' THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(household, 7));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER lock_household_ledger BEFORE INSERT OR UPDATE OR DELETE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION lock_household_ledger();

-- 6. daily_totals follows transactions in the same statement, whoever writes.
CREATE FUNCTION keep_daily_totals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO daily_totals AS total
        SELECT household_id, date, account_id,
               coalesce(category_id, '00000000-0000-0000-0000-000000000000'), currency, pending,
               coalesce(sum(amount) FILTER (WHERE amount > 0), 0),
               coalesce(sum(amount) FILTER (WHERE amount < 0), 0), count(*)
        FROM new_rows WHERE is_live
        GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (household_id, date, account_id, category_id, currency, pending)
        DO UPDATE SET money_in = total.money_in + excluded.money_in,
                      money_out = total.money_out + excluded.money_out,
                      count = total.count + excluded.count;
        RETURN NULL;
    END IF;
    IF NOT EXISTS (SELECT FROM old_rows) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO daily_totals AS total
        SELECT household_id, date, account_id, category_id, currency, pending,
               sum(sign * greatest(amount, 0)), sum(sign * least(amount, 0)), sum(sign)
        FROM (
            SELECT household_id, date, account_id, currency, pending, amount, 1 AS sign,
                   coalesce(category_id, '00000000-0000-0000-0000-000000000000') AS category_id
            FROM new_rows WHERE is_live
            UNION ALL
            SELECT household_id, date, account_id, currency, pending, amount, -1,
                   coalesce(category_id, '00000000-0000-0000-0000-000000000000')
            FROM old_rows WHERE is_live
        ) AS changes
        GROUP BY 1, 2, 3, 4, 5, 6
        HAVING sum(sign) <> 0 OR sum(sign * greatest(amount, 0)) <> 0
            OR sum(sign * least(amount, 0)) <> 0
        ORDER BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (household_id, date, account_id, category_id, currency, pending)
        DO UPDATE SET money_in = total.money_in + excluded.money_in,
                      money_out = total.money_out + excluded.money_out,
                      count = total.count + excluded.count;
    ELSE
        INSERT INTO daily_totals AS total
        SELECT household_id, date, account_id,
               coalesce(category_id, '00000000-0000-0000-0000-000000000000'), currency, pending,
               -coalesce(sum(amount) FILTER (WHERE amount > 0), 0),
               -coalesce(sum(amount) FILTER (WHERE amount < 0), 0), -count(*)
        FROM old_rows WHERE is_live
        GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (household_id, date, account_id, category_id, currency, pending)
        DO UPDATE SET money_in = total.money_in + excluded.money_in,
                      money_out = total.money_out + excluded.money_out,
                      count = total.count + excluded.count;
    END IF;
    DELETE FROM daily_totals AS total
    USING (SELECT DISTINCT household_id, date FROM old_rows) AS touched
    WHERE total.household_id = touched.household_id AND total.date = touched.date
      AND total.count = 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_daily_totals_insert AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_daily_totals();
CREATE TRIGGER keep_daily_totals_update AFTER UPDATE ON transactions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_daily_totals();
CREATE TRIGGER keep_daily_totals_delete AFTER DELETE ON transactions
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_daily_totals();

-- 7. Every change of a transaction says which change set it belongs to, field by field.
--    A statement of a trigger is planned once for a connection, for as many rows as there were
--    then. A nested loop over two rows would be kept for ten thousand, and take minutes: so here
--    there is none, and the others that join old and new rows are planned each time (EXECUTE).
CREATE FUNCTION keep_field_changes() RETURNS trigger LANGUAGE plpgsql
SET enable_nestloop = off AS $$
BEGIN
    -- An upsert that changes nothing fires this as well.
    IF NOT EXISTS (SELECT FROM new_rows) THEN
        RETURN NULL;
    END IF;
    INSERT INTO field_changes (household_id, change_set_id, transaction_id, field, before, after)
    SELECT household_id, current_setting('app.change_set_id')::uuid, id,
           changed.field, changed.before, changed.after
    FROM new_rows AS now JOIN old_rows AS was USING (household_id, id)
    CROSS JOIN LATERAL (VALUES
        ('source_id', was.source_id, now.source_id),
        ('date', was.date::text, now.date::text),
        ('authorized_date', was.authorized_date::text, now.authorized_date::text),
        ('amount', trim_scale(was.amount)::text, trim_scale(now.amount)::text),
        ('currency', was.currency, now.currency),
        ('pending', was.pending::text, now.pending::text),
        ('description', was.description, now.description),
        ('category_code', was.category_code, now.category_code),
        ('pending_source_id', was.pending_source_id, now.pending_source_id),
        ('journal_page_id', was.journal_page_id::text, now.journal_page_id::text),
        ('counterparty_source', was.counterparty_source, now.counterparty_source),
        ('counterparty_enriched', was.counterparty_enriched, now.counterparty_enriched),
        ('counterparty_user', was.counterparty_user, now.counterparty_user),
        ('category_source', was.category_source::text, now.category_source::text),
        ('category_enriched', was.category_enriched::text, now.category_enriched::text),
        ('category_user', was.category_user::text, now.category_user::text),
        ('note', was.note, now.note),
        ('reviewed_at', was.reviewed_at::text, now.reviewed_at::text),
        ('removed_at', was.removed_at::text, now.removed_at::text),
        ('duplicate_of_id', was.duplicate_of_id::text, now.duplicate_of_id::text)
    ) AS changed (field, before, after)
    WHERE changed.before IS DISTINCT FROM changed.after
    ON CONFLICT (household_id, change_set_id, transaction_id, field)
    DO UPDATE SET after = excluded.after;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_field_changes AFTER UPDATE ON transactions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_field_changes();

-- 8. Of the rows that are one movement, one counts: the original, or while that is removed the
--    first of its duplicates that is not. A function of the rows alone, so that whoever removes
--    or brings back a row, undo and redo too, need not think of it.
CREATE FUNCTION keep_stand_ins() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    touched uuid[];
BEGIN
    IF NOT EXISTS (SELECT FROM new_rows) THEN
        RETURN NULL;
    END IF;
    EXECUTE $query$
        SELECT array_agg(DISTINCT touch.id)
        FROM new_rows AS now JOIN old_rows AS was USING (household_id, id)
        CROSS JOIN LATERAL (VALUES (now.id), (now.duplicate_of_id), (was.duplicate_of_id))
            AS touch (id)
        WHERE touch.id IS NOT NULL
          AND ((now.removed_at IS NULL) <> (was.removed_at IS NULL)
               OR now.duplicate_of_id IS DISTINCT FROM was.duplicate_of_id)
    $query$ INTO touched;
    IF touched IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE transactions AS row
    SET stands_in = wanted.stands_in
    FROM (
        SELECT told.household_id, told.id,
               told.duplicate_of_id IS NOT NULL AND told.removed_at IS NULL
               AND coalesce(original.removed_at IS NOT NULL, true)
               AND row_number() OVER (
                   PARTITION BY told.household_id, told.duplicate_of_id
                   ORDER BY told.removed_at IS NOT NULL, told.id
               ) = 1 AS stands_in
        FROM transactions AS told
        LEFT JOIN transactions AS original
            ON original.household_id = told.household_id AND original.id = told.duplicate_of_id
        WHERE told.household_id IN (SELECT household_id FROM new_rows)
          AND (told.duplicate_of_id = ANY(touched)
               OR (told.id = ANY(touched) AND told.duplicate_of_id IS NULL))
    ) AS wanted
    WHERE row.household_id = wanted.household_id AND row.id = wanted.id
      AND row.stands_in <> wanted.stands_in;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_stand_ins AFTER UPDATE ON transactions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_stand_ins();

-- 9. monthly_totals follows daily_totals.
CREATE FUNCTION keep_monthly_totals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO monthly_totals AS total
        SELECT household_id, date_trunc('month', date)::date, account_id, category_id, currency,
               pending, sum(money_in), sum(money_out), sum(count)
        FROM new_rows GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (household_id, month, account_id, category_id, currency, pending)
        DO UPDATE SET money_in = total.money_in + excluded.money_in,
                      money_out = total.money_out + excluded.money_out,
                      count = total.count + excluded.count;
    ELSIF EXISTS (SELECT FROM old_rows) THEN
        IF TG_OP = 'UPDATE' THEN
            EXECUTE $query$
                UPDATE monthly_totals AS total
                SET money_in = total.money_in + changed.money_in,
                    money_out = total.money_out + changed.money_out,
                    count = total.count + changed.count
                FROM (
                    SELECT household_id, date_trunc('month', date)::date AS month, account_id,
                           category_id, currency, pending,
                           sum(now.money_in - was.money_in) AS money_in,
                           sum(now.money_out - was.money_out) AS money_out,
                           sum(now.count - was.count) AS count
                    FROM new_rows AS now JOIN old_rows AS was
                        USING (household_id, date, account_id, category_id, currency, pending)
                    GROUP BY 1, 2, 3, 4, 5, 6
                ) AS changed
                WHERE (total.household_id, total.month, total.account_id, total.category_id,
                       total.currency, total.pending)
                    = (changed.household_id, changed.month, changed.account_id, changed.category_id,
                       changed.currency, changed.pending)
            $query$;
        END IF;
        -- Days are deleted once nothing is left of them, so a month without days is empty.
        DELETE FROM monthly_totals AS total
        USING (SELECT DISTINCT household_id, date_trunc('month', date)::date AS month
               FROM old_rows) AS touched
        WHERE total.household_id = touched.household_id AND total.month = touched.month
          AND total.count = 0;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_monthly_totals_insert AFTER INSERT ON daily_totals
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_monthly_totals();
CREATE TRIGGER keep_monthly_totals_update AFTER UPDATE ON daily_totals
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_monthly_totals();
CREATE TRIGGER keep_monthly_totals_delete AFTER DELETE ON daily_totals
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION keep_monthly_totals();

-- 10. Rare words among a million rows. Under row-level security no index may look into a text
--    (its operators are not leakproof), so this one function looks behind the wall, by itself
--    bound to the household of the transaction, and fails without one.
CREATE FUNCTION search_transactions(needle text)
RETURNS TABLE (id uuid, date date, amount numeric, currency text, pending boolean,
               account_id uuid, category_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, public SET enable_seqscan = off SET enable_indexscan = off
SET enable_indexonlyscan = off
AS $$
    SELECT row.id, row.date, row.amount, row.currency, row.pending, row.account_id, row.category_id
    FROM public.transactions AS row
    WHERE row.household_id = current_setting('app.household_id')::uuid
      AND row.is_live
      AND row.search_text LIKE
          '%' || replace(replace(replace(needle, '\', '\\'), '%', '\%'), '_', '\_') || '%'
$$;
GRANT CREATE ON SCHEMA public TO fintech_system;
ALTER FUNCTION search_transactions(text) OWNER TO fintech_system;
REVOKE CREATE ON SCHEMA public FROM fintech_system;
REVOKE ALL ON FUNCTION search_transactions(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_transactions(text) TO fintech_tenant, fintech_system;
