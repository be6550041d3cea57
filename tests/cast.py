"""The application, its clients, the cast and the clock, as fixtures; see `tests/conftest.py`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import time_machine
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

if TYPE_CHECKING:  # importing it reads the environment
    from tests.factories.people import Person

BASE_URL = "http://localhost:8000"
ADDRESS = "198.51.100.7"


class Browser(TestClient):
    """A browser on a page of ours: right origin, follows no redirects, asks for HTML."""

    def __init__(self, app: FastAPI, *, address: str = ADDRESS) -> None:
        super().__init__(
            app,
            base_url=BASE_URL,
            follow_redirects=False,
            client=(address, 50_000),
            headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html,*/*;q=0.8"},
        )

    def greet(self, path: str = "/sign-in") -> None:
        """Open a page for strangers and from then on send its CSRF token."""
        from app.core import csrf, security  # reads the environment

        self.get(path)
        cookie = self.cookies.get(csrf.SESSION_COOKIE) or self.cookies.get(csrf.VISITOR_COOKIE)
        assert cookie is not None
        self.headers["X-CSRF-Token"] = security.csrf_token(cookie)


class SignedInBrowser(Browser):
    """The browser of one of the cast; sends cookie and CSRF token by itself."""

    person: Person
    session_id: UUID

    @property
    def household_id(self) -> UUID:
        """Whose data this person may see."""
        return self.person.household_id

    @property
    def user_id(self) -> UUID:
        """The person's id."""
        return self.person.user_id

    def session(self) -> AbstractContextManager[Session]:
        """Open a transaction of the person's household; commits at the end of the block."""
        from app.core import database  # reads the environment

        return database.household_transaction(self.person.household_id)

    def request(self, *arguments: Any, **options: Any) -> Response:
        """Send a request; take over the cookie, should the session go on under another one."""
        from app.core import csrf, security  # reads the environment

        answer = super().request(*arguments, **options)
        cookie = answer.cookies.get(csrf.SESSION_COOKIE)
        if cookie:
            # The first one was planted without a domain: it would stay beside the new one.
            self.cookies.clear()
            self.cookies.set(csrf.SESSION_COOKIE, cookie)
            self.headers["X-CSRF-Token"] = security.csrf_token(cookie)
        return answer

    def confirm(self, **fields: str) -> Response:
        """Show again that it is them (A8)."""
        from tests.factories import people  # reads the environment

        return self.post("/confirm", data={"password": people.PASSWORD, **fields})

    def bearer(self) -> dict[str, str]:
        """Return headers for the person's API client, under a session of its own."""
        from tests.factories import people  # reads the environment

        return {"Authorization": f"Bearer {people.api_session(self.person).access_token}"}


def sign_in(app: FastAPI, person: Person) -> SignedInBrowser:
    """Return a browser in which this person is signed in."""
    from app.core import csrf, security  # reads the environment
    from tests.factories import people  # reads the environment

    opened = people.browser_session(person)
    browser = SignedInBrowser(app)
    browser.person, browser.session_id = person, opened.session_id
    browser.cookies.set(csrf.SESSION_COOKIE, opened.cookie)
    browser.headers["X-CSRF-Token"] = security.csrf_token(opened.cookie)
    return browser


class Clock:
    """Moves the time of this process; PostgreSQL's own clock stays."""

    def __init__(self, traveller: time_machine.Coordinates) -> None:
        self._traveller = traveller

    def move_to(self, instant: dt.datetime) -> None:
        """Set the time."""
        self._traveller.move_to(instant)
        self._forget()

    def shift(self, seconds: float | dt.timedelta) -> None:
        """Let time pass."""
        self._traveller.shift(seconds)
        self._forget()

    def _forget(self) -> None:
        from app.features.users.session_cache import cache  # see above

        cache.clear()  # it counts real seconds


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """The ASGI application."""
    from app.main import app as application  # reads the environment

    return application


@pytest.fixture
def client(app: FastAPI) -> Browser:
    """A browser that nobody is signed in to."""
    return Browser(app)


@pytest.fixture
def ada(app: FastAPI) -> SignedInBrowser:
    """Ada owns a household."""
    from tests.factories import people  # reads the environment

    return sign_in(app, people.person("Ada"))


@pytest.fixture
def ben(app: FastAPI, ada: SignedInBrowser) -> SignedInBrowser:
    """Ben is a member of Ada's household."""
    from tests.factories import people  # reads the environment

    return sign_in(app, people.member(ada.person, "Ben"))


@pytest.fixture
def cleo(app: FastAPI) -> SignedInBrowser:
    """Cleo is a stranger with a household of her own."""
    from tests.factories import people  # reads the environment

    return sign_in(app, people.person("Cleo"))


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock, running on from now until it is moved."""
    with time_machine.travel(dt.datetime.now(dt.UTC), tick=True) as traveller:
        clock = Clock(traveller)
        yield clock
    clock._forget()
