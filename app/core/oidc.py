"""OpenID Connect: what the provider of OIDC_ISSUER says of who signed in there (Core 1.0).

Authorization code with PKCE. Addresses and keys come from the provider's discovery document, over
our own HTTP client with its limits, and are kept for an hour; a key that is not among them is
looked for again, at most every ten seconds, so that neither a rotation nor a stranger's key id
costs more. While the provider hangs a few requests wait for it and nobody waits for those: a thread
that waits is one fewer for everybody else.
"""

import base64
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt

from app.core.config import settings
from app.core.http import HttpClient, HttpError
from app.core.tickets import Ticket
from app.core.turns import NoTurnError, Turns

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures by keys that only the provider has; never `none`, never a shared secret."""
SCOPE = "openid email profile"
CALLBACK_PATH = "/sign-in/oidc/callback"
KEPT_SECONDS = 3600.0
ASKED_AGAIN_SECONDS = 10.0
"""After an attempt that brought nothing."""
REDEEMED_AT_ONCE_MAX = 4
WAITING_MAX = 4
WAIT_SECONDS_MAX = 2.0
"""For a provider that is well; where it hangs, the threads of the server go on without it."""
"""Codes, by one process, whose threads serve everybody."""
ANSWER_BYTES_MAX = 256 * 1024
KEYS_MAX = 50
TIMEOUT_SECONDS = 5.0
SUBJECT_LENGTH_MAX = 255
"""OpenID Connect Core 1.0, section 2, `sub`."""
_SKEW_SECONDS = 60
_BASIC = "client_secret_basic"
_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "nonce")


class OidcError(Exception):
    """The provider cannot be asked, or what it says is not right; the text is for the log."""


class OidcUnavailableError(OidcError):
    """The provider does not answer, or is in trouble itself: nobody was refused."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in at the provider."""

    issuer: str
    subject: str
    email: str
    """Empty unless the provider says that it has verified the address."""
    name: str


@dataclass(frozen=True, slots=True)
class _Provider:
    authorize_url: str
    token_url: str
    keys_url: str
    takes_basic: bool
    """Whether the secret goes into the header, as every provider has to take it (RFC 6749, section
    2.3.1) unless its discovery document names other ways alone; else into the body."""


def is_on() -> bool:
    """Tell whether there is a provider."""
    return bool(settings.OIDC_ISSUER)


def redirect_uri() -> str:
    """Return where the provider sends browsers back, which has to be registered there."""
    return settings.PUBLIC_URL.rstrip("/") + CALLBACK_PATH


def authorize_url(ticket: Ticket) -> str:
    """Return where the browser goes to sign in.

    Raises:
        OidcError: The provider does not answer, or says something that is not right.
    """
    digest = hashlib.sha256(_verifier(ticket).encode()).digest()
    query = urlencode(
        {
            "response_type": "code",
            "client_id": settings.OIDC_CLIENT_ID,
            "redirect_uri": redirect_uri(),
            "scope": SCOPE,
            "state": ticket.text,
            "nonce": _nonce(ticket),
            "code_challenge": _encode(digest),
            "code_challenge_method": "S256",
        }
    )
    address = _documents.provider().authorize_url
    return f"{address}{'&' if urlsplit(address).query else '?'}{query}"


def exchange(code: str, ticket: Ticket) -> Identity:
    """Return who signed in, for the code that their browser brought back.

    Raises:
        OidcError: There is no code, as when they chose not to sign in; the provider refuses it, or
            its token is not right in every claim.
        OidcUnavailableError: It cannot say now. The code may be used up all the same.
    """
    if not code:
        raise OidcError("the browser brought no code")
    provider = _documents.provider()
    headers, proof = _proof(provider)
    body = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(),
        "code_verifier": _verifier(ticket),
        **proof,
    }
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = _redeem(provider.token_url, urlencode(body).encode(), headers)
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise OidcError("the answer has no id_token")
    return _read(token, _nonce(ticket))


