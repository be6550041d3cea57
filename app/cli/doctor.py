"""`fintech doctor`: is everything there that the program needs, and how to mend what is not."""

import contextlib
import datetime as dt
import importlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import psycopg
import redis
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from app.cli import doctor_servers as servers
from app.cli import environment
from app.cli.api import Api, ApiError
from app.cli.backups_folder import backups_folder
from app.cli.findings import CONNECT_SECONDS_MAX, Finding, Problem, Warned, connected
from app.cli.migrations import ROOT
from app.core import clock
from app.core.backups import shelf
from app.core.embedded import default_home

if TYPE_CHECKING:
    from app.core.config import Settings

POSTGRESQL_MAJORS = range(15, 19)
FREE_BYTES_MIN = 1_000_000_000
CLOCK_SKEW_SECONDS_MAX = 2.0
PROVIDER_SECONDS_MAX = 10.0
BACKUP_AGE_MAX = dt.timedelta(hours=26)
CHECK_AGE_MAX = dt.timedelta(days=31)
ROLES = ("fintech_tenant", "fintech_system", "fintech_guest")
NEEDS = {"workers": "broker"} | dict.fromkeys(
    ("pooler", "replica", "isolation", "migrations", "clock"), "database"
)
"""Checks that are left out where another one found something wrong."""


@click.command("doctor")
def command() -> None:
    """Check what the program needs; the exit status is 1 when something is wrong."""
    findings = list(examine())
    for finding in findings:
        word, colour = ("OK     ", "green") if finding.is_ok else ("PROBLEM", "red")
        if finding.is_warning:
            word, colour = "WARNING", "yellow"
        click.echo(f"{click.style(word, fg=colour)}  {finding.subject:<11} {finding.text}")
        if finding.remedy:
            click.echo(f"         {'':<11} -> {finding.remedy}")
    if not all(finding.is_ok for finding in findings):
        raise SystemExit(1)


def examine() -> Iterator[Finding]:
    """Make all checks, one after the other; those that need what is broken are left out."""
    try:
        settings: Settings = importlib.import_module("app.core.config").settings
    except ValueError as error:
        yield Finding(
            "settings",
            is_ok=False,
            text=environment.explain(error),
            remedy="start with `fintech up`, or set these in the environment or in .env "
            "(.env.example explains each)",
        )
        return
    yield Finding("settings", is_ok=True, text=f"complete, for {settings.APP_ENV}")
    checks: dict[str, Callable[[Settings], str]] = {
        "keys": check_keys,
        "database": check_database,
        **servers.wanted(settings),
        "isolation": check_isolation,
        "migrations": check_migrations,
        "clock": check_clock,
        "broker": check_broker,
        "workers": servers.check_workers,
        "provider": check_provider,
        "model": servers.check_model,
        "pages": check_pages,
        "disk": check_disk,
        "backups": check_backups,
    }
    broken: set[str] = set()
    for subject, check in checks.items():
        if NEEDS.get(subject) in broken:
            continue
        finding = _run(subject, check, settings)
        if not finding.is_ok:
            broken.add(subject)
        yield finding


def _run(subject: str, check: "Callable[[Settings], str]", settings: "Settings") -> Finding:
    try:
        return Finding(subject, is_ok=True, text=check(settings))
    except Warned as warned:
        return Finding(subject, is_ok=True, text=warned.text, remedy=warned.remedy, is_warning=True)
    except Problem as problem:
        return Finding(subject, is_ok=False, text=problem.text, remedy=problem.remedy)


def check_keys(settings: "Settings") -> str:
    """Say whether secrets are strong enough to keep people's bank access behind them."""
    secret = settings.SECRET_KEY.get_secret_value()
    make = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
    if len(secret.encode()) < 32 or len(set(secret)) < 10:
        raise Problem("SECRET_KEY can be guessed", f"set it to the output of: {make}")
    keys = importlib.import_module("app.core.config").parse_keys(
        settings.ENCRYPTION_KEYS.get_secret_value()
    )
    if not keys:
        raise Problem(
            "ENCRYPTION_KEYS is empty, so that changing SECRET_KEY would lose all bank access",
            "set it to k1:BASE64, with BASE64 from: openssl rand -base64 32",
        )
    return f"SECRET_KEY is strong; {len(keys)} encryption key(s), newest {next(iter(keys))}"


