"""Talk to a SimpleFIN server that a person chose: claim a setup token, read accounts."""

import base64
import binascii
import datetime as dt
from urllib.parse import unquote, urlencode, urlsplit

from app.core.http import HttpAnswer, HttpClient, HttpError
from app.core.outbound import Allowance, Guard
from app.providers.base import ProviderContractError, ProviderError
from app.providers.simplefin import errors
from app.providers.simplefin.windows import Window

CLAIM_SECONDS = 30.0
READ_SECONDS = 60.0
TOKEN_CHARACTERS_MAX = 4_000
ADDRESS_CHARACTERS_MAX = 2_000
_NO_SETUP = (
    "This is not a SimpleFIN setup token. Copy the whole token that your SimpleFIN server shows; "
    "it is one long word."
)


class SimpleFINClient:
    """Asks only addresses that the guard lets through; may be shared by threads."""

    def __init__(self, allowance: Allowance, *, http: HttpClient | None = None) -> None:
        self._http = http or HttpClient(guard=Guard(allowance))

    def claim(self, setup_token: str) -> str:
        """Turn a setup token into an access URL, a secret; works once.

        Raises:
            ProviderUnavailableError: There was no answer; the token may be used up by it.
            ProviderError: It is no token, is used up, or its server may not be asked.
        """
        answer = self._request("POST", _claim_url(setup_token), b"", {}, CLAIM_SECONDS)
        if 400 <= answer.status < 500 and answer.status not in (408, 429):
            raise ProviderContractError("TOKEN_REFUSED", errors.USED_UP)
        if answer.status != 200:
            raise errors.of_status(answer.status)
        return _checked(answer.body)

    def accounts(self, access_url: str, window: Window) -> bytes:
        """Return the body of `GET /accounts` for some days, pending rows included.

        Raises:
            ProviderError: There is no body to be had.
        """
        root, credentials = _split(access_url)
        query = urlencode(
            {
                "version": "2",
                "start-date": _epoch(window.first),
                "end-date": _epoch(window.end),
                "pending": "1",
            }
        )
        headers = {"Authorization": f"Basic {credentials}", "Accept": "application/json"}
        answer = self._request("GET", f"{root}/accounts?{query}", None, headers, READ_SECONDS)
        if answer.status != 200:
            raise errors.of_status(answer.status)
        return answer.body

    def _request(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str], seconds: float
    ) -> HttpAnswer:
        try:
            return self._http.request(
                method, url, headers=headers, body=body, timeout_seconds=seconds
            )
        except HttpError as failure:
            raise errors.of_http(failure) from None


def _claim_url(setup_token: str) -> str:
    compact = "".join(setup_token.split())
    if not compact or len(compact) > TOKEN_CHARACTERS_MAX:
        raise _no_token()
    padded = compact.rstrip("=") + "=" * (-len(compact.rstrip("=")) % 4)
    try:
        url = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        # Some servers use the alphabet for addresses, others the usual one.
        url = _usual(padded)
    if not url.lower().startswith(("https://", "http://")):
        raise _no_token()
    return url


def _usual(padded: str) -> str:
    try:
        return base64.b64decode(padded, validate=True).decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise _no_token() from None


def _no_token() -> ProviderError:
    return ProviderContractError("NOT_A_TOKEN", _NO_SETUP)


def _checked(body: bytes) -> str:
    """Return the access URL of an answer; it is asked nothing yet."""
    try:
        access_url = body.decode("ascii").strip()
        _split(access_url)
    except (UnicodeDecodeError, ValueError):
        raise ProviderContractError(
            "UNEXPECTED_ANSWER",
            "Your SimpleFIN server answered with something that we do not understand. The token "
            "may be used up: make a new one there.",
        ) from None
    return access_url


def _split(access_url: str) -> tuple[str, str]:
    """Return an access URL without its user and password, and those for Basic authentication.

    Raises:
        ValueError: It has none, or is no address.
    """
    parts = urlsplit(access_url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if len(access_url) > ADDRESS_CHARACTERS_MAX or not parts.hostname or not user:
        raise ValueError("this is not an access URL")
    place = parts.netloc.rpartition("@")[2]
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}", credentials


def _epoch(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
