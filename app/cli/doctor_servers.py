"""The doctor's checks of servers that an installation may have, such as pooler, mail or model."""

import datetime as dt
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg

from app.cli.findings import Problem, Warned, connected
from app.core import certificate, clock

if TYPE_CHECKING:
    from app.core.config import Settings

Check = Callable[["Settings"], str]
_POLL_SECONDS = 0.02
WORKER_SECONDS = 2.0
"""How long workers have to answer; those that do so later count as absent."""
MODELS_SHOWN_MAX = 5


def wanted(settings: "Settings") -> dict[str, Check]:
    """Return the checks of what these settings name, by subject."""
    checks: dict[str, tuple[bool, Check]] = {
        "pooler": (bool(settings.DATABASE_POOLER_URL), check_pooler),
        "replica": (bool(settings.DATABASE_REPLICA_URL), check_replica),
        "mail": (bool(settings.SMTP_URL.get_secret_value()), check_mail),
        "certificate": (settings.is_https, check_certificate),
    }
    return {subject: check for subject, (is_wanted, check) in checks.items() if is_wanted}


def check_pooler(settings: "Settings") -> str:
    """Say whether the pooler answers, and leads to the server of DATABASE_URL."""
    started = "SELECT pg_postmaster_start_time()"
    with (
        connected(_plain(settings.pooler_url), "DATABASE_POOLER_URL") as pooled,
        connected(settings.DATABASE_URL.get_secret_value()) as direct,
    ):
        if _scalar(pooled, started) != _scalar(direct, started):
            raise Problem(
                "leads to another server than DATABASE_URL",
                "name the same server and database in the pooler's configuration",
            )
    return "answers, and leads to the database"


def check_replica(settings: "Settings") -> str:
    """Say whether the replica follows, and how far behind it is; reports do without it."""
    try:
        with (
            connected(settings.DATABASE_URL.get_secret_value()) as primary,
            connected(_plain(settings.replica_url), "DATABASE_REPLICA_URL") as replica,
        ):
            return _follows(primary, replica, settings.DATABASE_REPLICA_LAG_SECONDS_MAX)
    except Problem as problem:
        raise Warned(problem.text, f"{problem.remedy}; reports read the database so far") from None


def _follows(
    primary: "psycopg.Connection[Any]", replica: "psycopg.Connection[Any]", seconds_max: int
) -> str:
    if not _scalar(replica, "SELECT pg_is_in_recovery()"):
        raise Problem(
            "is no replica: it takes writes", "let it follow the database, or take it out"
        )
    written = _scalar(primary, "SELECT pg_current_wal_insert_lsn()")
    began = time.monotonic()
    while _scalar(replica, "SELECT pg_last_wal_replay_lsn() < %s::pg_lsn", written):
        if time.monotonic() - began > seconds_max:
            behind = "SELECT pg_size_pretty(%s::pg_lsn - pg_last_wal_replay_lsn())"
            raise Problem(
                f"is {_scalar(replica, behind, written)} behind",
                "look at its log, its disk, and for long queries on it",
            )
        time.sleep(_POLL_SECONDS)
    if _scalar(replica, "SHOW hot_standby_feedback") != "on":
        raise Problem(
            "follows, but cancels long reports while rows are cleaned up",
            "set there: hot_standby_feedback = on",
        )
    return f"follows, {(time.monotonic() - began) * 1000:.0f} ms behind; takes no writes"


def check_workers(_settings: "Settings") -> str:
    """Say how many workers answer, and whether each queue has one."""
    from app.core.celery import celery  # noqa: PLC0415 - reads the settings, maybe not complete

    answers = celery.control.inspect(timeout=WORKER_SECONDS).active_queues() or {}
    served = {queue["name"] for queues in answers.values() for queue in queues}
    left = [queue.name for queue in celery.conf.task_queues if queue.name not in served]
    if left:
        raise Problem(
            f"none takes from the queue {' or '.join(left)}",
            "start one: celery -A app.tasks worker --pool threads; what waits is kept meanwhile",
        )
    return f"{len(answers)} answer, and take every queue"


def check_mail(_settings: "Settings") -> str:
    """Say whether the mail server lets us in; nothing is sent."""
    from app.core import mail  # noqa: PLC0415 - as above

    try:
        mail.check()
    except mail.MailError as error:
        raise Warned(
            f"the server takes nothing from us: {error}",
            "correct SMTP_URL (smtps://user:password@host), or empty it; notices stand on their "
            "page meanwhile",
        ) from None
    return "the server answers and lets us in"


def check_model(settings: "Settings") -> str:
    """Say whether the language model's server takes our key; nothing is asked, nothing costs."""
    from app.core import language_model  # noqa: PLC0415 - as above
    from app.core.errors import UnavailableError  # noqa: PLC0415

    if not settings.has_language_model:
        return "none is set, so nobody is asked"
    host, model = settings.language_model_host, settings.OPENAI_MODEL
    try:
        models = language_model.list_models()
    except UnavailableError as error:
        raise Warned(
            error.message,
            "correct OPENAI_API_KEY and OPENAI_BASE_URL, or empty both; the rest works meanwhile",
        ) from None
    if not any(name in (model, f"{model}:latest") for name in models):
        few = ", ".join(sorted(models)[:MODELS_SHOWN_MAX]) or "one that it has"
        raise Warned(f"{host} answers, but has no model {model}", f"set OPENAI_MODEL: {few}")
    return f"{host} answers, and has {model}"


def check_certificate(settings: "Settings") -> str:
    """Say how long the certificate at PUBLIC_URL is still good."""
    try:
        left = certificate.read_end(settings.PUBLIC_URL) - clock.now()
    except (OSError, ValueError) as error:
        raise Warned(
            f"none was shown at {settings.PUBLIC_URL}: {error}",
            "ask from outside: openssl s_client -connect HOST:443 | openssl x509 -enddate",
        ) from None
    if left <= dt.timedelta():
        raise Problem(f"ended {(-left).days} days ago", "renew it: browsers and webhooks refuse it")
    if left < certificate.WARN_BEFORE:
        raise Warned(f"ends in {left.days} days", "renew it, and look why that did not happen")
    return f"good for {left.days} days"


def _plain(url: str) -> str:
    """Return an address without the name of SQLAlchemy's driver."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _scalar(connection: "psycopg.Connection[Any]", query: str, *values: object) -> Any:  # noqa: ANN401
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]
