"""`python -m tests.migrations.record`: write what today's program leaves in a database.

A release records itself once, as `released/REVISION.sql`, and nobody writes the file again: every
later schema must take it over (`test_upgrade.py`). The people in it are invented.
"""

import os
import subprocess
from pathlib import Path

from app.core import embedded
from app.core.embedded.postgresql import PostgreSQLServer

RELEASED = Path(__file__).parent / "released"
SECRET_KEY = "what the recorded households were sealed with"
_OPTIONS = (
    "--data-only", "--inserts", "--column-inserts", "--load-via-partition-root", "--no-comments",
    "--exclude-table=alembic_version",
)  # fmt: skip
_OTHERS = """
INSERT INTO webhooks (id, provider, signature_hash, webhook_type, webhook_code, item_source_id)
SELECT gen_random_uuid(), 'plaid', sha256(convert_to(item_source_id, 'UTF8')), 'TRANSACTIONS',
    'SYNC_UPDATES_AVAILABLE', item_source_id FROM items;
INSERT INTO rejected_rows (household_id, id, journal_page_id, reason, place, source_id)
SELECT household_id, gen_random_uuid(), id, 'The date is not a date.', 'date', 'strange'
FROM journal_pages ORDER BY id LIMIT 1;
INSERT INTO attempt_buckets (key_hash, tokens, updated_at) VALUES (sha256('x'), 3, now());
INSERT INTO audit_events (household_id, id, action) SELECT id, gen_random_uuid(), 'item.unlinked'
FROM households;
"""


def main() -> None:
    """Fill a new database through the program and dump it."""
    with embedded.temporary_home() as home, embedded.postgres(home, durable=False) as server:
        os.environ |= {
            "APP_ENV": "development",
            "DATABASE_URL": server.url("recorded"),
            "REDIS_URL": "redis://127.0.0.1:1/0",  # hints get lost
            "SECRET_KEY": SECRET_KEY,
        }
        _fill(server)
        revision = server.query("SELECT version_num FROM alembic_version", database="recorded")
        file = RELEASED / f"{revision}.sql"
        file.write_text(_dump(server), encoding="utf-8")


def _fill(server: PostgreSQLServer) -> None:
    """Leave rows in every table."""
    from app.main import app
    from tests import servers
    from tests.cast import sign_in
    from tests.factories import ledger, people
    from tests.features.connections.bank import query
    from tests.features.proof import ledgers

    servers.migrate(os.environ["DATABASE_URL"])
    ada = sign_in(app, people.person("Ada"))
    people.api_session(people.member(ada.person, "Ben"))
    ledgers.fill(ada)
    ledgers.fill_with_holdings(people.person("Cleo").household_id)
    ledger.link_session(ada.household_id, ada.user_id)
    [(account_id, *_)] = query(ada.household_id, "SELECT id FROM accounts ORDER BY id LIMIT 1")
    ledger.match(ada.household_id, account_id, description="Checking, once more")
    server.query(_OTHERS, database="recorded")


def _dump(server: PostgreSQLServer) -> str:
    """Return the rows as statements that any psql takes, without what is a server's own."""
    address = server.address("recorded")
    done = subprocess.run(
        [server.programs / "pg_dump", *_OPTIONS, address],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    kept = [line for line in done.stdout.splitlines() if line.startswith("INSERT INTO")]
    assert all(line.endswith(");") for line in kept), "a value goes over several lines"
    return "\n".join(kept) + "\n"


if __name__ == "__main__":
    main()
