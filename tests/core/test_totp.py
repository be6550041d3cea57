"""A5: one-time codes as RFC 6238 has them, with one step of tolerance."""

import base64
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from app.core import totp

RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_A5_the_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    step = totp.step_at(seconds)

    assert totp.code_at(RFC_SECRET, step, digits=8) == code
    assert totp.find_step(RFC_SECRET, code[-6:], seconds) == step


@pytest.mark.parametrize(
    ("off", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_A5_one_step_of_tolerance_either_way(off: int, counts: bool) -> None:
    now = 1_700_000_000
    step = totp.step_at(now) + off

    found = totp.find_step(RFC_SECRET, totp.code_at(RFC_SECRET, step), now)

    assert found == (step if counts else None)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "\ud800" * 6])
def test_A5_what_is_no_code_matches_nothing(code: str) -> None:
    assert totp.find_step(RFC_SECRET, code, 1_700_000_000) is None


def test_the_address_for_the_app_holds_the_whole_secret() -> None:
    parts = urlsplit(totp.uri(RFC_SECRET, "ada+bank@example.com"))
    query = parse_qs(parts.query)

    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Fintech:ada+bank@example.com"
    assert query["issuer"] == ["Fintech"]
    assert base64.b32decode(query["secret"][0]) == RFC_SECRET
