"""The doctor finds what is wrong, and says how to mend it."""

import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from app.cli import doctor, doctor_servers
from app.cli.findings import Problem, Warned
from app.core import certificate, clock, language_model, mail
from app.core.config import Settings, settings
from app.core.embedded import ports
from tests.features.notices.mailbox import open_mailbox
from tests.providers import language_model as model
from tests.providers.local_server import Answer, as_json, html, local_server, plaid_error, raw

STRONG = "ZpW4mQ7xv2LhT9kR8sYdB3nCfG6jEaUu0oNi1tKe"
ROOT = Path(__file__).parents[2]
WORKER_SECONDS_MAX = 60
KEY = "k1:" + "A" * 43 + "="


def changed(**values: str) -> Settings:
    """Return the settings of this session with some replaced, unchecked."""
    return settings.model_copy(
        update={
            name: SecretStr(value) if isinstance(getattr(settings, name), SecretStr) else value
            for name, value in values.items()
        }
    )


@pytest.fixture
def empty_database() -> Iterator[str]:
    """Give the URL of a database without our tables."""
    url = settings.DATABASE_URL.get_secret_value()
    name = sql.Identifier(f"doctor_{os.getpid()}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            yield urlsplit(url)._replace(path=f"/doctor_{os.getpid()}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_a_migrated_database_is_well() -> None:
    assert doctor.check_database(settings).startswith("PostgreSQL 1")
    assert "forced on" in doctor.check_isolation(settings)
    assert doctor.check_migrations(settings).startswith("at the newest")
    assert "differs" in doctor.check_clock(settings)


def test_the_broker_answers() -> None:
    assert doctor.check_broker(settings).startswith(("Valkey", "Redis"))


def test_a_queue_that_no_worker_takes_is_named(tmp_path: Path) -> None:
    # A number of its own at the broker: workers of other tests are not heard there.
    broker = urlsplit(settings.REDIS_URL.get_secret_value())._replace(path="/9").geturl()
    environment = {**os.environ, "REDIS_URL": broker}
    command = [
        sys.executable, "-m", "celery", "-A", "app.tasks", "worker", "--pool=threads",
        "--concurrency=1", "--queues=celery", f"--hostname={os.getpid()}@doctor",
    ]  # fmt: skip
    worker = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + WORKER_SECONDS_MAX
        found = "PROBLEM  workers     none takes from the queue celery or sync"
        while "celery or sync" in found and time.monotonic() < until:
            found = workers_line(environment, tmp_path)
    finally:
        worker.terminate()
        worker.wait(30)

    assert found == "PROBLEM  workers     none takes from the queue sync"


def workers_line(environment: dict[str, str], folder: Path) -> str:
    """Return what the doctor says of the workers."""
    program = Path(sys.executable).with_name("fintech")
    done = subprocess.run(
        [program, "doctor"], env={**environment, "FINTECH_HOME": str(folder)}, cwd=ROOT,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return next(line for line in done.stdout.splitlines() if " workers " in line)


def test_servers_that_do_not_answer_are_named_with_the_setting_to_correct() -> None:
    port = ports.find_free()
    absent = changed(
        DATABASE_URL=f"postgresql://x@127.0.0.1:{port}/x", REDIS_URL=f"redis://127.0.0.1:{port}/0",
        PLAID_BASE_URL=f"http://127.0.0.1:{port}", PLAID_CLIENT_ID="x",
        PUBLIC_URL=f"http://127.0.0.1:{port}",
    )  # fmt: skip
    for check, remedy in (
        (doctor.check_database, "DATABASE_URL"),
        (doctor.check_broker, "REDIS_URL"),
        (doctor.check_provider, "fintech up"),
        (doctor.check_pages, "PUBLIC_URL"),
    ):
        with pytest.raises(Problem, match="does not answer") as caught:
            check(absent)
        assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("code", "expected"), [("INVALID_API_KEYS", "refuses our keys"), ("PLANNED_MAINTENANCE", "")]
)
def test_keys_that_the_provider_does_not_take_are_told_from_an_outage(
    code: str, expected: str
) -> None:
    with local_server() as plaid:
        plaid.answers = [plaid_error("INVALID_INPUT", code)]
        asked = changed(PLAID_BASE_URL=plaid.url, PLAID_CLIENT_ID="ours", PLAID_SECRET="theirs")
        if expected:
            with pytest.raises(Problem, match=expected) as caught:
                doctor.check_provider(asked)
            assert "PLAID_SECRET" in caught.value.remedy
        else:
            assert "answers at" in doctor.check_provider(asked)

    [request] = plaid.requests
    assert (request.json["client_id"], request.json["secret"]) == ("ours", "theirs")


def test_a_database_without_migrations_is_told_to_migrate(empty_database: str) -> None:
    with pytest.raises(Problem, match="the database is at nothing") as caught:
        doctor.check_migrations(changed(DATABASE_URL=empty_database))
    assert caught.value.remedy == "run: alembic upgrade head"


def test_an_owned_table_without_forced_security_is_named(empty_database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE open_door (household_id uuid)")
        connection.execute("ALTER TABLE open_door ENABLE ROW LEVEL SECURITY")
    with pytest.raises(Problem, match="not forced on: open_door"):
        doctor.check_isolation(changed(DATABASE_URL=empty_database))


def test_a_clock_that_runs_away_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CLOCK_SKEW_SECONDS_MAX", -1.0)
    with pytest.raises(Problem, match=r"differ by 0\.0 s") as caught:
        doctor.check_clock(settings)
    assert "NTP" in caught.value.remedy


def test_a_full_disk_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_BYTES_MIN", 10**18)
    with pytest.raises(Problem, match="MB are free") as caught:
        doctor.check_disk(settings)
    assert "FINTECH_HOME" in caught.value.remedy


@pytest.mark.parametrize(
    ("secret", "keys", "expected"),
    [
        ("short", KEY, "SECRET_KEY can be guessed"),
        ("a" * 64, KEY, "SECRET_KEY can be guessed"),
        (STRONG, "", "ENCRYPTION_KEYS is empty"),
    ],
)
def test_weak_keys_are_noticed(secret: str, keys: str, expected: str) -> None:
    with pytest.raises(Problem, match=expected):
        doctor.check_keys(changed(SECRET_KEY=secret, ENCRYPTION_KEYS=keys))


def test_strong_keys_are_well() -> None:
    assert "k1" in doctor.check_keys(changed(SECRET_KEY=STRONG, ENCRYPTION_KEYS=KEY))


def test_missing_settings_are_listed_and_end_with_a_status(tmp_path) -> None:  # type: ignore[no-untyped-def]
    bare = {"PATH": os.environ["PATH"], "FINTECH_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", "doctor"],
        cwd=tmp_path, env=bare, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "DATABASE_URL: Field required" in result.stdout
    assert "fintech up" in result.stdout


def test_a_command_without_settings_says_what_to_start(tmp_path) -> None:  # type: ignore[no-untyped-def]
    bare = {"PATH": os.environ["PATH"], "FINTECH_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", "user", "create", "a@b.example"],
        cwd=tmp_path, env=bare, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "fintech up" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_lost_database_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ports.find_free()
    absent = changed(DATABASE_URL=f"postgresql://x@127.0.0.1:{port}/x")
    monkeypatch.setattr("app.core.config.settings", absent)

    subjects = [each.subject for each in doctor.examine()]

    assert "database" in subjects
    assert not {each for each in subjects if doctor.NEEDS.get(each) == "database"}
    assert "broker" in subjects


def test_only_servers_that_the_settings_name_are_looked_at() -> None:
    assert not doctor_servers.wanted(settings)
    named = Settings(
        DATABASE_POOLER_URL="postgresql://pooler:6432",
        DATABASE_REPLICA_URL="postgresql://replica:5432",
        SMTP_URL=SecretStr("smtps://mail.example"),
        PUBLIC_URL="https://money.example",
    )
    assert [*doctor_servers.wanted(named)] == ["pooler", "replica", "mail", "certificate"]


def place(url: str) -> str:
    """Return an address without login and database, as settings name poolers and replicas."""
    parts = urlsplit(url)
    return f"postgresql://{parts.hostname}:{parts.port}"


def test_a_pooler_that_leads_to_the_database_is_well() -> None:
    url = place(settings.DATABASE_URL.get_secret_value())
    assert "leads to the database" in doctor_servers.check_pooler(Settings(DATABASE_POOLER_URL=url))


def test_a_pooler_that_is_away_is_a_problem_and_a_replica_a_warning() -> None:
    away = f"postgresql://127.0.0.1:{ports.find_free()}"
    with pytest.raises(Problem, match="does not answer") as caught:
        doctor_servers.check_pooler(Settings(DATABASE_POOLER_URL=away))
    assert "DATABASE_POOLER_URL" in caught.value.remedy
    with pytest.raises(Warned, match="does not answer") as warned:
        doctor_servers.check_replica(Settings(DATABASE_REPLICA_URL=away))
    assert "reports read the database so far" in warned.value.remedy


def test_a_replica_that_takes_writes_is_none() -> None:
    url = place(settings.DATABASE_URL.get_secret_value())
    with pytest.raises(Warned, match="is no replica: it takes writes"):
        doctor_servers.check_replica(Settings(DATABASE_REPLICA_URL=url))


def test_a_mail_server_is_spoken_with_and_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_mailbox() as mailbox:
        url = f"smtp+plain://127.0.0.1:{mailbox.port}"
        monkeypatch.setattr(mail, "settings", changed(SMTP_URL=url))
        assert "lets us in" in doctor_servers.check_mail(settings)
    assert not mailbox.messages
    with pytest.raises(Warned, match="ConnectionRefusedError") as warned:
        doctor_servers.check_mail(settings)
    assert "SMTP_URL" in warned.value.remedy


def test_no_language_model_is_no_problem() -> None:
    assert doctor_servers.check_model(settings) == "none is set, so nobody is asked"


def test_a_language_model_is_looked_for_and_asked_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with model.running(monkeypatch) as server:
        assert "answers, and has small-model" in doctor_servers.check_model(language_model.settings)
        assert [request.path for request in server.requests] == ["/v1/models"]


@pytest.mark.parametrize(
    ("answer", "expected", "remedy"),
    [
        (model.refusal(401), "refuses our key", "OPENAI_API_KEY"),
        (model.refusal(404), "does not take our question", "OPENAI_BASE_URL"),
        (html(502), "in trouble", "OPENAI_BASE_URL"),
        (raw(b"{}"), "cannot be read", "OPENAI_BASE_URL"),
        (as_json({"data": [{"id": "big\x1b[31m"}]}), "no model small-model", "OPENAI_MODEL: big["),
        (as_json({"data": []}), "no model small-model", "OPENAI_MODEL: one that it has"),
    ],
)  # fmt: skip
def test_a_language_model_that_will_not_do_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, expected: str, remedy: str
) -> None:
    with model.running(monkeypatch) as server:
        server.routes["/v1/models"] = answer
        with pytest.raises(Warned, match=expected) as warned:
            doctor_servers.check_model(language_model.settings)
    assert remedy in warned.value.remedy
    assert model.KEY not in warned.value.text + warned.value.remedy


def test_a_language_model_that_is_away_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    model.use(monkeypatch, base_url=f"http://127.0.0.1:{ports.find_free()}/v1")
    with pytest.raises(Warned, match="no connection") as warned:
        doctor_servers.check_model(language_model.settings)
    assert "OPENAI_BASE_URL" in warned.value.remedy


@pytest.mark.parametrize(
    ("days", "kind", "expected"),
    [(90, None, "good for 89 days"), (5, Warned, "ends in 4 days"), (-3, Problem, "ended 3 days")],
)
def test_a_certificate_is_told_by_what_is_left_of_it(
    monkeypatch: pytest.MonkeyPatch, days: int, kind: type[Problem] | None, expected: str
) -> None:
    end = clock.now() + dt.timedelta(days=days)
    monkeypatch.setattr(certificate, "read_end", lambda _url: end)
    if kind is None:
        assert doctor_servers.check_certificate(settings) == expected
        return
    with pytest.raises(kind, match=expected):
        doctor_servers.check_certificate(settings)


def test_a_certificate_that_nobody_shows_is_a_warning_with_the_command_to_ask() -> None:
    nowhere = Settings(PUBLIC_URL=f"https://127.0.0.1:{ports.find_free()}")
    with pytest.raises(Warned, match="none was shown") as warned:
        doctor_servers.check_certificate(nowhere)
    assert "openssl s_client" in warned.value.remedy
