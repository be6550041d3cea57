"""A small OpenID Connect provider over loopback: discovery, keys, codes with PKCE, ES256."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from app.core import clock

CLIENT_ID, CLIENT_SECRET = "fintech", "a secret: of the provider & us, +100 % alone"


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Provider:
    """An honest one; a test makes it lie by changing what it says."""

    url: str = ""
    key_id: str = "first"
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    lies: dict[str, Any] = field(default_factory=dict)
    """Claims that are put in place of the right ones; those that are None are left out."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Codes that were not used yet, each with what was asked for."""
    asked: list[str] = field(default_factory=list)
    """Paths, in their order."""
    ways: list[str] | None = None
    """How a client may show its secret; None: discovery does not say, which means the header."""
    down: tuple[str, ...] = ()
    """Paths that are answered with 503."""
    issuer: str = ""
    """What discovery says, if it is not the address."""

    def authorize(self, address: str, subject: str, **claims: object) -> dict[str, str]:
        """Sign somebody in; return what their browser brings back."""
        wanted = dict(parse_qsl(urlsplit(address).query))
        assert address.startswith(f"{self.url}/authorize?")
        assert wanted["client_id"] == CLIENT_ID
        assert wanted["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**wanted, "claims": json.dumps({"sub": subject, **claims})}
        return {"state": wanted["state"], "code": code}

    def page(self, path: str) -> str:
        """Return the page where a person with a browser signs in, or chooses not to."""
        address = self.url + path
        wanted = dict(parse_qsl(urlsplit(address).query))
        choices = {
            "Go on as Grace": self.authorize(address, "grace"),
            "Leave it": {"state": wanted["state"], "error": "access_denied"},
        }
        links = "".join(
            f'<p><a href="{escape(wanted["redirect_uri"])}?{escape(urlencode(back))}">{words}</a>'
            for words, back in choices.items()
        )
        return f'<!doctype html><title>Example SSO</title><link rel="icon" href="data:">{links}'

    def rotate(self) -> None:
        """Sign with another key from now on, and show no other."""
        self.key, self.key_id = new_key(), secrets.token_hex(4)

    def answer(self, path: str, form: dict[str, str], proof: str = "") -> tuple[int, object]:
        self.asked.append(path)
        if path in self.down:
            return 503, {}
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer or self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                **({"token_endpoint_auth_methods_supported": self.ways} if self.ways else {}),
            }
        if path == "/keys":
            shown = json.loads(ECAlgorithm.to_jwk(self.key.public_key()))
            return 200, {"keys": [{**shown, "kid": self.key_id, "use": "sig", "alg": "ES256"}]}
        return self._token(form, proof) if path == "/token" else (404, {})

    def _token(self, form: dict[str, str], proof: str) -> tuple[int, object]:
        wanted = self.codes.pop(form["code"], None)
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if (
            wanted is None
            or wanted["code_challenge"] != challenge
            or wanted["redirect_uri"] != form["redirect_uri"]
            or self._client(form, proof) != [CLIENT_ID, CLIENT_SECRET]
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {"token_type": "Bearer", "access_token": "x", "id_token": self._sign(wanted)}

    def _client(self, form: dict[str, str], proof: str) -> list[str | None]:
        if self.ways and "client_secret_basic" not in self.ways:
            return [form.get("client_id"), form.get("client_secret")]
        pair = base64.b64decode(proof.removeprefix("Basic ")).decode()
        return [unquote_plus(part) for part in pair.split(":")]

    def _sign(self, wanted: dict[str, str]) -> str:
        now = int(clock.now().timestamp())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": wanted["nonce"],
            **json.loads(wanted["claims"]),
        }
        lies = dict(self.lies)
        algorithm, key = lies.pop("alg", "ES256"), lies.pop("key", self.key)
        claims = {name: value for name, value in {**claims, **lies}.items() if value is not None}
        return jwt.encode(claims, key, algorithm, headers={"kid": self.key_id})


@contextmanager
def running() -> Iterator[Provider]:
    """Start one."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if urlsplit(self.path).path == "/authorize":
                self._send_page(provider.page(self.path))
            else:
                self._send({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send({name: values[0] for name, values in parse_qs(body).items()})

        def _send(self, form: dict[str, str]) -> None:
            proof = self.headers.get("Authorization", "")
            status, found = provider.answer(urlsplit(self.path).path, form, proof)
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _send_page(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield provider
        server.shutdown()
        thread.join()
