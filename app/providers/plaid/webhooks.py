"""Prove that a webhook is from Plaid, and read the hint that it is.

Source: plaid.com/docs, "Webhook verification". The body is signed by its hash, in a JWT in the
header `Plaid-Verification`.
"""

import datetime as dt
import hashlib
import hmac
import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt

from app.providers.base import (
    ProviderContractError,
    ProviderError,
    WebhookHint,
    WebhookRefusedError,
)
from app.providers.decoding import decode, decode_leniently
from app.providers.plaid import errors
from app.providers.plaid.mapping import utc
from app.providers.plaid.structs import VerificationKey, VerificationKeyAnswer, Webhook

HEADER = "Plaid-Verification"
AGE_SECONDS_MAX = 300
AHEAD_SECONDS_MAX = 60
TOKEN_LENGTH_MAX = 4_096
FETCHES_PER_MINUTE_MAX = 6
KEY_SECONDS_MAX = 24 * 3_600
"""How long a key is used before it is asked for again, as it may have expired meanwhile."""
UNKNOWN_SECONDS_MAX = 600
_KEYS_MAX = 100
_UNKNOWN_MAX = 1_000

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

FetchKey = Callable[[str], VerificationKey | None]
"""Key id → key, None when Plaid has no such key; may raise a ProviderError."""


def verify(body: bytes, header: str | None, fetch_key: FetchKey, now: dt.datetime) -> WebhookHint:
    """Return the hint that a genuine webhook is; types that we do not know are fine.

    Args:
        body: Exactly as received; one changed blank breaks the hash.
        header: The value of `Plaid-Verification`.
        fetch_key: Asked for key ids that look like one, and only for those.
        now: For the age of the webhook and the expiry of the key.

    Raises:
        WebhookRefusedError: It is not from Plaid, not this body, too old, or not readable.
        ProviderError: The key could not be had at the moment; Plaid will send again.
    """
    if not header:
        raise WebhookRefusedError("the signature is missing")
    if len(header) > TOKEN_LENGTH_MAX:
        raise WebhookRefusedError("the signature is too long")
    key = fetch_key(_key_id(header))
    if key is None:
        raise WebhookRefusedError("the key is unknown")
    if key.expired_at is not None and key.expired_at <= now.timestamp():
        raise WebhookRefusedError("the key has expired")
    claims = _claims(header, key)
    issued_at, body_hash = claims.get("iat"), claims.get("request_body_sha256")
    if type(issued_at) is not int or not isinstance(body_hash, str):
        raise WebhookRefusedError("the signature lacks a claim")
    age = now.timestamp() - issued_at
    if age > AGE_SECONDS_MAX or age < -AHEAD_SECONDS_MAX:
        raise WebhookRefusedError("the signature is not of this time")
    actual = hashlib.sha256(body).hexdigest()
    if not hmac.compare_digest(actual.encode(), body_hash.encode("utf-8", "replace")):
        raise WebhookRefusedError("the body is not the one that was signed")
    return parse_hint(body)


def parse_hint(body: bytes) -> WebhookHint:
    """Return what a webhook of any type says, without checking who says it.

    Raises:
        WebhookRefusedError: It is not a webhook.
    """
    # What Plaid signed is not refused because of one odd field.
    webhook = decode_leniently(Webhook, body)
    if webhook is None:
        raise WebhookRefusedError("the body is not a webhook")
    tokens = [*(webhook.public_tokens or ()), webhook.public_token]
    error = webhook.error
    return WebhookHint(
        item_source_id=webhook.item_id,
        webhook_type=webhook.webhook_type,
        webhook_code=webhook.webhook_code,
        link_token=webhook.link_token,
        public_tokens=tuple(dict.fromkeys(token for token in tokens if token)),
        error_code=error.error_code or None if error else None,
        error_message=errors.message_of(error.error_type, error.error_code) if error else None,
        expires_at=utc(webhook.consent_expiration_time or webhook.disconnect_time),
    )