def check_database(settings: "Settings") -> str:
    """Say whether PostgreSQL answers and is of a supported version."""
    with connected(settings.DATABASE_URL.get_secret_value()) as connection:
        number = connection.info.server_version
    version = f"PostgreSQL {number // 10_000}.{number % 10_000}"
    if number // 10_000 not in POSTGRESQL_MAJORS:
        raise Problem(f"{version} is not supported", "use PostgreSQL 15, 16, 17 or 18")
    return f"{version} answers"


def check_isolation(settings: "Settings") -> str:
    """Say whether row-level security binds: roles, our membership, and every owned table."""
    with connected(settings.DATABASE_URL.get_secret_value()) as connection:
        for role in ROLES:
            row = connection.execute(
                "SELECT rolsuper OR rolbypassrls, pg_has_role(current_user, oid, 'MEMBER')"
                " FROM pg_roles WHERE rolname = %s",
                [role],
            ).fetchone()
            if row is None:
                raise Problem(f"the role {role} is missing", "run: alembic upgrade head")
            if row[0]:
                raise Problem(
                    f"the role {role} passes row-level security by",
                    f"run as a superuser: ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS",
                )
            if not row[1]:
                raise Problem(
                    f"this login may not act as {role}",
                    f"run as a superuser: GRANT {role} TO the user of DATABASE_URL",
                )
        unguarded = connection.execute(_UNGUARDED).fetchall()
        guarded = connection.execute(_GUARDED_COUNT).fetchone()
    if unguarded:
        names = ", ".join(str(name) for (name,) in unguarded)
        raise Problem(
            f"row-level security is not forced on: {names}",
            "run: alembic upgrade head; if it stays so, restore the schema",
        )
    assert guarded is not None
    return f"row-level security is forced on {guarded[0]} tables"


# Partitions are reached through their parent, whose policy applies.
_OWNED = """
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE attname = 'household_id' AND NOT attisdropped AND relkind IN ('r', 'p')
      AND NOT relispartition AND relnamespace = 'public'::regnamespace
"""
_UNGUARDED = (
    f"SELECT relname {_OWNED} AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname"
)
_GUARDED_COUNT = f"SELECT count(*) {_OWNED} AND relrowsecurity AND relforcerowsecurity"


def check_migrations(settings: "Settings") -> str:
    """Say whether the database is at the newest migration of this checkout."""
    heads = set(ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_heads())
    with connected(settings.DATABASE_URL.get_secret_value()) as connection:
        try:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except psycopg.errors.UndefinedTable:
            rows = []
    found = {version for (version,) in rows}
    if found != heads:
        raise Problem(
            f"the database is at {', '.join(sorted(found)) or 'nothing'}, "
            f"this program needs {', '.join(sorted(heads))}",
            "run: alembic upgrade head",
        )
    return f"at the newest, {', '.join(sorted(heads))}"


def check_clock(settings: "Settings") -> str:
    """Say whether this machine and the database agree on the time."""
    with connected(settings.DATABASE_URL.get_secret_value()) as connection:
        before = time.time()
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        after = time.time()
    assert row is not None
    theirs: dt.datetime = row[0]
    skew = abs(theirs.timestamp() - (before + after) / 2)
    if skew > CLOCK_SKEW_SECONDS_MAX:
        raise Problem(
            f"this machine and the database differ by {skew:.1f} s",
            "let both take the time from NTP: timedatectl set-ntp true",
        )
    return f"differs from the database's by {skew * 1000:.0f} ms"


def check_broker(settings: "Settings") -> str:
    """Say whether the broker answers to our password and takes jobs."""
    client: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL.get_secret_value(),
        socket_timeout=CONNECT_SECONDS_MAX,
        socket_connect_timeout=CONNECT_SECONDS_MAX,
    )
    try:
        with client:
            server: Any = client.info("server")
            memory: Any = client.info("memory")
    except redis.RedisError as error:
        raise Problem(
            f"does not answer: {error}",
            "start it (`fintech up` starts an embedded one), or correct REDIS_URL",
        ) from None
    if memory["maxmemory_policy"] != "noeviction":
        raise Problem(
            f"may throw jobs away when memory is short ({memory['maxmemory_policy']})",
            "set: CONFIG SET maxmemory-policy noeviction",
        )
    if "valkey_version" in server:
        return f"Valkey {server['valkey_version']} answers"
    return f"Redis {server['redis_version']} answers"


