"""Use cases of notices by mail: what is to be sent stands in PostgreSQL until it was.

A message says what the page says, and nothing that somebody else chose: no names, no addresses of
pages but our own. Whoever reads another's mail learns no secret, and no link in it does anything.
"""

import datetime as dt
import re
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core import clock, database, jobs, mail
from app.core.config import settings
from app.features.notices import repository
from app.features.notices.repository import DueMail
from app.features.notices.words import TOLD

TASK = "notices.send_mail"
ATTEMPTS_MAX = 5
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 25, 125, 125))
"""After each attempt, before the next; the first also bounds how long a worker may take."""
A_DAY_MAX = 20
"""To one person; more would be a nuisance, and all stand on the page."""
DUE_MAX = 100
log = structlog.get_logger(__name__)

_TEXT = """Hello,

{title}.

When: {when}
{where}
{advice}

All notices: {url}/notices

You get this because there is an account for this address at {url}.
"""


_UNCONFIRMED = """Hello,

there is news of an account for this address. To be told here what it is, sign in and confirm the
address: {url}/settings

What happened stands at {url}/notices
If you have no account there, ignore this message.
"""


def want(session: Session, household_id: UUID, notice_id: UUID) -> None:
    """Have a notice sent by mail as well, once the transaction commits; nothing without a server.

    Args:
        session: In which the notice was written.
        household_id: In whose trail its event stands.
        notice_id: The notice.
    """
    if not mail.is_on():
        return
    repository.insert_mail(session, household_id, notice_id, clock.now())
    jobs.enqueue(session, TASK, str(household_id), str(notice_id))


def send(household_id: UUID, notice_id: UUID) -> None:
    """Send a notice that is due; does nothing if another worker is at it, or it was sent."""
    with database.system_transaction() as session:
        due = repository.claim_mail(session, household_id, notice_id, now=clock.now(), waits=WAITS)
        if due is None:
            return
        reason = _reason_to_skip(session, due)
        if reason:
            repository.delete_mail(session, household_id, notice_id)
            log.warning("notice_mail_skipped", reason=reason)
            return
    try:
        mail.send(due.email, *_message(due), message_id=f"notice.{notice_id}")
    except mail.MailError as error:
        _put_off(due, str(error))
        return
    with database.system_transaction() as session:
        repository.delete_mail(session, household_id, notice_id, mailed_at=clock.now())


def send_due() -> None:
    """Tell workers of what is due and whose message was lost, or failed before."""
    with database.system_transaction() as session:
        due = repository.list_due_mails(session, now=clock.now(), limit=DUE_MAX)
    for household_id, notice_id in due:
        jobs.send(TASK, str(household_id), str(notice_id))


def _reason_to_skip(session: Session, due: DueMail) -> str:
    if due.is_disabled:
        return "the person is disabled"
    if due.attempts > ATTEMPTS_MAX:
        return "every attempt was cut short"
    day_ago = clock.now() - timedelta(days=1)
    if repository.count_mailed(session, due.user_id, since=day_ago) >= A_DAY_MAX:
        return "too many a day"
    return ""


def _put_off(due: DueMail, reason: str) -> None:
    """Let the next attempt come when it is due, or give up."""
    gives_up = due.attempts >= ATTEMPTS_MAX
    log.warning("notice_mail_failed", reason=reason, attempts=due.attempts, gives_up=gives_up)
    if gives_up:
        with database.system_transaction() as session:
            repository.delete_mail(session, due.household_id, due.notice_id)


def _message(due: DueMail) -> tuple[str, str]:
    """Return subject and text; to an address that may be a stranger's they say nothing."""
    if not due.is_confirmed:
        return "[Fintech] News of your account", _UNCONFIRMED.format(url=_url())
    told = TOLD[due.action]
    # A program calls itself what it likes: nothing that could look like an address of a page.
    device = re.sub(r"[^\w ()-]", "", due.device or "")
    place = ", ".join(filter(None, (device, due.address)))
    text = _TEXT.format(
        title=told.title,
        when=due.at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        where=f"From: {place}\n" if place else "",
        advice=told.advice,
        url=_url(),
    )
    return f"[Fintech] {told.title}", text


def _url() -> str:
    return settings.PUBLIC_URL.rstrip("/")
