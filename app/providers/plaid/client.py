"""Send requests to Plaid: keys, limits, retries; returns bodies, raises provider errors."""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.core import tracing
from app.core.http import HttpAnswer, HttpClient, HttpError
from app.providers.base import ProviderError, ProviderSetupError
from app.providers.plaid import errors, limits

API_VERSION = "2020-09-14"
ATTEMPTS_MAX = 4
TOTAL_SECONDS = 60.0
"""For one call with all its attempts and pauses."""
_BACKOFF_BASE_SECONDS = 0.5
_BACKOFF_MAX_SECONDS = 8.0
_LIMIT_WAIT_MAX_SECONDS = 5.0
"""How long a call may wait for its turn; longer waits are the scheduler's business."""


@dataclass(frozen=True, slots=True)
class PlaidSettings:
    """How to reach Plaid; only the base URL tells Plaid's hosts and our simulator apart."""

    client_id: str
    secret: str
    base_url: str
    environment: Literal["sandbox", "production"]
    client_name: str = "Transaction Aggregator"
    """Shown in Link; Plaid shows at most 30 characters."""
    country_codes: tuple[str, ...] = ("US",)
    language: str = "en"
    optional_products: tuple[str, ...] = ("investments",)
    """Read where the institution and the user's accounts have them."""
    pool_size: int = 10
    rate_share: float = 1.0
    """The part of Plaid's limits per client that this process may use."""

    def __post_init__(self) -> None:
        if self.environment == "production" and not self.base_url.startswith("https://"):
            raise ValueError("Plaid in production is reached by https only")

    def __repr__(self) -> str:
        return f"PlaidSettings(base_url={self.base_url!r}, environment={self.environment!r})"


class PlaidClient:
    """Calls Plaid's endpoints; may be shared by threads."""

    def __init__(
        self,
        settings: PlaidSettings,
        *,
        http: HttpClient | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = settings.base_url.rstrip("/")
        self._headers = {
            "Content-Type": "application/json",
            "PLAID-CLIENT-ID": settings.client_id,
            "PLAID-SECRET": settings.secret,
            "Plaid-Version": API_VERSION,
        }
        # nosemgrep: client-without-guard - the operator chose the address
        self._http = http or HttpClient(pool_size=settings.pool_size)
        self._sleep, self._monotonic = sleep, monotonic
        self._limiter = limits.RateLimiter(
            limits.PRODUCTION if settings.environment == "production" else limits.SANDBOX,
            share=settings.rate_share,
            monotonic=monotonic,
        )

    def post(
        self,
        endpoint: str,
        body: Mapping[str, object],
        *,
        ambiguous_attempts_max: int = ATTEMPTS_MAX,
    ) -> bytes:
        """Return the body of a successful answer.

        Tries again after outages, with full jitter, for at most a minute and four attempts.

        Args:
            endpoint: Such as `/transactions/sync`.
            body: Without the keys.
            ambiguous_attempts_max: How often the request may be sent while it is not known
                whether Plaid acted on an earlier one.

        Raises:
            ProviderError: By Plaid's code, or because there was no usable answer.
        """
        deadline = self._monotonic() + TOTAL_SECONDS
        access_token = body.get("access_token")
        content = json.dumps(body).encode()
        ambiguous = 0
        for attempt in range(1, ATTEMPTS_MAX + 1):
            self._wait_for_turn(endpoint, access_token if isinstance(access_token, str) else None)
            try:
                answer = self._send(endpoint, content, deadline)
            except HttpError as failure:
                error = _unreachable(failure)
                pause = self._backoff(attempt) if failure.temporary else None
                ambiguous += failure.sent
            else:
                if answer.status == 200:
                    return answer.body
                error, pause = self._failure(answer, attempt)
                ambiguous += answer.status >= 500
            out_of_tries = attempt == ATTEMPTS_MAX or ambiguous >= ambiguous_attempts_max
            if pause is None or out_of_tries or self._monotonic() + pause >= deadline:
                raise error
            self._sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _send(self, endpoint: str, content: bytes, deadline: float) -> HttpAnswer:
        with tracing.span(f"plaid {endpoint}"):
            return self._http.request(
                "POST",
                self._base_url + endpoint,
                headers=self._headers,
                body=content,
                timeout_seconds=max(deadline - self._monotonic(), 1.0),
            )

    def _failure(self, answer: HttpAnswer, attempt: int) -> tuple[ProviderError, float | None]:
        """Return the error, and the pause before another attempt where one makes sense."""
        asked = _retry_after_seconds(answer)
        rule, error = errors.rule_and_error(answer.status, answer.body, asked)
        if asked is not None and asked <= _BACKOFF_MAX_SECONDS and answer.status in (429, 503):
            return error, asked + self._backoff(1)
        return error, self._backoff(attempt) if rule.retry_now and asked is None else None

    def _backoff(self, attempt: int) -> float:
        ceiling = min(_BACKOFF_BASE_SECONDS * 2 ** (attempt - 1), _BACKOFF_MAX_SECONDS)
        return random.uniform(0, ceiling)  # noqa: S311 - jitter, not a secret

    def _wait_for_turn(self, endpoint: str, access_token: str | None) -> None:
        give_up_at = self._monotonic() + _LIMIT_WAIT_MAX_SECONDS
        while wait := self._limiter.seconds_until_allowed(endpoint, access_token):
            if self._monotonic() + wait > give_up_at:
                raise errors.limited(wait)
            self._sleep(wait)


def _unreachable(failure: HttpError) -> ProviderError:
    if failure.temporary:
        return errors.outage("UNREACHABLE")
    return ProviderSetupError("UNREACHABLE", f"The bank data service cannot be used: {failure}.")


def _retry_after_seconds(answer: HttpAnswer) -> float | None:
    """Read the header in its form of seconds; Plaid sends none, a proxy may."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), 3_600.0) if text.isdecimal() and text.isascii() else None
