"""The invariants as SQL: each check is a query that finds nothing in a sound database.

Numbers such as I2 are those of `docs/reference/correctness.md`.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.features.transactions.apply import driver

FINDINGS_SHOWN = 5
_BACKUP = "Restore the household from a backup, or ask for help with this line."
_REPLAY = "See what else differs with `fintech replay`; `fintech replay --apply` mends rows."


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant, and how to see that it does not hold."""

    invariant: str
    name: str
    """What is true as long as nothing is found."""
    sql: str
    """Finds sentences; `household_id` is its one parameter, if it is about a household."""
    remedy: str


OF_HOUSEHOLD = (
    Check(
        "I2",
        "No source names two rows alike",
        """
SELECT format('%%s is the id of %%s rows', source_id, count(*))
FROM transactions WHERE household_id = %(household_id)s
GROUP BY source_account_id, source_id HAVING count(*) > 1
""",
        "The unique index is damaged: REINDEX TABLE transactions, then `fintech replay`.",
    ),
    Check(
        "I2",
        "No posted row has a pending twin that counts",
        """
SELECT format('%%s is posted as %%s and still counts as pending', pending.id, posted.id)
FROM transactions AS posted
JOIN transactions AS pending
  ON pending.household_id = posted.household_id
 AND pending.source_account_id = posted.source_account_id
 AND pending.source_id = posted.pending_source_id
WHERE posted.household_id = %(household_id)s AND posted.is_live AND NOT posted.pending
  AND pending.is_live AND pending.pending
""",
        _REPLAY,
    ),
    Check(
        "I3",
        "Cursors of booked syncs are contiguous",
        """
WITH booked AS (
    SELECT run.item_id, made.sequence, run.cursor_before, run.cursor_after,
           lag(run.cursor_after) OVER chain AS last_cursor,
           lead(made.sequence) OVER chain IS NULL AS is_last
    FROM change_sets AS made
    JOIN sync_runs AS run
      ON run.household_id = made.household_id AND run.id = made.sync_run_id
    WHERE made.household_id = %(household_id)s AND made.kind = 'sync'
    WINDOW chain AS (PARTITION BY run.item_id ORDER BY made.sequence)
)
SELECT format('change set %%s starts where no sync ended', sequence)
FROM booked WHERE cursor_before IS DISTINCT FROM last_cursor
UNION ALL
SELECT format('%%s stands where its last sync, change set %%s, did not end',
              item.institution_name, booked.sequence)
FROM booked JOIN items AS item
  ON item.household_id = %(household_id)s AND item.id = booked.item_id
WHERE booked.is_last AND item.cursor IS DISTINCT FROM booked.cursor_after
""",
        "The next sync may miss rows. Unlink the bank and link it again to read it anew.",
    ),
    Check(
        "I5",
        "What people decided is what the history of changes says",
        """
SELECT format('%%s has a %%s that no change gave it', row.id, field.name)
FROM transactions AS row
CROSS JOIN LATERAL (VALUES
    ('category_user', row.category_user::text), ('counterparty_user', row.counterparty_user),
    ('category_enriched', row.category_enriched::text),
    ('counterparty_enriched', row.counterparty_enriched),
    ('note', row.note), ('reviewed_at', row.reviewed_at::text),
    ('removed_at', row.removed_at::text), ('duplicate_of_id', row.duplicate_of_id::text)
) AS field (name, value)
WHERE row.household_id = %(household_id)s AND field.value IS NOT NULL
  AND num_nonnulls(row.category_user, row.counterparty_user, row.category_enriched,
                   row.counterparty_enriched, row.note, row.reviewed_at, row.removed_at,
                   row.duplicate_of_id) > 0
  AND NOT EXISTS (SELECT FROM field_changes AS change
                  WHERE change.household_id = %(household_id)s
                    AND change.transaction_id = row.id AND change.field = field.name)
""",
        _REPLAY,
    ),
    Check(
        "I6",
        "Change sets are numbered without gaps",
        """
SELECT format('there are %%s, numbered from %%s to %%s', count(*), min(sequence), max(sequence))
FROM change_sets WHERE household_id = %(household_id)s
HAVING count(*) > 0 AND (min(sequence) <> 1 OR max(sequence) <> count(*))
""",
        f"A change set was deleted. {_BACKUP}",
    ),
    Check(
        "I6",
        "Every undo knows what it undid, and is known by it",
        """
SELECT format('change set %%s was undone by one that is not there', made.sequence)
FROM change_sets AS made
LEFT JOIN change_sets AS undoing
  ON undoing.household_id = made.household_id AND undoing.id = made.undone_by
 AND undoing.kind = 'undo' AND undoing.target_id = made.id
WHERE made.household_id = %(household_id)s AND made.undone_by IS NOT NULL
  AND undoing.id IS NULL
""",
        _BACKUP,
    ),
    Check(
        "I6",
        "Every row was brought by a change set and told by a page",
        """
SELECT format('%%s was brought by no change set', row.id)
FROM transactions AS row
LEFT JOIN change_sets AS made
  ON made.household_id = %(household_id)s AND made.id = row.change_set_id
WHERE row.household_id = %(household_id)s AND made.id IS NULL
UNION ALL
SELECT format('%%s was told by a page that is not in the journal', row.id)
FROM transactions AS row
LEFT JOIN journal_pages AS page
  ON page.household_id = %(household_id)s AND page.id = row.journal_page_id
WHERE row.household_id = %(household_id)s AND page.id IS NULL
""",
        _BACKUP,
    ),
    Check(
        "I6",
        "Every sync and import has its pages in the journal",
        """
SELECT format('change set %%s (%%s) has none', made.sequence, made.kind)
FROM change_sets AS made
WHERE made.household_id = %(household_id)s AND made.kind IN ('sync', 'import')
  AND NOT EXISTS (SELECT FROM journal_pages AS page
                  WHERE page.household_id = %(household_id)s
                    AND page.sync_run_id = made.sync_run_id)
""",
        _BACKUP,
    ),
    Check(
        "I6",
        "Every change of a row is in its history",
        """
WITH told AS (
    SELECT change.transaction_id, change.field, change.before, change.after, made.sequence,
           lag(change.after) OVER chain AS last_after,
           lag(made.sequence) OVER chain IS NULL AS is_first,
           lead(made.sequence) OVER chain IS NULL AS is_last
    FROM field_changes AS change
    JOIN change_sets AS made
      ON made.household_id = change.household_id AND made.id = change.change_set_id
    WHERE change.household_id = %(household_id)s
    WINDOW chain AS (PARTITION BY change.transaction_id, change.field ORDER BY made.sequence)
)
SELECT format('%%s: %%s was not what change set %%s found', transaction_id, field, sequence)
FROM told WHERE NOT is_first AND before IS DISTINCT FROM last_after
UNION ALL
SELECT format('%%s: its %%s changes are there, the row is not', told.transaction_id, told.field)
FROM told
LEFT JOIN transactions AS row
  ON row.household_id = %(household_id)s AND row.id = told.transaction_id
WHERE told.is_last AND row.id IS NULL
UNION ALL
SELECT format('%%s: %%s is not what change set %%s made it', row.id, told.field, told.sequence)
FROM told
JOIN transactions AS row
  ON row.household_id = %(household_id)s AND row.id = told.transaction_id
CROSS JOIN LATERAL (
    SELECT CASE told.field
        WHEN 'amount' THEN (row.amount = told.after::numeric)
        WHEN 'removed_at' THEN (row.removed_at IS NOT DISTINCT FROM told.after::timestamptz)
        WHEN 'reviewed_at' THEN (row.reviewed_at IS NOT DISTINCT FROM told.after::timestamptz)
        ELSE (to_jsonb(row) ->> told.field) IS NOT DISTINCT FROM told.after END AS holds
) AS value
WHERE told.is_last AND NOT value.holds
""",
        _REPLAY,
    ),
    Check(
        "I7",
        "Rows, change sets and pages of the household alone can be reached",
        """
SELECT format('a session of this household sees %%s of another one', seen.name)
FROM (
    SELECT 'transactions' AS name
    WHERE EXISTS (SELECT FROM transactions WHERE household_id <> %(household_id)s)
    UNION ALL SELECT 'accounts'
    WHERE EXISTS (SELECT FROM accounts WHERE household_id <> %(household_id)s)
    UNION ALL SELECT 'source accounts'
    WHERE EXISTS (SELECT FROM source_accounts WHERE household_id <> %(household_id)s)
    UNION ALL SELECT 'journal pages'
    WHERE EXISTS (SELECT FROM journal_pages WHERE household_id <> %(household_id)s)
    UNION ALL SELECT 'change sets'
    WHERE EXISTS (SELECT FROM change_sets WHERE household_id <> %(household_id)s)
    UNION ALL SELECT 'changes'
    WHERE EXISTS (SELECT FROM field_changes WHERE household_id <> %(household_id)s)
    UNION ALL SELECT 'connections'
    WHERE EXISTS (SELECT FROM items WHERE household_id <> %(household_id)s)
    UNION ALL SELECT 'imports'
    WHERE EXISTS (SELECT FROM imports WHERE household_id <> %(household_id)s)
    UNION ALL SELECT 'balances'
    WHERE EXISTS (SELECT FROM balance_anchors WHERE household_id <> %(household_id)s)
    UNION ALL SELECT 'totals'
    WHERE EXISTS (SELECT FROM daily_totals WHERE household_id <> %(household_id)s)
    UNION ALL SELECT 'households'
    WHERE EXISTS (SELECT FROM households WHERE id <> %(household_id)s)
) AS seen
""",
        "Stop the program. Row-level security is off or wrong; see the checks of the database.",
    ),
    Check(
        "views",
        "Totals of days are the sums of their rows",
        """
WITH days AS (
    SELECT date, account_id,
           coalesce(category_id, '00000000-0000-0000-0000-000000000000') AS category_id,
           currency, pending, sum(greatest(amount, 0)) AS money_in,
           sum(least(amount, 0)) AS money_out, count(*) AS count
    FROM transactions WHERE household_id = %(household_id)s AND is_live
    GROUP BY 1, 2, 3, 4, 5
)
SELECT format('%%s, account %%s: %%s in and %%s out, the rows come to %%s and %%s',
              date, account_id,
              coalesce(total.money_in, 0), coalesce(total.money_out, 0),
              coalesce(days.money_in, 0), coalesce(days.money_out, 0))
FROM days
FULL JOIN (SELECT * FROM daily_totals WHERE household_id = %(household_id)s) AS total
    USING (date, account_id, category_id, currency, pending)
WHERE (total.money_in, total.money_out, total.count)
      IS DISTINCT FROM (days.money_in, days.money_out, days.count)
""",
        "Run `fintech replay` to see whether rows or totals are wrong.",
    ),
    Check(
        "views",
        "Totals of months are the sums of their days",
        """
WITH months AS (
    SELECT date_trunc('month', date)::date AS month, account_id, category_id, currency, pending,
           sum(money_in) AS money_in, sum(money_out) AS money_out, sum(count) AS count
    FROM daily_totals WHERE household_id = %(household_id)s
    GROUP BY 1, 2, 3, 4, 5
)
SELECT format('%%s, account %%s: %%s in and %%s out, the days come to %%s and %%s',
              month, account_id,
              coalesce(total.money_in, 0), coalesce(total.money_out, 0),
              coalesce(months.money_in, 0), coalesce(months.money_out, 0))
FROM months
FULL JOIN (SELECT * FROM monthly_totals WHERE household_id = %(household_id)s) AS total
    USING (month, account_id, category_id, currency, pending)
WHERE (total.money_in, total.money_out, total.count)
      IS DISTINCT FROM (months.money_in, months.money_out, months.count)
""",
        "Run `fintech replay` to see whether rows or totals are wrong.",
    ),
    Check(
        "audit",
        "The audit trail is a whole chain, and its events are what was written",
        """
WITH shortened AS (
    SELECT max((details ->> 'before')::timestamptz) AS before FROM audit_events
    WHERE household_id = %(household_id)s AND action = 'audit.shortened'
), chain AS (
    SELECT sequence, event_id, hash, linked_at,
           coalesce(lag(hash) OVER (ORDER BY sequence), '') AS previous,
           coalesce(lag(sequence) OVER (ORDER BY sequence), 0) + 1 AS expected
    FROM audit_links WHERE household_id = %(household_id)s
)
SELECT CASE
    WHEN chain.sequence IS NULL
        THEN format('event %%s (%%s) has no number: it was written beside the program',
                    event.id, event.action)
    WHEN event.id IS NULL THEN format('number %%s: event %%s was deleted', sequence, event_id)
    WHEN sequence <> expected THEN format('numbers %%s to %%s are gone', expected, sequence - 1)
    ELSE format('number %%s: event %%s (%%s) was changed or moved',
                sequence, event_id, event.action)
    END
FROM chain
FULL JOIN (SELECT * FROM audit_events WHERE household_id = %(household_id)s) AS event
    ON event.id = chain.event_id
WHERE chain.sequence IS NULL OR sequence <> expected
   OR event.id IS NULL AND linked_at >= coalesce((SELECT before FROM shortened), '-infinity')
   OR event.id IS NOT NULL AND hash <> sha256(previous || convert_to(jsonb_build_array(
          1, event.household_id, sequence, event.id, extract(epoch FROM event.at),
          event.actor_user_id, event.session_id, event.address, event.action,
          event.object_id, event.details
      )::text, 'UTF8'))
ORDER BY sequence
""",
        "Somebody wrote to the trail by hand. Compare it with a backup, and ask who could.",
    ),
)