def _redeem(url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    try:
        with _redeeming.taken():
            return _ask("POST", url, body, headers)
    except NoTurnError:
        raise OidcUnavailableError("too many wait for the provider already") from None


def _proof(provider: _Provider) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers and the fields by which the provider knows that it is us who ask."""
    name, secret = settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET.get_secret_value()
    if not provider.takes_basic:
        return {}, {"client_id": name, "client_secret": secret}
    pair = f"{quote_plus(name)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}


def _read(token: str, nonce: str) -> Identity:
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        claims = jwt.decode(
            token,
            _documents.key(key_id),
            algorithms=list(ALGORITHMS),
            audience=settings.OIDC_CLIENT_ID,
            issuer=settings.OIDC_ISSUER,
            leeway=_SKEW_SECONDS,
            options={"require": list(_CLAIMS)},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise OidcError(f"the id_token is not right: {error}") from None
    if claims["nonce"] != nonce:
        raise OidcError("the id_token is for another attempt")
    is_ours_alone = claims["aud"] in (settings.OIDC_CLIENT_ID, [settings.OIDC_CLIENT_ID])
    if not is_ours_alone and claims.get("azp") != settings.OIDC_CLIENT_ID:
        raise OidcError("the id_token is for another program as well")
    subject = claims["sub"]
    if not (isinstance(subject, str) and _is_subject(subject)):
        raise OidcError("the id_token has no subject")
    is_verified = claims.get("email_verified") is True
    return Identity(
        issuer=settings.OIDC_ISSUER,
        subject=subject,
        email=_text(claims, "email") if is_verified else "",
        name=_text(claims, "name"),
    )


def _is_subject(text: str) -> bool:
    return 0 < len(text) <= SUBJECT_LENGTH_MAX and text.isascii() and text.isprintable()


def _turns(at_once: int) -> Turns:
    return Turns(at_once, waiting=WAITING_MAX, seconds=WAIT_SECONDS_MAX)


class _Documents:
    """The provider's addresses and keys, as this process knows them; safe for threads."""

    def __init__(self) -> None:
        self._looking = _turns(1)
        self.forget()

    def forget(self) -> None:
        """Look for everything anew, as tests do that start another provider."""
        self._provider: _Provider | None = None
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._provider_asked = self._keys_asked = -math.inf

    def provider(self) -> _Provider:
        """Return the addresses that the discovery document names.

        Raises:
            OidcError: There is none, or was none a moment ago.
        """
        self._look(self._is_provider_due, self._renew_provider, waits=self._provider is None)
        provider = self._provider
        if provider is None:
            raise OidcUnavailableError("the provider did not answer a moment ago, or yet")
        return provider

    def key(self, key_id: str | None) -> jwt.PyJWK:
        """Return a key of the provider.

        Raises:
            OidcError: It has no such key.
            OidcUnavailableError: It shows none, or did not a moment ago, or not yet.
        """
        address = self.provider().keys_url
        is_settled = self._look(
            lambda: self._is_key_due(key_id),
            lambda: self._renew_keys(address),
            waits=key_id not in self._keys,
        )
        keys = self._keys
        if key_id in keys:
            return keys[key_id]
        if not (keys and is_settled):
            raise OidcUnavailableError("the provider showed no keys a moment ago, or yet")
        raise OidcError("the id_token is signed by a key that the provider does not show")

    def _look(self, is_due: Callable[[], bool], renew: Callable[[], None], *, waits: bool) -> bool:
        """Renew what is due; False if another request is at it still.

        Who knows what it was does not wait for that.
        """
        if not is_due():
            return True
        try:
            with self._looking.taken(waits=waits):
                if is_due():  # still, as another may have come to its end in between
                    renew()
        except NoTurnError:
            return False
        return True

    def _is_provider_due(self) -> bool:
        age = time.monotonic() - self._provider_asked
        return age > (KEPT_SECONDS if self._provider else ASKED_AGAIN_SECONDS)

    def _is_key_due(self, key_id: str | None) -> bool:
        age = time.monotonic() - self._keys_asked
        return age > (KEPT_SECONDS if key_id in self._keys else ASKED_AGAIN_SECONDS)

    def _renew_provider(self) -> None:
        found = None
        try:
            found = _discover()
        finally:
            self._provider, self._provider_asked = found, time.monotonic()

    def _renew_keys(self, address: str) -> None:
        # None are left if it does not answer: it may have taken one of them back.
        found: dict[str | None, jwt.PyJWK] = {}
        try:
            found = _fetch_keys(address)
        finally:
            self._keys, self._keys_asked = found, time.monotonic()


def _discover() -> _Provider:
    base = settings.OIDC_ISSUER.rstrip("/")
    found = _ask("GET", f"{base}/.well-known/openid-configuration")
    if found.get("issuer") != settings.OIDC_ISSUER:
        raise OidcError("the discovery document is another issuer's: OIDC_ISSUER has to be its own")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    urls = [found.get(name) for name in names]
    if not all(isinstance(url, str) and _may_ask(url) for url in urls):
        raise OidcError("the discovery document lacks addresses")
    ways = found.get("token_endpoint_auth_methods_supported", [_BASIC])
    takes_basic = isinstance(ways, list) and _BASIC in ways
    authorize_url, token_url, keys_url = map(str, urls)
    return _Provider(authorize_url, token_url, keys_url, takes_basic)


def _may_ask(url: str) -> bool:
    """Tell whether it is an address, and as well protected on the way as the issuer's own."""
    try:
        return urlsplit(url).scheme in ("https", urlsplit(settings.OIDC_ISSUER).scheme)
    except ValueError:
        return False


def _fetch_keys(address: str) -> dict[str | None, jwt.PyJWK]:
    """Return the keys by their ids; what we cannot use is left out.

    A key without `alg` verifies one kind of signature: RS256 for RSA, else that of its curve.
    """
    listed = _ask("GET", address).get("keys")
    found: dict[str | None, jwt.PyJWK] = {}
    for each in listed[:KEYS_MAX] if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("use", "sig") == "sig" and each.get("kty") != "oct":
            try:
                found[each.get("kid")] = jwt.PyJWK(each)
            except (jwt.PyJWTError, ValueError, TypeError):
                continue
    return found


def _ask(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the provider's answer, a JSON object.

    Raises:
        OidcUnavailableError: There is none, or the provider is in trouble or busy.
        OidcError: It refuses.
    """
    try:
        answer = _client.request(
            method, url, body=body, headers={"Accept": "application/json", **(headers or {})},
            timeout_seconds=TIMEOUT_SECONDS,
        )  # fmt: skip
        found = json.loads(answer.body) if answer.status == 200 else None
    except (HttpError, ValueError, RecursionError) as error:
        raise OidcUnavailableError(f"the provider cannot be asked: {error}") from None
    if answer.status == 429 or answer.status >= 500:
        raise OidcUnavailableError(f"the provider answered {answer.status}")
    if not isinstance(found, dict):
        raise OidcError(f"the provider answered {answer.status}")
    return found


def _nonce(ticket: Ticket) -> str:
    return _encode(ticket.derive("nonce"))


def _verifier(ticket: Ticket) -> str:
    return _encode(ticket.derive("code verifier"))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) and value.isprintable() else ""


# nosemgrep: client-without-guard - the operator chose it, perhaps in the same private network
_client = HttpClient(pool_size=REDEEMED_AT_ONCE_MAX + 1, answer_bytes_max=ANSWER_BYTES_MAX)
_redeeming = _turns(REDEEMED_AT_ONCE_MAX)
_documents = _Documents()
