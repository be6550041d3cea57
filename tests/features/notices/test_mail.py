"""A10: notices go by mail as well, from an outbox that outlives lost hints and servers."""

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select, update
from structlog.testing import capture_logs

from app.core import database, jobs, mail
from app.core.config import Settings, settings
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.notices import mailing
from app.features.users import operator, sessions
from app.features.users.sessions import Client
from app.models import Notice, NoticeMail, User
from tests.cast import Clock, SignedInBrowser
from tests.factories import ledger
from tests.factories.people import PASSWORD
from tests.features.notices.mailbox import Mailbox, open_mailbox
from tests.providers.tls import make_certificate

Use = Callable[[str], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Let mail go through a server."""

    def use_server(url: str) -> None:
        changed = settings.model_copy(update={"SMTP_URL": SecretStr(url)})
        monkeypatch.setattr(mail, "settings", changed)

    return use_server


@pytest.fixture
def mailbox(use: Use) -> Iterator[Mailbox]:
    """A server in the same network, which is used."""
    with open_mailbox() as opened:
        use(f"smtp+plain://127.0.0.1:{opened.port}")
        yield opened


def waiting(who: SignedInBrowser) -> list[NoticeMail]:
    with database.system_transaction() as session:
        statement = select(NoticeMail).where(NoticeMail.household_id == who.household_id)
        return list(session.scalars(statement))


def make_notice(who: SignedInBrowser) -> NoticeMail:
    """Let something happen that is told by mail."""
    ledger.api_token(who.household_id, who.user_id)
    return max(waiting(who), key=lambda mail: mail.notice_id)


def deliver(who: SignedInBrowser) -> None:
    for each in waiting(who):
        mailing.send(each.household_id, each.notice_id)


def test_A10_a_notice_arrives_once_and_says_what_the_page_says(
    ada: SignedInBrowser, mailbox: Mailbox
) -> None:
    sessions.sign_in_browser(ada.person.email, PASSWORD, Client("203.0.113.5", "curl/8.5.0"))
    [due] = waiting(ada)

    deliver(ada)
    mailing.send(due.household_id, due.notice_id)

    assert mailbox.recipients == [[ada.person.email]]
    [message] = mailbox.messages
    assert message["To"] == ada.person.email
    assert message["Subject"] == "[Fintech] New browser or program signed in"
    assert message["From"] == "Fintech <no-reply@localhost>"
    assert message["Message-ID"] == f"<notice.{due.notice_id}@localhost>"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_content()
    assert "From: curl850, 203.0.113.5" in text
    assert "change your password" in text
    assert "http://localhost:8000/notices" in text
    assert waiting(ada) == []
    with database.system_transaction() as session:
        notice = session.scalars(select(Notice).where(Notice.user_id == ada.user_id)).one()
        assert notice.mailed_at is not None


def test_A10_mail_holds_no_secrets_and_nothing_that_others_wrote(
    ada: SignedInBrowser, mailbox: Mailbox
) -> None:
    ada.post("/settings/profile", data={
        "name": "http://evil.example/name", "household_name": "http://evil.example/house",
        "locale": "en_US", "timezone": "UTC", "base_currency": "USD",
    })  # fmt: skip
    secrets = [
        ledger.api_token(ada.household_id, ada.user_id).token,
        operator.make_reset_link(ada.person.email).partition("token=")[2],
    ]
    program = Client("203.0.113.5", "http://evil.example/agent")
    sessions.sign_in_browser(ada.person.email, PASSWORD, program)

    deliver(ada)

    text = "".join(message.as_string() for message in mailbox.messages)
    assert len(mailbox.messages) == 3
    assert not [secret for secret in secrets if secret in text]
    assert "evil.example" not in text
    assert "reset-password" not in text


def test_A10_without_a_server_nothing_waits(ada: SignedInBrowser) -> None:
    ledger.api_token(ada.household_id, ada.user_id)

    assert waiting(ada) == []


def test_A10_a_transaction_that_fails_sends_nothing(
    ada: SignedInBrowser, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints: list[tuple[object, ...]] = []
    monkeypatch.setattr(jobs, "send", lambda *arguments: hints.append(arguments))

    def link_and_fail() -> None:
        with ada.session() as session:
            audit.record(session, ada.household_id, "item.linked", actor=Actor(ada.user_id))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        link_and_fail()
    assert (waiting(ada), hints) == ([], [])

    with ada.session() as session:
        audit.record(session, ada.household_id, "item.linked", actor=Actor(ada.user_id))
    [due] = waiting(ada)
    assert hints == [(mailing.TASK, str(ada.household_id), str(due.notice_id))]


def test_A10_a_lost_hint_is_found_again(
    ada: SignedInBrowser, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = make_notice(ada)
    hints: list[tuple[object, ...]] = []
    monkeypatch.setattr(mailing, "DUE_MAX", 10_000)
    monkeypatch.setattr(jobs, "send", lambda *arguments: hints.append(arguments))

    mailing.send_due()

    assert (mailing.TASK, str(ada.household_id), str(due.notice_id)) in hints


def test_A10_a_server_that_refuses_is_asked_five_times_and_longer_apart(
    ada: SignedInBrowser, mailbox: Mailbox, clock: Clock
) -> None:
    make_notice(ada)
    mailbox.refusal = f"451 not now, {ada.person.email}"
    waits = []
    with capture_logs() as logs:
        while due := waiting(ada):
            clock.move_to(due[0].due_at + dt.timedelta(seconds=1))
            before = due[0].due_at
            deliver(ada)
            waits += [each.due_at - before for each in waiting(ada)]
            deliver(ada)  # too early: nothing is tried

    minutes = [round(wait.total_seconds() / 60) for wait in waits]
    assert minutes == [1, 5, 25, 125]
    failures = [entry for entry in logs if entry["event"] == "notice_mail_failed"]
    assert [entry["gives_up"] for entry in failures] == [False] * 4 + [True]
    assert ada.person.email not in str(logs)
    assert mailbox.messages == []


def test_A10_a_server_that_comes_back_gets_it(
    ada: SignedInBrowser, mailbox: Mailbox, use: Use, clock: Clock
) -> None:
    make_notice(ada)
    use("smtp+plain://127.0.0.1:1")
    deliver(ada)
    assert [each.attempts for each in waiting(ada)] == [1]

    use(f"smtp+plain://127.0.0.1:{mailbox.port}")
    clock.shift(61)
    deliver(ada)

    assert len(mailbox.messages) == 1


def test_A10_of_workers_at_once_one_sends(ada: SignedInBrowser, mailbox: Mailbox) -> None:
    due = make_notice(ada)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: mailing.send(due.household_id, due.notice_id), range(4)))

    assert len(mailbox.messages) == 1


def test_A10_attempts_that_are_cut_short_come_to_an_end(
    ada: SignedInBrowser, mailbox: Mailbox
) -> None:
    """A worker that dies in the attempt leaves it counted."""
    make_notice(ada)
    with database.system_transaction() as session:
        session.execute(
            update(NoticeMail)
            .where(NoticeMail.household_id == ada.household_id)
            .values(attempts=mailing.ATTEMPTS_MAX)
        )

    deliver(ada)

    assert (waiting(ada), mailbox.messages) == ([], [])


def test_A10_nobody_gets_more_than_twenty_a_day(
    ada: SignedInBrowser, mailbox: Mailbox, clock: Clock
) -> None:
    for _ in range(mailing.A_DAY_MAX + 3):
        ledger.api_token(ada.household_id, ada.user_id)
    deliver(ada)
    assert len(mailbox.messages) == mailing.A_DAY_MAX
    assert waiting(ada) == []

    clock.shift(dt.timedelta(days=1, seconds=1))
    make_notice(ada)
    deliver(ada)
    assert len(mailbox.messages) == mailing.A_DAY_MAX + 1


def test_A10_a_disabled_person_gets_none(ada: SignedInBrowser, mailbox: Mailbox) -> None:
    make_notice(ada)
    with database.system_transaction() as session:
        now = dt.datetime.now(dt.UTC)
        session.execute(update(User).where(User.id == ada.user_id).values(disabled_at=now))

    deliver(ada)

    assert (waiting(ada), mailbox.messages) == ([], [])


@pytest.mark.parametrize("address", ["a@b.example,c@d.example", "<a@b.example>", "a;b@c.example"])
def test_A10_an_address_that_reads_as_two_goes_to_nobody(mailbox: Mailbox, address: str) -> None:
    with pytest.raises(mail.MailError) as raised:
        mail.send(address, "Subject", "Text", message_id="1")

    assert mailbox.messages == []
    assert address not in str(raised.value)


def test_A10_with_starttls_the_password_goes_over_tls_alone(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate("localhost", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with open_mailbox(certificate) as opened:
        use(f"smtp://relay%40example.org:p%2Fw@localhost:{opened.port}")

        mail.send("ada@example.com", "Subject", "Text", message_id="1")

    assert opened.logins == [("relay@example.org", "p/w")]
    assert opened.recipients == [["ada@example.com"]]


def test_A10_a_server_of_an_unknown_certificate_gets_neither_password_nor_mail(
    use: Use, tmp_path: Path
) -> None:
    with open_mailbox(make_certificate("localhost", tmp_path)) as opened:
        use(f"smtp://relay:password@localhost:{opened.port}")

        with pytest.raises(mail.MailError, match="SSLCertVerificationError"):
            mail.send("ada@example.com", "Subject", "Text", message_id="1")

    assert (opened.logins, opened.messages) == ([], [])


def test_A10_a_server_without_starttls_is_not_talked_to_in_the_open(use: Use) -> None:
    with open_mailbox() as opened:
        use(f"smtp://relay:password@localhost:{opened.port}")

        with pytest.raises(mail.MailError, match="SMTPNotSupportedError"):
            mail.send("ada@example.com", "Subject", "Text", message_id="1")

    assert opened.messages == []


@pytest.mark.parametrize("url", ["localhost:25", "http://host", "smtp://", "smtp+plain://u:p@host"])
def test_A10_an_address_of_a_server_that_will_not_do_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValidationError, match="SMTP_URL"):
        Settings.model_validate({**settings.model_dump(), "SMTP_URL": url})
