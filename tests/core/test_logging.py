"""P4, K4: logs are one line each and hold no secrets."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core import logging as app_logging
from app.core.logging import REDACTED, configure_logging, redact


@pytest.fixture
def lines() -> Iterator[Any]:
    """What is logged, as JSON objects."""
    configure_logging()
    stream = io.StringIO()
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    previous = handler.setStream(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    handler.setStream(previous)


def test_an_event_is_one_json_line_with_its_context(lines: Any) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1", user_id="u1"):
        structlog.get_logger("test").info("sync_run_finished", rows_written=3)

    [line] = lines()
    assert line["event"] == "sync_run_finished"
    assert (line["rows_written"], line["request_id"], line["user_id"]) == (3, "r1", "u1")
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_library_logs_go_through_the_same_formatter(lines: Any) -> None:
    logging.getLogger("some.library").warning("retry %s of %s", 1, 3)

    [line] = lines()
    assert (line["event"], line["logger"]) == ("retry 1 of 3", "some.library")


@pytest.mark.parametrize(
    "name",
    [
        "password", "new_password", "access_token", "refresh_token", "SECRET_KEY", "api_key",
        "authorization", "cookie", "csrf_token", "client_secret", "amount", "description", "email",
        "body", "private_key",
    ],
)  # fmt: skip
def test_P4_a_value_under_a_telling_name_is_taken_out(lines: Any, name: str) -> None:
    structlog.get_logger("test").info("event", **{name: "canary-7f3a", "nested": {name: "canary"}})

    [line] = lines()
    assert "canary" not in json.dumps(line)
    assert line[name] == line["nested"][name] == REDACTED


@pytest.mark.parametrize(
    "text",
    [
        "GET https://user:canary7f3a@bank.example/accounts",
        "Authorization: Bearer canary7f3a.abc",
        "token access-sandbox-canary7f3a-1234",
        "public-production-canary7f3a",
        "jwt eyJhbGciOiJI.canary7f3aX.c2ln",
    ],
)
def test_P4_secrets_inside_texts_are_taken_out(lines: Any, text: str) -> None:
    structlog.get_logger("test").warning("event", reason=text)
    logging.getLogger("library").error(text)
    try:
        int(text)
    except ValueError:
        structlog.get_logger("test").exception("failed")

    written = json.dumps(lines())
    assert "canary" not in written
    assert "ValueError" in written


def test_P4_foreign_text_forges_no_line_and_colours_no_terminal(lines: Any) -> None:
    nasty = 'x\n{"event": "forged"}\r\x1b[31m\u2028\u202e'

    structlog.get_logger("test").info("event", reason=nasty)

    [line] = lines()
    assert line["event"] == "event"
    assert not any(ord(letter) < 32 or letter in "\u2028\u202e" for letter in line["reason"])


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO users (email, name) VALUES (:it, :it)",
        "SELECT 1 / 0 WHERE :it > ''",
        r"DO $$ BEGIN RAISE USING DETAIL = E'two\ncan' || 'ary', MESSAGE = 'no'; END $$",
    ],
)
def test_P4_what_a_row_holds_is_not_told_by_the_error_about_it(lines: Any, statement: str) -> None:
    from app.core.database import engine

    row = "".join(("can", "ary"))  # a traceback shows the lines of this test
    try:
        with engine.begin() as connection:
            connection.execute(text(statement), {"it": row})
    except DBAPIError as error:
        structlog.get_logger("test").exception("request_failed")
        structlog.get_logger("test").warning("failed", reason=str(error))

    found = lines()
    assert [line["event"] for line in found] == ["request_failed", "failed"]
    assert "canary" not in json.dumps(found)


@given(st.text(st.sampled_from('\n\r\x1b\x85\u2028\u202e[31m{}"ab'), max_size=40))
def test_P4_no_text_makes_two_lines_of_one(text_of_others: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    configure_logging()
    root = logging.getLogger().handlers[0]
    handler.setFormatter(root.formatter)
    record = logging.LogRecord("lib", logging.INFO, "", 0, "said %s", (text_of_others,), None)
    handler.handle(record)
    record = logging.LogRecord("lib", logging.INFO, "", 0, text_of_others, (), None)
    handler.handle(record)

    written = stream.getvalue()
    assert written.count("\n") == len(written.splitlines()) == 2
    assert not any(character in written for character in "\r\x1b\x85\u2028\u202e")
    assert all(json.loads(line)["logger"] == "lib" for line in written.splitlines())


def test_client_libraries_do_not_log_addresses(lines: Any) -> None:
    for name in ("httpx", "httpx2", "urllib3", "httpcore"):
        logging.getLogger(name).info("GET https://bank.example/secret")

    assert lines() == []


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=10),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
            max_leaves=10,
        ),
        max_size=5,
    )
)
def test_P4_whatever_is_logged_can_be_written_as_json(event: dict[str, Any]) -> None:
    line = json.dumps(redact(None, "info", dict(event)))

    assert "\n" not in line
    assert set(json.loads(line)) == set(event)


def test_development_writes_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    class Development:
        APP_ENV = "development"

    monkeypatch.setattr(app_logging, "settings", Development)
    render = app_logging._rendering()[-1]

    text = render(None, "info", {"event": "started", "level": "info", "port": 8000})
    assert "started" in str(text)
    assert "port" in str(text)


@given(
    st.lists(
        st.one_of(
            st.text(max_size=8),
            st.sampled_from(
                (
                    "://",
                    "user:pw@",
                    "Bearer ",
                    "bearer ",
                    "abc.def-1",
                    "access-sandbox-1a",
                    "link-production-",
                    "eyJhbGciOiJI.eyJzdWI.c2ln",
                    "\nDETAIL:  Key (x)",
                    "\n[SQL",
                )
            ),
        ),
        max_size=6,
    ).map("".join),
    st.booleans(),
)
def test_the_quick_look_at_a_text_passes_nothing_that_is_taken_out(
    said: str, keep_lines: bool
) -> None:
    quick = app_logging._clean_text(said, keep_lines=keep_lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_logging, "_MAYBE_UNCLEAN", re.compile(""))
        assert app_logging._clean_text(said, keep_lines=keep_lines) == quick
