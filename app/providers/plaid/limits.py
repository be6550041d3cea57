"""Plaid's rate limits, kept by ourselves, so that we never run into theirs.

The figures are Plaid's defaults as documented in March 2026, per minute. Each process counts for
itself: an installation with many processes passes its share of the limits.
"""

import hashlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping

WINDOW_SECONDS = 60.0
_WINDOWS_MAX = 10_000

Limits = Mapping[str, tuple[int | None, int]]
"""Endpoint → calls a minute per Item, and per client."""

PRODUCTION: Limits = {
    "/accounts/get": (15, 15_000),
    "/accounts/balance/get": (5, 1_200),
    "/item/get": (15, 5_000),
    "/item/remove": (30, 2_000),
    "/transactions/sync": (50, 2_500),
    "/transactions/recurring/get": (20, 1_000),
    "/transactions/refresh": (2, 100),
    "/investments/holdings/get": (15, 2_000),
    "/investments/transactions/get": (30, 20_000),
    "/investments/refresh": (1, 100),
    "/liabilities/get": (15, 1_000),
    "/institutions/get_by_id": (None, 400),
}
SANDBOX: Limits = {
    "/accounts/get": (100, 5_000),
    "/accounts/balance/get": (25, 100),
    "/item/get": (40, 5_000),
    "/item/remove": (100, 500),
    "/transactions/sync": (50, 1_000),
    "/transactions/recurring/get": (20, 1_000),
    "/transactions/refresh": (2, 100),
    "/investments/holdings/get": (100, 1_000),
    "/investments/transactions/get": (100, 1_000),
    "/investments/refresh": (1, 100),
    "/liabilities/get": (10, 1_000),
    "/institutions/get_by_id": (None, 400),
}


class RateLimiter:
    """Counts calls in sliding windows of a minute; may be shared by threads.

    A token bucket of the same rate would let twice the limit through in its first minute.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        share: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a limiter that keeps `share` of the per-client limits for this process."""
        self._limits = limits
        self._share = share
        self._monotonic = monotonic
        self._windows: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def seconds_until_allowed(self, endpoint: str, access_token: str | None) -> float:
        """Count a call and return 0, or return how long to wait and count nothing."""
        per_item, per_client = self._limits.get(endpoint, (None, 0))
        if not per_client:
            return 0.0
        windows = [(f"{endpoint} client", max(1, int(per_client * self._share)))]
        if per_item and access_token:
            digest = hashlib.sha256(access_token.encode()).hexdigest()  # no secrets as keys
            windows.append((f"{endpoint} {digest}", per_item))
        with self._lock:
            now = self._monotonic()
            calls = [(self._window(name), limit) for name, limit in windows]
            wait = max(_seconds_until_room(window, limit, now) for window, limit in calls)
            if wait <= 0:
                for window, _ in calls:
                    window.append(now)
            return max(wait, 0.0)

    def _window(self, name: str) -> deque[float]:
        window = self._windows.setdefault(name, deque())
        self._windows.move_to_end(name)
        if len(self._windows) > _WINDOWS_MAX:
            self._windows.popitem(last=False)
        return window


def _seconds_until_room(window: deque[float], limit: int, now: float) -> float:
    while window and window[0] <= now - WINDOW_SECONDS:
        window.popleft()
    return 0.0 if len(window) < limit else window[0] + WINDOW_SECONDS - now
