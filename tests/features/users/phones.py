"""Authenticator apps of the cast, and what tests of the second factor ask."""

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import select

from app.core import clock as time
from app.core import database, totp
from app.core.errors import AppError
from app.features.audit import service as audit
from app.features.users import sessions
from app.features.users.sessions import AwaitsCode, Client
from app.models import UserSession
from tests.cast import Browser, Clock, SignedInBrowser
from tests.factories.people import PASSWORD, Person

HERE = Client("198.51.100.7", "tests")
NEW_PASSWORD = "copper-meadow-whistle-9"


@dataclass
class Phone:
    """Somebody's authenticator app, and the recovery codes in their drawer."""

    secret: bytes
    recovery_codes: list[str]

    def code(self, off: int = 0) -> str:
        return totp.code_at(self.secret, totp.step_at(time.now().timestamp()) + off)

    def next_code(self, clock: Clock) -> str:
        """Wait for a step that was not used."""
        clock.shift(totp.STEP_SECONDS)
        return self.code()


def secret_in(page: str) -> bytes:
    [text_form] = re.findall(r"<code>((?:[A-Z2-7]{4} ?)+)</code>", page)
    plain = text_form.replace(" ", "")
    return base64.b32decode(plain)


def set_up(browser: SignedInBrowser) -> Phone:
    """Turn the second factor on, as a person does on the pages."""
    page = browser.post("/settings/two-step", data={"password": PASSWORD})
    assert page.status_code == 200
    phone = Phone(secret_in(page.text), [])
    page = browser.post("/settings/two-step/confirm", data={"code": phone.code()})
    assert page.status_code == 200
    phone.recovery_codes = re.findall(r"<li><code>([a-z2-7-]+)</code></li>", page.text)
    return phone


def log_in(browser: Browser, who: Person, **more: str) -> tuple[int, str]:
    data = {"username": who.email, "password": PASSWORD, **more}
    answer = browser.post("/api/v1/auth/login", data=data)
    return answer.status_code, answer.json().get("code", "")


def session_count(who: Person) -> int:
    with database.system_transaction() as session:
        return len(session.scalars(
            select(UserSession.id).where(
                UserSession.user_id == who.user_id, UserSession.ended_at.is_(None)
            )
        ).all())  # fmt: skip


def actions(who: Person) -> list[str]:
    with database.household_transaction(who.household_id) as session:
        return [event.action for event in audit.list_events(session, who.household_id)]


def pending_token(who: Person) -> str:
    opened = sessions.sign_in_browser(who.email, PASSWORD, HERE)
    assert isinstance(opened, AwaitsCode)
    return opened.pending_token


def in_parallel(token: str, code: str, times: int) -> list[str]:
    """Bring the same code many times at once; return what became of each."""

    def bring(_number: int) -> str:
        try:
            sessions.finish_browser(token, code, HERE)
        except AppError as error:
            return error.code
        return "in"

    with ThreadPoolExecutor(times) as pool:
        return sorted(pool.map(bring, range(times)))


def ada_actor(ada: SignedInBrowser) -> audit.Actor:
    return audit.Actor(ada.user_id, ada.session_id, None)
