"""K4: what looks for secrets finds those that are there."""

import base64
from collections.abc import Callable

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
        connection.execute("CREATE TABLE planted (plain text, packed bytea)")
        connection.execute("INSERT INTO planted VALUES (NULL, %s)", [f"x {TOKEN}".encode()])
        assert set(canaries.found_in_database(connection)) == {"planted"}
        connection.rollback()


@pytest.mark.parametrize("hide", [bytes, bytes.hex, base64.b64encode])
def test_K4_a_secret_is_found_plain_in_hexadecimal_and_in_base64(
    hide: Callable[[bytes], bytes | str],
) -> None:
    exits = Exits()
    exits.hide("a word", "violet-harbor")
    exits.see("nowhere", "violets in the harbor")
    exits.see("a log", hide(b"a line with violet-harbor in it"))

    assert exits.leaks() == ["a word in a log"]
