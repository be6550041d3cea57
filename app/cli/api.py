"""A small client of the program's own JSON API, for commands that talk to the running one."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

BODY_BYTES_MAX = 20_000_000


class ApiError(Exception):
    """The other side refused or did not answer; the message says which and why."""

    def __init__(self, message: str, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        """0: nobody answered."""
        self.code = code
        """What Plaid calls the error, where it is Plaid or the simulator that was asked."""


@dataclass(frozen=True, slots=True)
class Api:
    """An HTTP server that speaks JSON, and the token to show it."""

    base_url: str
    token: str = ""
    timeout_seconds: float = 60.0

    def get(self, path: str) -> Any:  # noqa: ANN401 - what JSON holds
        """Return the JSON behind a path."""
        return self._ask("GET", path, None, "")

    def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401
        """Send JSON and return the JSON of the answer."""
        return self._ask("POST", path, json.dumps(body or {}), "application/json")

    def post_form(self, path: str, fields: Mapping[str, str]) -> Any:  # noqa: ANN401
        """Send a form and return the JSON of the answer."""
        return self._ask("POST", path, urlencode(fields), "application/x-www-form-urlencoded")

    def post_file(self, path: str, name: str, data: str, fields: Mapping[str, str]) -> Any:  # noqa: ANN401
        """Send a text file with the fields of a form, and return the JSON of the answer."""
        mark = secrets.token_hex(16)
        head = f"--{mark}\r\nContent-Disposition: form-data; name="
        parts = [f'{head}"{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
        parts.append(f'{head}"file"; filename="{name}"\r\n\r\n{data}\r\n--{mark}--\r\n')
        return self._ask("POST", path, "".join(parts), f"multipart/form-data; boundary={mark}")

    def log_in(self, email: str, password: str) -> "Api":
        """Return a client that speaks for a user.

        Raises:
            ApiError: With status 401, the password is wrong or there is no such user.
        """
        answer = self.post_form("/api/v1/auth/login", {"username": email, "password": password})
        return Api(self.base_url, answer["access_token"], self.timeout_seconds)

    def _ask(self, method: str, path: str, body: str | None, kind: str) -> Any:  # noqa: ANN401
        address = urlsplit(self.base_url)
        if not address.hostname:
            raise ApiError(f"{self.base_url!r} is not an address such as http://localhost:8000")
        connect = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = connect(address.hostname, address.port, timeout=self.timeout_seconds)
        headers = {"Accept": "application/json"}
        if kind:
            headers["Content-Type"] = kind
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            sent = None if body is None else body.encode()
            connection.request(method, address.path.rstrip("/") + path, sent, headers)
            response = connection.getresponse()
            content = response.read(BODY_BYTES_MAX)
        except (OSError, HTTPException) as error:
            raise ApiError(f"{self.base_url} does not answer: {error}") from error
        finally:
            connection.close()
        return _read(f"{method} {path}", response.status, content)


def _read(what: str, status: int, content: bytes) -> Any:  # noqa: ANN401
    try:
        answer = json.loads(content) if content else None
    except ValueError:
        answer = None
    if 200 <= status < 300:
        return answer
    reason = content[:200].decode("utf-8", "replace")
    code = ""
    if isinstance(answer, dict):
        names = ("detail", "error_message", "message", "title")
        reason = next((str(answer[name]) for name in names if answer.get(name)), reason)
        code = str(answer.get("error_code") or "")
    raise ApiError(f"{what} answered {status}: {reason or 'without a reason'}", status, code)
