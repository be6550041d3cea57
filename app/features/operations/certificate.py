"""How long the certificate at PUBLIC_URL is still good: for Prometheus and the operator's page."""

import datetime as dt
import threading
import time
from collections.abc import Iterator

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.core import certificate, clock, metrics
from app.core.config import settings

KEPT_SECONDS = 3600.0
AGAIN_SECONDS = 300.0
"""After a handshake that failed; what was seen last stands meanwhile."""
log = structlog.get_logger(__name__)


class Watch:
    """Looks at the certificate at most once an hour; may be shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._look_at = float("-inf")
        self._end: dt.datetime | None = None

    def left(self) -> dt.timedelta | None:
        """Return how long it is still good, negative once it has ended.

        None where PUBLIC_URL is not https, or its certificate was never seen from here.
        """
        if not settings.is_https:
            return None
        with self._lock:
            if time.monotonic() >= self._look_at:
                self._look()
            return self._end - clock.now() if self._end else None

    def _look(self) -> None:
        seconds = KEPT_SECONDS
        try:
            self._end = certificate.read_end(settings.PUBLIC_URL)
        except (OSError, ValueError) as error:
            log.warning("certificate_not_read", error=type(error).__name__)
            seconds = AGAIN_SECONDS
        self._look_at = time.monotonic() + seconds


watch = Watch()
"""Of this process."""


class CertificateCollector(Collector):
    """Tells Prometheus how long the certificate is still good, where there is one to see."""

    def describe(self) -> list[GaugeMetricFamily]:
        """Name nothing beforehand, so that registering asks nobody."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the seconds that are left."""
        left = watch.left()
        yield metrics.gauge(
            "fta_certificate_left_seconds",
            "Seconds until the certificate at PUBLIC_URL ends; negative after that.",
            [],
            {} if left is None else {(): left.total_seconds()},
        )
