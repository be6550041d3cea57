"""Signed webhooks: the keys, the signature, the delivery with Plaid's schedule of retries."""

import asyncio
import base64
import contextlib
import json
import time
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

import jwt
import urllib3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.simulator.errors import PlaidError
from app.simulator.faults import Faults
from app.simulator.settings import Settings
from app.simulator.state import SigningKey

FIRST_RETRY_SECONDS = 30.0
RETRY_FACTOR = 4
_LOG_MAX = 1_000
_WAITING_MAX = 10_000
_DAY_SECONDS = 86_400


def new_key() -> SigningKey:
    """Return a fresh key on the curve P-256."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    return SigningKey(kid=str(uuid4()), pem=pem, created_at=int(time.time()))


def _private(key: SigningKey) -> ec.EllipticCurvePrivateKey:
    loaded = serialization.load_pem_private_key(key.pem.encode(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return loaded


def public_jwk(key: SigningKey) -> dict[str, Any]:
    """Return what /webhook_verification_key/get answers for a key."""
    numbers = _private(key).public_key().public_numbers()
    x, y = (
        base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
        for number in (numbers.x, numbers.y)
    )
    return {
        "alg": "ES256",
        "crv": "P-256",
        "kid": key.kid,
        "kty": "EC",
        "use": "sig",
        "x": x,
        "y": y,
        "created_at": key.created_at,
        "expired_at": key.expired_at,
    }


def find_key(keys: list[SigningKey], kid: str) -> SigningKey:
    """Return a key by its id.

    Raises:
        PlaidError: INVALID_WEBHOOK_VERIFICATION_KEY_ID.
    """
    for key in keys:
        if key.kid == kid:
            return key
    raise PlaidError("INVALID_WEBHOOK_VERIFICATION_KEY_ID")


def sign(body: bytes, key: SigningKey, *, issued_at: int) -> str:
    """Return the JWT for the header `Plaid-Verification`, over exactly these bytes."""
    claims = {"iat": issued_at, "request_body_sha256": sha256(body).hexdigest()}
    return jwt.encode(claims, _private(key), algorithm="ES256", headers={"kid": key.kid})


@dataclass(slots=True)
class Delivery:
    """One webhook on its way."""

    url: str
    payload: dict[str, Any]
    statuses: list[int | str] = field(default_factory=list)
    """The answer to each attempt: a status, or what went wrong."""
    done: bool = False


class Courier:
    """Delivers webhooks in the background of the running event loop."""

    def __init__(self, settings: Settings, keys: list[SigningKey], faults: Faults) -> None:
        self.log: deque[Delivery] = deque(maxlen=_LOG_MAX)
        self._settings, self._keys, self._faults = settings, keys, faults
        self._pool = urllib3.PoolManager(retries=False, maxsize=4)
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: dict[str, asyncio.Lock] = {}
        self._held: Delivery | None = None
        self._answers: dict[str, deque[tuple[float, bool]]] = {}

    def send(self, url: str | None, payload: dict[str, Any]) -> None:
        """Start to deliver a webhook, unless there is no URL to send it to."""
        if not url or len(self._tasks) >= _WAITING_MAX:
            return
        delivery = Delivery(url, payload)
        self.log.append(delivery)
        if self._faults.strike("webhook_drop", item_id=payload.get("item_id")):
            delivery.statuses.append("dropped")
            delivery.done = True
            return
        if self._faults.strike("webhook_reorder", item_id=payload.get("item_id")):
            self._held = delivery
            return
        self._start(delivery)
        if self._faults.strike("webhook_duplicate", item_id=payload.get("item_id")):
            self._start(delivery)
        if self._held is not None:
            held, self._held = self._held, None
            self._start(held)

    def _start(self, delivery: Delivery) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up everything that is still on its way."""
        for task in list(self._tasks):
            task.cancel()
        for task in list(self._tasks):
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _deliver(self, delivery: Delivery) -> None:
        item_id = delivery.payload.get("item_id")
        delay = self._faults.strike("webhook_delay", item_id=item_id)
        if delay is not None:
            await asyncio.sleep(delay.seconds)
        # First attempts at one address keep their order; retries do not wait for each other.
        async with self._turns.setdefault(delivery.url, asyncio.Lock()):
            accepted = await self._attempt(delivery)
        wait = FIRST_RETRY_SECONDS
        for _ in range(self._settings.webhook_retries):
            if accepted or self._gave_up(delivery.url):
                break
            await asyncio.sleep(wait * self._settings.time_scale)
            wait *= RETRY_FACTOR
            accepted = await self._attempt(delivery)
        delivery.done = True

    async def _attempt(self, delivery: Delivery) -> bool:
        body, headers = self._signed(delivery.payload)
        status = await asyncio.to_thread(self._post, delivery.url, body, headers)
        delivery.statuses.append(status)
        answers = self._answers.setdefault(delivery.url, deque(maxlen=200))
        answers.append((time.monotonic(), status == 200))
        return status == 200

    def _signed(self, payload: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        item_id = payload.get("item_id")
        body = json.dumps(payload, indent=2).encode()
        key, issued_at = self._keys[-1], int(time.time())
        if self._faults.strike("webhook_late", item_id=item_id):
            issued_at -= _DAY_SECONDS
        if self._faults.strike("webhook_bad_signature", item_id=item_id):
            stranger = new_key()
            stranger.kid = key.kid
            key = stranger
        token = sign(body, key, issued_at=issued_at)
        if self._faults.strike("webhook_bad_hash", item_id=item_id):
            body += b"\n"
        return body, {"Content-Type": "application/json", "Plaid-Verification": token}

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int | str:
        timeout = self._settings.webhook_timeout_seconds
        try:
            answer = self._pool.request(
                "POST", url, body=body, headers=headers, timeout=timeout, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
        return int(answer.status)

    def _gave_up(self, url: str) -> bool:
        """Whether the address has refused more than nine in ten in the last 24 hours."""
        since = time.monotonic() - _DAY_SECONDS
        recent = [accepted for at, accepted in self._answers.get(url, ()) if at > since]
        return len(recent) >= 20 and sum(recent) * 10 < len(recent)
