import base64
import datetime as dt
import hashlib
import hmac
import json
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.providers.base import ProviderUnavailableError, WebhookHint, WebhookRefusedError
from app.providers.plaid import webhooks
from app.providers.plaid.structs import VerificationKey

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
KEY_ID = "bfbd5111-8e33-4643-8ced-b2e642a72f3c"
PRIVATE = ec.generate_private_key(ec.SECP256R1())
BODY = json.dumps(
    {
        "webhook_type": "TRANSACTIONS",
        "webhook_code": "SYNC_UPDATES_AVAILABLE",
        "item_id": "item-1",
        "initial_update_complete": True,
        "environment": "sandbox",
    },
    indent=2,
).encode()


def public_key(private: ec.EllipticCurvePrivateKey = PRIVATE, **fields) -> VerificationKey:
    numbers = private.public_key().public_numbers()
    values = {
        "kid": KEY_ID,
        "alg": "ES256",
        "kty": "EC",
        "crv": "P-256",
        "x": encoded(numbers.x.to_bytes(32, "big")),
        "y": encoded(numbers.y.to_bytes(32, "big")),
        "expired_at": None,
    }
    return VerificationKey(**values | fields)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(
    body: bytes = BODY,
    *,
    key=PRIVATE,
    algorithm: str = "ES256",
    headers: dict | None = None,
    at: float | None = None,
    **claims,
) -> str:
    values = {
        "iat": int(NOW.timestamp()) if at is None else at,
        "request_body_sha256": hashlib.sha256(body).hexdigest(),
    }
    given = {name: value for name, value in (values | claims).items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": KEY_ID} | (headers or {}))


def with_header(token: str, **header) -> str:
    first = json.dumps({"alg": "ES256", "typ": "JWT", "kid": KEY_ID} | header).encode()
    return encoded(first) + token[token.index(".") :]


def only_key(key_id: str) -> VerificationKey | None:
    return public_key() if key_id == KEY_ID else None


def test_a_genuine_webhook_is_a_hint():
    hint = webhooks.verify(BODY, signed(), only_key, NOW)

    assert hint == WebhookHint("item-1", "TRANSACTIONS", "SYNC_UPDATES_AVAILABLE")


@pytest.mark.parametrize("seconds", [-299, 0, 59])
def test_clocks_may_differ_a_little(seconds):
    token = signed(at=int(NOW.timestamp()) + seconds)

    assert webhooks.verify(BODY, token, only_key, NOW).item_source_id == "item-1"


STAMP = int(NOW.timestamp())
OTHER = ec.generate_private_key(ec.SECP256R1())
PEM = PRIVATE.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def hmac_with_public_key() -> str:
    """The classic confusion: the public key, which everybody has, as an HMAC secret."""
    header = encoded(json.dumps({"alg": "HS256", "kid": KEY_ID}).encode())
    claims = encoded(
        json.dumps({"iat": STAMP, "request_body_sha256": hashlib.sha256(BODY).hexdigest()}).encode()
    )
    mac = hmac.digest(PEM, f"{header}.{claims}".encode(), "sha256")
    return f"{header}.{claims}.{encoded(mac)}"


def signed_as(**claims) -> str:
    """Sign claims that PyJWT refuses to encode."""
    values = {"iat": STAMP, "request_body_sha256": hashlib.sha256(BODY).hexdigest()} | claims
    return jwt.api_jws.encode(
        json.dumps(values).encode(), PRIVATE, algorithm="ES256", headers={"kid": KEY_ID}
    )


ATTACKS = {
    "no header": (BODY, None),
    "empty header": (BODY, ""),
    "no JWT": (BODY, "hello"),
    "two parts": (BODY, "a.b"),
    "endless": (BODY, "a" * 5_000),
    "header twice": (BODY, f"{signed()}, {signed()}"),
    "not base64": (BODY, "§.§.§"),
    "algorithm none": (BODY, with_header(signed(), alg="none").rsplit(".", 1)[0] + "."),
    "HMAC with the public key": (BODY, hmac_with_public_key()),
    "RS256": (
        BODY,
        signed(
            key=rsa.generate_private_key(public_exponent=65537, key_size=2048), algorithm="RS256"
        ),
    ),
    "ES384": (BODY, signed(key=ec.generate_private_key(ec.SECP384R1()), algorithm="ES384")),
    "another key": (BODY, signed(key=OTHER)),
    "key id of no key": (BODY, signed(headers={"kid": str(uuid.uuid4())})),
    "key id with a path": (BODY, signed(headers={"kid": "../../etc/passwd"})),
    "key id with a tail": (BODY, signed(headers={"kid": KEY_ID + "\n"})),
    "key id is a number": (BODY, with_header(signed(), kid=17)),
    "own key in the header": (
        BODY,
        signed(key=OTHER, headers={"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}),
    ),
    "another body": (BODY.replace(b"item-1", b"item-2"), signed()),
    "one blank less": (json.dumps(json.loads(BODY)).encode(), signed()),
    "empty body": (b"", signed()),
    "stale": (BODY, signed(at=STAMP - 301)),
    "from the future": (BODY, signed(at=STAMP + 61)),
    "no time": (BODY, signed(iat=None)),
    "time as text": (BODY, signed_as(iat=str(STAMP))),
    "header changed": (BODY, with_header(signed(), typ="other")),
    "time as fraction": (BODY, signed(at=STAMP + 0.5)),
    "time is true": (BODY, signed(iat=True)),
    "no hash": (BODY, signed(request_body_sha256=None)),
    "hash is a number": (BODY, signed(request_body_sha256=7)),
    "hash in capitals": (
        BODY,
        signed(request_body_sha256=hashlib.sha256(BODY).hexdigest().upper()),
    ),
    "signature cut": (BODY, signed()[:-4]),
    "signature of zeros": (BODY, signed().rsplit(".", 1)[0] + "." + encoded(bytes(64))),
    "signed, but no JSON": (b"hello", signed(b"hello")),
    "signed, but no webhook": (b"[]", signed(b"[]")),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_forged_webhook_is_refused(attack):
    body, header = ATTACKS[attack]

    with pytest.raises(WebhookRefusedError):
        webhooks.verify(body, header, only_key, NOW)


@pytest.mark.parametrize(
    "fields",
    [
        {"expired_at": STAMP},
        {"expired_at": 1},
        {"alg": "HS256"},
        {"kty": "oct"},
        {"crv": "P-384"},
        {"x": "AA", "y": "AA"},
        {"x": "§"},
    ],
)
def test_a_key_that_is_expired_or_of_another_kind_proves_nothing(fields):
    with pytest.raises(WebhookRefusedError):
        webhooks.verify(BODY, signed(), lambda _: public_key(**fields), NOW)


def test_a_key_that_expires_later_still_counts():
    hint = webhooks.verify(BODY, signed(), lambda _: public_key(expired_at=STAMP + 1), NOW)

    assert hint.webhook_type == "TRANSACTIONS"


@pytest.mark.parametrize("key_id", ["", "x" * 200, "../x", KEY_ID + "0", KEY_ID[:-1], " " + KEY_ID])
def test_what_is_no_uuid_is_never_looked_up(key_id):
    def fetch(key_id):
        raise AssertionError("looked up")

    with pytest.raises(WebhookRefusedError):
        webhooks.verify(BODY, signed(headers={"kid": key_id}), fetch, NOW)


class Plaid:
    """Counts how often it is asked for a key."""

    def __init__(self) -> None:
        self.keys = {KEY_ID: public_key()}
        self.calls = 0
        self.down = False
        self.now = 0.0
        self.cache = webhooks.KeyCache(self.fetch, monotonic=lambda: self.now)

    def fetch(self, key_id: str) -> VerificationKey | None:
        self.calls += 1
        if self.down:
            raise ProviderUnavailableError("UNREACHABLE", "down")
        return self.keys.get(key_id)


def test_a_key_is_fetched_once_a_day():
    plaid = Plaid()
    for _ in range(100):
        assert plaid.cache(KEY_ID) is not None
    assert plaid.calls == 1

    plaid.now += 24 * 3_600 + 1
    plaid.keys[KEY_ID] = public_key(expired_at=5)

    key = plaid.cache(KEY_ID)
    assert key is not None
    assert (plaid.calls, key.expired_at) == (2, 5)


def test_a_thousand_random_key_ids_cause_six_fetches_a_minute():
    plaid = Plaid()
    plaid.cache(KEY_ID)
    refused = 0
    for _ in range(1_000):
        try:
            assert plaid.cache(str(uuid.uuid4())) is None
        except ProviderUnavailableError:
            refused += 1
        plaid.now += 0.05  # 50 seconds in all

    assert plaid.calls == 6
    assert refused == 995
    assert plaid.cache(KEY_ID) is not None  # genuine webhooks still get through


def test_an_unknown_key_id_is_remembered_but_not_for_ever():
    plaid = Plaid()
    key_id = str(uuid.uuid4())
    for _ in range(10):
        assert plaid.cache(key_id) is None
    assert plaid.calls == 1

    plaid.keys[key_id] = public_key(kid=key_id)
    plaid.now += 601

    assert plaid.cache(key_id) is not None


def test_while_plaid_is_down_a_known_key_serves_on_and_an_unknown_one_is_no_forgery():
    plaid = Plaid()
    plaid.cache(KEY_ID)
    plaid.down = True
    plaid.now += 24 * 3_600 + 1

    assert plaid.cache(KEY_ID) is not None
    with pytest.raises(ProviderUnavailableError):
        plaid.cache(str(uuid.uuid4()))


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (
            {"webhook_type": "ITEM", "webhook_code": "ERROR", "item_id": "i",
             "error": {"error_type": "ITEM_ERROR", "error_code": "ITEM_LOGIN_REQUIRED",
                       "error_message": "the login details…", "status": 400}},
            {"item_source_id": "i", "error_code": "ITEM_LOGIN_REQUIRED",
             "error_message": "Please sign in to your bank again to repair this connection."},
        ),
        (
            {"webhook_type": "ITEM", "webhook_code": "PENDING_EXPIRATION", "item_id": "i",
             "consent_expiration_time": "2026-12-01T08:00:00Z"},
            {"item_source_id": "i", "expires_at": dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)},
        ),
        (
            {"webhook_type": "ITEM", "webhook_code": "PENDING_DISCONNECT", "item_id": "i",
             "reason": "INSTITUTION_MIGRATION", "disconnect_time": "2026-12-01T08:00:00"},
            {"item_source_id": "i", "expires_at": dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)},
        ),
        (
            {"webhook_type": "LINK", "webhook_code": "SESSION_FINISHED", "status": "SUCCESS",
             "link_token": "link-1", "public_tokens": ["p-1", "p-2"]},
            {"link_token": "link-1", "public_tokens": ("p-1", "p-2")},
        ),
        (
            {"webhook_type": "LINK", "webhook_code": "ITEM_ADD_RESULT", "link_token": "link-1",
             "public_token": "p-1"},
            {"link_token": "link-1", "public_tokens": ("p-1",)},
        ),
        (
            {"webhook_type": "LINK", "webhook_code": "EVENTS", "link_token": "l", "events": [1]},
            {"link_token": "l"},
        ),
        (
            {"webhook_type": "TRANSACTIONS", "webhook_code": "TRANSACTIONS_REMOVED",
             "item_id": "i", "removed_transactions": ["a"], "error": None},
            {"item_source_id": "i"},
        ),
        (
            {"webhook_type": "HOLDINGS", "webhook_code": "DEFAULT_UPDATE", "item_id": "i",
             "new_holdings": 19, "updated_holdings": 0},
            {"item_source_id": "i"},
        ),
        (
            {"webhook_type": "ITEM", "webhook_code": "ERROR", "item_id": "i", "error": "odd",
             "consent_expiration_time": "soon"},
            {"item_source_id": "i"},
        ),
        ({"webhook_type": "BRAND_NEW", "webhook_code": "SURPRISE", "x": [{}]}, {}),
    ],
)  # fmt: skip
def test_every_type_of_webhook_is_understood(body, hint):
    expected = WebhookHint(
        **{
            "item_source_id": None,
            "webhook_type": body["webhook_type"],
            "webhook_code": body["webhook_code"],
        }
        | hint
    )
    raw = json.dumps(body, indent=2).encode()

    assert webhooks.verify(raw, signed(raw), only_key, NOW) == expected
