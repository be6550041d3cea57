"""Devices of the cast that keep passkeys (ES256, no attestation), and what a page's script does."""

import base64
import datetime as dt
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from itertools import count

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import select

from app.core import csrf, database
from app.core.config import settings
from app.models import Passkey
from tests.cast import BASE_URL, Browser, SignedInBrowser

SIGN_IN, CODE, CONFIRM = "/sign-in/passkey", "/sign-in/code/passkey", "/confirm/passkey"
MINE = "/settings/passkeys"
_addresses = count(1)
LATER = dt.timedelta(minutes=settings.RECENT_SIGN_IN_MINUTES, seconds=1)
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Device:
    """An honest one; a test makes it lie by changing what it says."""

    origin: str = BASE_URL
    host: str = "localhost"
    flags: int = PRESENT | VERIFIED
    count: int = 0
    """Of its last signature; one that stays below zero always says 0."""
    challenge: bytes | None = None
    """Signed in place of the one that was asked for."""
    handle: bytes = b""
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def create(self, options: dict) -> str:
        """Answer `navigator.credentials.create`."""
        self.handle = decode(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        point = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, **point})
        length = len(self.credential_id).to_bytes(2, "big")
        about = self._about(ATTESTED) + bytes(16) + length + self.credential_id + cose
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": about})
        client = self._client("webauthn.create", options)
        return self._credential(clientDataJSON=client, attestationObject=attestation)

    def get(self, options: dict) -> str:
        """Answer `navigator.credentials.get`."""
        about, client = self._about(), self._client("webauthn.get", options)
        signed = about + hashlib.sha256(client).digest()
        return self._credential(
            clientDataJSON=client,
            authenticatorData=about,
            signature=self.key.sign(signed, ec.ECDSA(hashes.SHA256())),
            userHandle=self.handle,
        )

    def _about(self, more_flags: int = 0) -> bytes:
        self.count += 1
        told = max(self.count, 0).to_bytes(4, "big")
        host = hashlib.sha256(self.host.encode()).digest()
        return host + bytes([self.flags | more_flags]) + told

    def _client(self, kind: str, options: dict) -> bytes:
        challenge = encode(self.challenge) if self.challenge else options["challenge"]
        return json.dumps(
            {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        ).encode()

    def _credential(self, **response: bytes) -> str:
        name = encode(self.credential_id)
        encoded = {key: encode(value) for key, value in response.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": encoded})


def begin(browser: Browser, path: str, **data: str) -> dict:
    """Ask the server what to ask a device for, as the page's script does."""
    answer = browser.post(f"{path}/begin", data=data)
    assert answer.status_code == 200, answer.text
    return answer.json()


def bring(browser: Browser, path: str, device: Device, **data: str) -> Response:
    """Let a device answer, and send what it says."""
    begun = begin(browser, path, **data)
    return send(browser, path, begun, device.get(begun["options"]), **data)


def send(browser: Browser, path: str, begun: dict, credential: str, **data: str) -> Response:
    data |= {"ticket": begun["ticket"], "credential": credential}
    return browser.post(path, data=data)


def add(who: SignedInBrowser, device: Device | None = None, name: str = "My key") -> Device:
    """Add a passkey of a device, as a person does on the page."""
    device, path = device or Device(), "/settings/passkeys"
    begun = begin(who, path)
    answer = send(who, path, begun, device.create(begun["options"]), name=name)
    assert answer.status_code == 303, answer.text
    return device


def arrive(app: FastAPI, address: str = "") -> Browser:
    """Open the sign-in page in another browser, from a network of its own."""
    browser = Browser(app, address=address or f"198.18.0.{next(_addresses)}")
    browser.greet()
    return browser


def is_in(browser: Browser) -> bool:
    return csrf.SESSION_COOKIE in browser.cookies


def stored(who: SignedInBrowser) -> list[Passkey]:
    with database.system_transaction() as session:
        return list(session.scalars(select(Passkey).where(Passkey.user_id == who.user_id)))