def _key_id(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise WebhookRefusedError("the signature is not a JWT") from None
    if header.get("alg") != "ES256":
        raise WebhookRefusedError("the signature has the wrong algorithm")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not _UUID.fullmatch(key_id):
        raise WebhookRefusedError("the key id is not valid")
    return key_id


def _claims(token: str, key: VerificationKey) -> dict[str, Any]:
    if (key.alg, key.kty, key.crv) != ("ES256", "EC", "P-256"):
        raise WebhookRefusedError("the key is of the wrong kind")
    try:
        public_key = jwt.PyJWK({"kty": "EC", "crv": "P-256", "x": key.x, "y": key.y}, "ES256")
        return jwt.decode(
            token,
            public_key,
            algorithms=["ES256"],
            # The clock is the caller's; the claims are checked there.
            options={"verify_iat": False, "verify_exp": False, "verify_nbf": False,
                     "verify_aud": False, "verify_iss": False},
        )  # fmt: skip
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise WebhookRefusedError("the signature is wrong") from None


@dataclass(frozen=True, slots=True)
class _Cached:
    key: VerificationKey
    fetched_at: float


class KeyCache:
    """Keeps keys, and ids that are none, so that senders cannot make us call Plaid.

    However many webhooks arrive: at most six fetches a minute, one at a time. Calling it has
    the shape of `FetchKey`. May be shared by threads.
    """

    def __init__(
        self,
        fetch: Callable[[str], VerificationKey | None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._monotonic = fetch, monotonic
        self._keys: OrderedDict[str, _Cached] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._fetches: deque[float] = deque(maxlen=FETCHES_PER_MINUTE_MAX)
        self._lock = threading.Lock()
        self._fetching = threading.Lock()

    def __call__(self, key_id: str) -> VerificationKey | None:
        """Return the key, None for an id that is known to be none.

        Raises:
            ProviderUnavailableError: The key has to be fetched, and this minute's fetches are
                used up or Plaid does not answer.
        """
        fresh, known = self._look_up(key_id)
        if fresh:
            return known
        with self._fetching:
            fresh, known = self._look_up(key_id)  # another thread may have fetched it
            if fresh:
                return known
            try:
                return self._fetch_and_keep(key_id)
            except ProviderError:
                if known is not None:
                    return known  # a day old; better than refusing what Plaid signed
                raise

    def _look_up(self, key_id: str) -> tuple[bool, VerificationKey | None]:
        now = self._monotonic()
        with self._lock:
            cached = self._keys.get(key_id)
            if cached is not None:
                self._keys.move_to_end(key_id)
                return now - cached.fetched_at < KEY_SECONDS_MAX, cached.key
            unknown_since = self._unknown.get(key_id)
            return unknown_since is not None and now - unknown_since < UNKNOWN_SECONDS_MAX, None

    def _fetch_and_keep(self, key_id: str) -> VerificationKey | None:
        now = self._monotonic()
        with self._lock:
            full = len(self._fetches) == FETCHES_PER_MINUTE_MAX
            if full and now - self._fetches[0] < 60:
                raise errors.limited(60 - (now - self._fetches[0]))
            self._fetches.append(now)
        key = self._fetch(key_id)
        with self._lock:
            if key is None:
                self._keys.pop(key_id, None)
                self._unknown[key_id] = now
                if len(self._unknown) > _UNKNOWN_MAX:
                    self._unknown.popitem(last=False)
            else:
                self._keys[key_id] = _Cached(key, now)
                if len(self._keys) > _KEYS_MAX:
                    self._keys.popitem(last=False)
        return key


def fetch_key(
    post: Callable[[str, dict[str, object]], bytes], key_id: str
) -> VerificationKey | None:
    """Ask Plaid for a key; None when it has none of that id in this environment."""
    try:
        body = post("/webhook_verification_key/get", {"key_id": key_id})
    except ProviderContractError as error:
        if error.code == "INVALID_WEBHOOK_VERIFICATION_KEY_ID":
            return None
        raise
    return decode(VerificationKeyAnswer, body).key
