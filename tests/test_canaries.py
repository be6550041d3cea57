"""K4: what looks for secrets finds those that are there."""

import base64
from collections.abc import Callable
from urllib.parse import quote_plus

import psycopg
import pytest

from tests import canaries
from tests.faults.exits import Exits

TOKEN = "access-sandbox-0a1b2c3d-4e5f-6789-abcd-ef0123456789"


@pytest.mark.parametrize(
    "secret",
    [
        TOKEN,
        "public-production-0a1b2c3d-4e5f-6789-abcd-ef0123456789",
        "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
        "fta_" + "a" * 38,
        "postgresql://somebody:word@localhost/x",
    ],
)
def test_K4_the_forms_of_secrets_are_known(secret: str) -> None:
    assert len(canaries.found_in(f'{{"event": "failed", "reason": "{secret}"}}')) == 1
    assert canaries.found_in("https://bank.example/a:b@c, access-token, fta_short, eyJ.x") == set()


def test_K4_a_table_is_searched_also_inside_of_binary_values() -> None:
    from app.core.config import settings

    with psycopg.connect(settings.DATABASE_URL.get_secret_value()) as connection:
        others = canaries.found_in_database(connection)  # tests bring tokens of their own
        connection.execute("CREATE TABLE planted (plain text, packed bytea)")
        connection.execute("INSERT INTO planted VALUES (NULL, %s)", [f"x {TOKEN}".encode()])
        assert set(canaries.found_in_database(connection)) - set(others) == {"planted"}
        connection.rollback()


def in_hexadecimal(text: str) -> str:
    return text.encode().hex()


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("write", [str, quote_plus, in_hexadecimal, in_base64])
@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_K4_a_secret_in_a_log_is_found_however_it_is_written(
    write: Callable[[str], str], before: str
) -> None:
    secret = "violet harbor & a +1 % lake"
    exits = Exits()
    exits.hide("a word", secret)
    exits.see("nowhere", "violets in the harbor")
    exits.see("a log", f"a line with {write(before + secret + before)} in it")

    assert exits.leaks() == ["a word in a log"]
