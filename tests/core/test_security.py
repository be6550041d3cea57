"""A1, A2, S2: password hashes, what passwords may be, and access tokens."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import threading
import unicodedata
from uuid import UUID

import jwt
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from app.core import security
from app.core.config import settings
from app.core.errors import InvalidInputError, UnauthorizedError, UnavailableError
from app.core.ids import uuid7
from tests.cast import Clock

GOOD = "violet-harbor-lantern-7"


def test_A1_hashes_are_argon2id_with_at_least_the_parameters_of_owasp() -> None:
    kind, version, parameters = security.hash_password(GOOD).split("$")[1:4]

    values = dict(pair.split("=") for pair in parameters.split(","))
    assert (kind, version) == ("argon2id", "v=19")
    assert int(values["m"]) >= 19_456
    assert (int(values["t"]), int(values["p"])) == (2, 1)


def test_A1_a_hash_of_weaker_parameters_asks_to_be_made_anew() -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(GOOD)

    assert security.verify_password(GOOD, weak)
    assert security.needs_rehash(weak)
    assert not security.needs_rehash(security.hash_password(GOOD))


def test_A1_only_a_few_wait_for_a_hash_and_the_rest_are_told_when_to_come_back() -> None:
    crowd = security.HASHES_AT_ONCE + security.HASHES_WAITING_MAX + 8
    outcomes: list[int | None] = []
    start = threading.Barrier(crowd)

    def attempt() -> None:
        start.wait()
        try:
            security.verify_password(GOOD, None)
            outcomes.append(None)
        except UnavailableError as error:
            outcomes.append(error.retry_after_seconds)

    threads = [threading.Thread(target=attempt) for _ in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes.count(None) >= security.HASHES_AT_ONCE
    assert set(outcomes) <= {None, 3}
    assert security.verify_password(GOOD, security.hash_password(GOOD))  # nobody kept a turn


def test_A2_both_ways_to_write_an_accent_are_one_password() -> None:
    composed = unicodedata.normalize("NFC", "crème brûlée à gogo")
    decomposed = unicodedata.normalize("NFD", composed)

    assert composed != decomposed
    assert security.verify_password(decomposed, security.hash_password(composed))


def test_A2_no_byte_of_a_long_password_is_ignored() -> None:
    long = "a" * 60 + "violet harbor lantern" + "b" * 40
    hashed = security.hash_password(long)

    assert security.verify_password(long, hashed)
    assert not security.verify_password(long[:-1] + "c", hashed)
    assert not security.verify_password(long[:72], hashed)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_A2_any_text_is_accepted_or_refused_with_words(password: str) -> None:
    length = len(unicodedata.normalize("NFC", password))
    try:
        security.check_new_password(password)
    except InvalidInputError as error:
        assert error.message  # noqa: PT017
        assert error.field == "password"  # noqa: PT017
    else:
        assert 12 <= length <= 128


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("elevenchars", "password_too_short"),
        ("x" * 129, "password_too_long"),
        ("passwordpassword", "password_too_common"),
        ("Password123456", "password_too_common"),
        ("qwertyuiop[]", "password_too_common"),
        ("111111111111", "password_too_common"),
        ("iloveyou12345", "password_too_common"),
        ("fintechfintech", "password_too_common"),
        ("adalovelace12", "password_too_common"),
        ("ada@lovelace.example", "password_too_common"),
    ],
)
def test_A2_a_guessable_password_is_refused(password: str, code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        security.check_new_password(password, ("ada@lovelace.example", "Ada Lovelace"))

    assert caught.value.code == code
    assert password not in caught.value.message


@pytest.mark.parametrize("password", [GOOD, "correct horse battery staple", "длинный пароль зонт"])
def test_A2_no_class_of_characters_is_asked_for(password: str) -> None:
    security.check_new_password(password, ("ada@example.com", "Ada"))


USER, SESSION, HOUSEHOLD = uuid7(), uuid7(), uuid7()


def claims(**changes: object) -> dict[str, object]:
    now = dt.datetime.now(dt.UTC)
    good: dict[str, object] = {
        "iss": security.TOKEN_ISSUER,
        "aud": security.TOKEN_AUDIENCE,
        "sub": str(USER),
        "sid": str(SESSION),
        "hid": str(HOUSEHOLD),
        "jti": str(uuid7()),
        "iat": now,
        "exp": now + dt.timedelta(minutes=30),
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def forge(
    content: dict[str, object] | None = None,
    *,
    key: bytes | None = None,
    algorithm: str = "HS256",
    **header: object,
) -> str:
    key_id, real_key = security._signing_key()
    headers = {"kid": key_id, "typ": security.TOKEN_TYPE, **header}
    return jwt.encode(
        content or claims(),
        real_key if key is None else key,
        algorithm,
        headers={name: value for name, value in headers.items() if value is not ...},
    )


def sign_by_hand(header: dict[str, object], payload: bytes) -> str:
    parts = [
        base64.urlsafe_b64encode(part).rstrip(b"=")
        for part in (json.dumps(header).encode(), payload)
    ]
    signature = hmac.new(security._signing_key()[1], b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


PAST = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
FORGED = {
    "no algorithm": lambda: jwt.encode(
        claims(), None, "none", headers={"kid": security._signing_key()[0], "typ": "at+jwt"}
    ),
    "no signature": lambda: forge().rpartition(".")[0] + ".",
    "another key": lambda: forge(key=b"k" * 32),
    "an empty key": lambda: sign_by_hand({"alg": "HS256"}, b"{}"),
    "SECRET_KEY itself": lambda: forge(key=settings.SECRET_KEY.get_secret_value().encode()),
    "HS512": lambda: forge(algorithm="HS512", key=b"k" * 64),
    "HS384": lambda: forge(algorithm="HS384", key=b"k" * 64),
    "unknown kid": lambda: forge(kid="other"),
    "kid that is a path": lambda: forge(kid="../../dev/null"),
    "kid that is a query": lambda: forge(kid="' OR 1=1 --"),
    "no kid": lambda: forge(kid=...),
    "typ JWT": lambda: forge(typ="JWT"),
    "crit": lambda: forge(crit=["exp"]),
    "jku": lambda: forge(jku="https://evil.example/keys"),
    "jwk": lambda: forge(jwk={"kty": "oct", "k": "AAAA"}),
    "b64 false": lambda: forge(b64=False),
    "no exp": lambda: forge(claims(exp=...)),
    "no iat": lambda: forge(claims(iat=...)),
    "no sub": lambda: forge(claims(sub=...)),
    "no aud": lambda: forge(claims(aud=...)),
    "no iss": lambda: forge(claims(iss=...)),
    "no jti": lambda: forge(claims(jti=...)),
    "no sid": lambda: forge(claims(sid=...)),
    "no hid": lambda: forge(claims(hid=...)),
    "wrong aud": lambda: forge(claims(aud="other")),
    "a list of audiences": lambda: forge(claims(aud=[security.TOKEN_AUDIENCE, "other"])),
    "wrong iss": lambda: forge(claims(iss="other")),
    "sub that is no id": lambda: forge(claims(sub="ada")),
    "sid that is a number": lambda: forge(claims(sid=7)),
    "expired by a second": lambda: forge(
        claims(iat=PAST, exp=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
    ),
    "issued in the future": lambda: forge(
        claims(iat=dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5))
    ),
    "valid from tomorrow": lambda: forge(
        claims(nbf=dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    ),
    "exp that is a text": lambda: sign_by_hand(
        {"alg": "HS256", "kid": security._signing_key()[0], "typ": "at+jwt"},
        json.dumps({**claims(iat=1, exp="never")}).encode(),
    ),
    "a list for claims": lambda: sign_by_hand(
        {"alg": "HS256", "kid": security._signing_key()[0], "typ": "at+jwt"}, b"[]"
    ),
    "four parts": lambda: forge() + ".AAAA",
    "empty": lambda: "",
    "not a token": lambda: "Bearer",
    "not ASCII": lambda: "é.é.é",
    "a megabyte": lambda: "a" * 1_000_000,
}


@pytest.mark.parametrize("name", FORGED)
def test_S2_a_forged_access_token_is_refused(name: str) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        security.read_access_token(FORGED[name]())

    assert caught.value.code == "invalid_token"


def test_S2_our_own_token_says_who_and_which_session(clock: Clock) -> None:
    token = security.sign_access_token(USER, SESSION, HOUSEHOLD)

    assert security.read_access_token(token) == security.AccessToken(USER, SESSION, HOUSEHOLD)
    assert isinstance(security.read_access_token(forge()).user_id, UUID)
    clock.shift(settings.ACCESS_TOKEN_EXPIRE_MINUTES * 60 - 5)
    assert security.read_access_token(token).session_id == SESSION
    clock.shift(6)
    with pytest.raises(UnauthorizedError):
        security.read_access_token(token)
