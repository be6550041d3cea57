"""Sending incidents in the background, few at a time: an outage must not become ours."""

import os
import threading
import time
from collections.abc import Sequence
from queue import Full, Queue

import structlog

from app.core.http import HttpClient, HttpError
from app.core.reporting.incidents import Incident
from app.core.reporting.trackers import Letter, Tracker

WAITING_MAX = 50
SECONDS_MAX = 10.0
QUIET_SECONDS, QUIET_SECONDS_MAX = 60, 3600
log = structlog.get_logger(__name__)


class Sender:
    """One thread that tells each tracker of each incident, in turn."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = trackers
        self._start()
        # Threads do not survive a fork.
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        # nosemgrep: client-without-guard - the operator chose the trackers
        self._client = HttpClient(pool_size=1, answer_bytes_max=64 * 1024)
        self._quiet_until = [0.0] * len(self._trackers)
        self._waiting: Queue[Incident] = Queue(WAITING_MAX)
        threading.Thread(target=self._run, name="error-reports", daemon=True).start()

    def send(self, incident: Incident) -> None:
        """Send it soon; leave it out when many wait, as in a storm the first ones tell enough."""
        try:
            self._waiting.put_nowait(incident)
        except Full:
            log.warning("error_report_dropped")

    def flush(self, seconds: float) -> None:
        """Wait until all is sent, `seconds` at most."""
        deadline = time.monotonic() + seconds
        with self._waiting.all_tasks_done:
            while self._waiting.unfinished_tasks and (left := deadline - time.monotonic()) > 0:
                self._waiting.all_tasks_done.wait(left)

    def _run(self) -> None:
        while True:
            incident = self._waiting.get()
            try:
                for number, tracker in enumerate(self._trackers):
                    if time.monotonic() >= self._quiet_until[number]:
                        self._quiet_until[number] = time.monotonic() + self._post(tracker(incident))
            except Exception as error:  # noqa: BLE001 - the thread has to live on
                log.warning("error_report_failed", error=type(error).__name__)
            finally:
                self._waiting.task_done()

    def _post(self, letter: Letter) -> float:
        """Send a letter; return the seconds for which its tracker wants no more."""
        try:
            answer = self._client.request(
                "POST",
                letter.url,
                headers=letter.headers,
                body=letter.body,
                timeout_seconds=SECONDS_MAX,
            )
        except HttpError as error:
            log.warning("error_report_failed", error=error.reason)
            return QUIET_SECONDS if error.temporary else 0
        if answer.status < 400:
            return 0
        log.warning("error_report_refused", status=answer.status)
        asked = answer.headers.get("Retry-After", "")
        seconds = int(asked) if asked.isdecimal() else QUIET_SECONDS
        return min(seconds, QUIET_SECONDS_MAX) if answer.status in (429, 503) else 0
