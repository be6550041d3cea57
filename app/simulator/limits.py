"""Plaid's published rate limits, per Item and per client, in a sliding minute."""

import time
from collections import deque

from app.simulator.errors import PlaidError

_WINDOW_SECONDS = 60.0
_KEYS_MAX = 10_000

# Path: error code, sandbox per Item and per client, production per Item and per client.
_LIMITS: dict[str, tuple[str, int | None, int, int | None, int]] = {
    "/accounts/get": ("ACCOUNTS_LIMIT", 100, 5_000, 15, 15_000),
    "/accounts/balance/get": ("ACCOUNTS_BALANCE_GET_LIMIT", 25, 100, 5, 1_200),
    "/item/get": ("ITEM_GET_LIMIT", 40, 5_000, 15, 5_000),
    "/item/remove": ("RATE_LIMIT", 100, 500, 30, 2_000),
    "/transactions/sync": ("TRANSACTIONS_SYNC_LIMIT", 50, 1_000, 50, 2_500),
    "/transactions/get": ("TRANSACTIONS_LIMIT", 80, 1_000, 30, 20_000),
    "/transactions/recurring/get": ("RATE_LIMIT", 20, 1_000, 20, 1_000),
    "/transactions/refresh": ("TRANSACTIONS_REFRESH_LIMIT", 2, 100, 2, 100),
    "/investments/holdings/get": ("INVESTMENT_HOLDINGS_GET_LIMIT", 100, 1_000, 15, 2_000),
    "/investments/transactions/get": ("INVESTMENT_TRANSACTIONS_LIMIT", 100, 1_000, 30, 20_000),
    "/investments/refresh": ("RATE_LIMIT", 1, 100, 1, 100),
    "/liabilities/get": ("RATE_LIMIT", 10, 1_000, 15, 1_000),
    "/institutions/get": ("INSTITUTIONS_GET_LIMIT", None, 10, None, 50),
    "/institutions/get_by_id": ("INSTITUTIONS_GET_BY_ID_LIMIT", None, 400, None, 400),
    "/sandbox/transactions/create": ("RATE_LIMIT", 2, 50, 2, 50),
}


def limit_code(path: str) -> str:
    """Return the error code of a path's limit."""
    return _LIMITS[path][0] if path in _LIMITS else "RATE_LIMIT"


class Limiter:
    """Counts requests; `mode` is `sandbox`, `production` or `off`."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self._seen: dict[tuple[str, str], deque[float]] = {}

    def check(self, path: str, client_id: str, item_id: str | None) -> None:
        """Count a request.

        Raises:
            PlaidError: The limit of the path is reached; the request is not counted.
        """
        known = _LIMITS.get(path)
        if self.mode == "off" or known is None:
            return
        code, *numbers = known
        per_item, per_client = numbers[:2] if self.mode == "sandbox" else numbers[2:]
        keys = [(path, f"client {client_id}", per_client)]
        if item_id is not None and per_item is not None:
            keys.append((path, item_id, per_item))
        windows = [(self._window(path, who), most) for path, who, most in keys]
        if any(most is not None and len(window) >= most for window, most in windows):
            raise PlaidError(code)
        for window, _ in windows:
            window.append(time.monotonic())

    def _window(self, path: str, who: str) -> deque[float]:
        if len(self._seen) > _KEYS_MAX:
            self._seen.clear()
        window = self._seen.setdefault((path, who), deque())
        while window and window[0] < time.monotonic() - _WINDOW_SECONDS:
            window.popleft()
        return window