TRIGGERS = (
    "audit_events.link_audit_event",
    "transactions.lock_household_ledger",
    "transactions.keep_daily_totals_insert",
    "transactions.keep_daily_totals_update",
    "transactions.keep_daily_totals_delete",
    "transactions.keep_field_changes",
    "transactions.keep_stand_ins",
    "daily_totals.keep_monthly_totals_insert",
    "daily_totals.keep_monthly_totals_update",
    "daily_totals.keep_monthly_totals_delete",
    "households.forget_totals",
)
_MIGRATE = "Somebody changed the schema by hand. Compare it with a new database; see the guide."

OF_DATABASE = (
    Check(
        "I7",
        "Row-level security is on and forced for every table",
        """
SELECT format('%%s: not %%s', c.relname,
              CASE WHEN c.relrowsecurity THEN 'forced' ELSE 'enabled' END)
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition AND c.relname <> 'alembic_version'
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
""",
        "Stop the program, then ALTER TABLE … ENABLE and FORCE ROW LEVEL SECURITY.",
    ),
    Check(
        "I7",
        "Every owned table has its wall, and no other door",
        """
WITH owned AS (
    SELECT c.relname AS name,
           CASE c.relname WHEN 'households' THEN 'id' ELSE 'household_id' END AS owner
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition
      AND c.relname NOT IN ('user_sessions', 'api_tokens', 'webhooks')
      AND (c.relname = 'households' OR EXISTS (
          SELECT FROM pg_attribute AS a
          WHERE a.attrelid = c.oid AND a.attname = 'household_id' AND NOT a.attisdropped))
)
SELECT format('%%s: the tenant policy is missing or another one', owned.name)
FROM owned
LEFT JOIN pg_policies AS policy
  ON policy.schemaname = 'public' AND policy.tablename = owned.name
 AND policy.roles = '{fintech_tenant}' AND policy.cmd = 'ALL'
 AND policy.qual = policy.with_check
 AND policy.qual LIKE '(' || owned.owner || ' = ( SELECT (current_setting(''app.household_id''%%'
 AND policy.qual NOT LIKE '%% OR %%'
WHERE policy.policyname IS NULL
UNION ALL
SELECT format('%%s: the policy %%s lets more in', tablename, policyname)
FROM pg_policies
WHERE schemaname = 'public' AND permissive = 'PERMISSIVE'
  AND (policyname, roles) NOT IN (('tenant', '{fintech_tenant}'), ('system', '{fintech_system}'))
  AND NOT (policyname = 'guest' AND roles = '{fintech_guest}' AND cmd = 'SELECT'
           AND qual LIKE '((household_id = ( SELECT (current_setting(''app.household_id''%%'
           AND (qual LIKE '%% FROM account_shares)%%' OR qual LIKE '%%''app.guest_id''%%'
                OR tablename IN ('categories', 'items'))
           AND qual NOT LIKE '%% OR %%')
UNION ALL
SELECT format('%%s: a guest may more than read what is shared of it', c.relname)
FROM pg_class AS c
JOIN pg_roles AS guest ON guest.rolname = 'fintech_guest'
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (has_any_column_privilege(guest.oid, c.oid, 'INSERT, UPDATE')
       OR has_table_privilege(guest.oid, c.oid, 'DELETE, TRUNCATE')
       OR has_any_column_privilege(guest.oid, c.oid, 'SELECT') AND c.relname NOT IN (
           SELECT tablename FROM pg_policies
           WHERE schemaname = 'public' AND roles = '{fintech_guest}')
       OR CASE c.relname WHEN 'items'
          THEN has_column_privilege(guest.oid, c.oid, 'access_token', 'SELECT') END)
UNION ALL
SELECT format('%%s: a tenant reaches this partition past its table', c.relname)
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relispartition AND c.relkind IN ('r', 'p')
  AND has_table_privilege('fintech_tenant', c.oid, 'SELECT, INSERT, UPDATE, DELETE')
""",
        "Stop the program. " + _MIGRATE,
    ),
    Check(
        "I7",
        "The roles of the program cannot step over the wall",
        """
SELECT format('%%s may %%s', rolname,
              CASE WHEN rolsuper THEN 'do everything' ELSE 'bypass row-level security' END)
FROM pg_roles
WHERE rolname IN ('fintech_tenant', 'fintech_system', 'fintech_guest')
  AND (rolsuper OR rolbypassrls)
UNION ALL
SELECT format('%%s is a member of %%s', member.rolname, role.rolname)
FROM pg_auth_members AS am
JOIN pg_roles AS member ON member.oid = am.member
JOIN pg_roles AS role ON role.oid = am.roleid
WHERE member.rolname IN ('fintech_tenant', 'fintech_system', 'fintech_guest')
UNION ALL
SELECT format('the role %%s does not exist', wanted.name)
FROM (VALUES ('fintech_tenant'), ('fintech_system'), ('fintech_guest')) AS wanted (name)
WHERE wanted.name NOT IN (SELECT rolname FROM pg_roles)
""",
        "ALTER ROLE … NOSUPERUSER NOBYPASSRLS, or REVOKE the membership.",
    ),
    Check(
        "I6",
        "The journal, the history and the audit trail can be appended to, not rewritten",
        """
SELECT format('a tenant may %%s %%s', lower(privilege), name)
FROM (VALUES ('journal_pages', 'UPDATE'), ('journal_pages', 'DELETE'),
             ('journal_pages', 'TRUNCATE'), ('field_changes', 'DELETE'),
             ('field_changes', 'TRUNCATE'), ('change_sets', 'DELETE'),
             ('change_sets', 'TRUNCATE'), ('audit_events', 'UPDATE'),
             ('audit_events', 'DELETE'), ('audit_events', 'TRUNCATE'),
             ('audit_links', 'UPDATE'), ('audit_links', 'DELETE'), ('audit_links', 'TRUNCATE'))
     AS forbidden (name, privilege)
WHERE has_table_privilege('fintech_tenant', 'public.' || name, privilege)
""",
        "REVOKE it from fintech_tenant.",
    ),
    Check(
        "views",
        "All triggers are there and enabled",
        """
SELECT format('%%s is not there', wanted.name)
FROM unnest(%(triggers)s::text[]) AS wanted (name)
WHERE wanted.name NOT IN (
    SELECT tgrelid::regclass || '.' || tgname FROM pg_trigger WHERE NOT tgisinternal)
UNION ALL
SELECT format('%%s.%%s is disabled', tgrelid::regclass, tgname)
FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND tgenabled NOT IN ('O', 'A')
""",
        "ALTER TABLE … ENABLE TRIGGER …, then run this again: what was written meanwhile shows.",
    ),
    Check(
        "I2",
        "All constraints are valid, all indexes usable",
        """
SELECT format('%%s of %%s was never validated', conname, conrelid::regclass)
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND NOT convalidated
UNION ALL
SELECT format('%%s is not usable', indexrelid::regclass)
FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT (indisvalid AND indisready AND indislive)
UNION ALL
SELECT 'the unique index of the sources'' ids is missing'
WHERE NOT EXISTS (SELECT FROM pg_index
                  WHERE indexrelid = to_regclass('uq_transactions_source') AND indisunique)
""",
        "ALTER TABLE … VALIDATE CONSTRAINT …, or REINDEX INDEX …",
    ),
)


_PAGES = """
SELECT id FROM journal_pages
WHERE household_id = %(household_id)s
ORDER BY random() LIMIT %(limit)s
"""


def some_pages(session: Session, household_id: UUID, *, limit: int | None) -> list[UUID]:
    """Return pages of the journal, in no order; all of them without a limit."""
    with driver(session).cursor() as cursor:
        parameters = {"household_id": household_id, "limit": limit}
        return [row[0] for row in cursor.execute(_PAGES.encode(), parameters)]


def find(session: Session, check: Check, household_id: UUID | None = None) -> tuple[int, list[str]]:
    """Return how much a check finds, and the first findings in words."""
    parameters = {"household_id": household_id, "triggers": list(TRIGGERS)}
    statement = f"SELECT found, count(*) OVER () FROM ({check.sql}) AS f (found) LIMIT %(limit)s"  # noqa: S608  # rule: our own text
    with driver(session).cursor() as cursor:
        rows = cursor.execute(statement.encode(), parameters | {"limit": FINDINGS_SHOWN}).fetchall()
    return (rows[0][1] if rows else 0), [row[0] for row in rows]