def check_provider(settings: "Settings") -> str:
    """Say whether the bank data provider can be reached from here, and takes our keys."""
    address = settings.plaid_url
    name = "the bank simulator" if settings.PLAID_BASE_URL else f"Plaid ({settings.PLAID_ENV})"
    if not settings.PLAID_CLIENT_ID:
        raise Warned(
            "no Plaid keys are set: people connect banks with SimpleFIN alone",
            "set PLAID_CLIENT_ID and PLAID_SECRET, or use `fintech up`, which simulates a bank",
        )
    try:
        Api(address, timeout_seconds=PROVIDER_SECONDS_MAX).post(
            "/institutions/get",
            {
                "client_id": settings.PLAID_CLIENT_ID,
                "secret": settings.PLAID_SECRET.get_secret_value(),
                "country_codes": ["US"],
                "count": 1,
                "offset": 0,
            },
        )
    except ApiError as error:
        if not error.status:
            remedy = (
                "start it with `fintech up`"
                if settings.PLAID_BASE_URL
                else f"let this machine reach {urlsplit(address).hostname} on port 443"
            )
            raise Problem(f"{name} does not answer: {error}", remedy) from None
        if error.code == "INVALID_API_KEYS":
            raise Problem(
                f"{name} refuses our keys",
                "correct PLAID_CLIENT_ID or PLAID_SECRET: each PLAID_ENV has a secret of its own",
            ) from None
        # A limit or an outage: it is there, and syncs try again by themselves.
    return f"{name} answers at {address}"


def check_pages(settings: "Settings") -> str:
    """Say whether the program answers where people are told to open it."""
    try:
        Api(settings.PUBLIC_URL, timeout_seconds=PROVIDER_SECONDS_MAX).get("/health")
    except ApiError as error:
        raise Problem(str(error), "start it with `fintech up`, or correct PUBLIC_URL") from None
    return f"healthy at {settings.PUBLIC_URL}"


def check_disk(_settings: "Settings") -> str:
    """Say whether there is room for data, logs and backups where the home is."""
    home = default_home()
    existing = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(Path(existing)).free
    if free < FREE_BYTES_MIN:
        raise Problem(
            f"only {free / 1e6:,.0f} MB are free at {existing}",
            f"make room, or move the home to a larger disk and set FINTECH_HOME (now {home})",
        )
    return f"{free / 1e9:,.0f} GB free at {existing}"


def check_backups(_settings: "Settings") -> str:
    """Say how old the last backup is, and whether it was ever restored to see."""
    found = _remembered_backups()
    if "backup" not in found:
        raise Warned(f"none was made in {backups_folder()}", "run each day: fintech backup")
    last, _ = found["backup"]
    age = clock.now() - last
    if age > BACKUP_AGE_MAX:
        raise Warned(f"the last one is of {last:%Y-%m-%d %H:%M} UTC", "run: fintech backup")
    if "check" not in found:
        raise Warned("the last one was never restored to see", "run: fintech restore --check")
    checked, is_ok = found["check"]
    if not is_ok:
        raise Warned(
            f"the check of {checked:%Y-%m-%d %H:%M} UTC failed",
            "run: fintech restore --check; it says why",
        )
    if clock.now() - checked > CHECK_AGE_MAX:
        raise Warned(
            f"none was checked since {checked:%Y-%m-%d %H:%M} UTC", "run: fintech restore --check"
        )
    hours = age.total_seconds() / 3600
    return f"the last one is {hours:.0f} hours old; checked {checked:%Y-%m-%d %H:%M} UTC"


def _remembered_backups() -> dict[str, tuple[dt.datetime, bool]]:
    """Return when the last backup and check were, and whether they went well.

    Where another container makes them, the database knows and the folder here does not; where
    the database is away, or of before it knew, the folder does.
    """
    folder = backups_folder()
    found = {
        kind: (at, bool(shelf.recorded(folder)[kind].get("is_ok", True)))
        for kind in ("backup", "check")
        if (at := shelf.recorded_at(folder, kind))
    }
    with contextlib.suppress(SQLAlchemyError):
        for kind, each in importlib.import_module("app.features.operations.backups").last().items():
            found[kind] = max(found.get(kind, (each.at, each.is_ok)), (each.at, each.is_ok))
    return found
