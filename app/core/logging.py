"""Logs: one JSON object a line in production, columns in development, secrets taken out.

Web, worker and beat call `configure_logging`; library logs go through the same formatter.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import Processor

from app.core import metrics
from app.core.config import settings

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(
    r"passw|secret|token|authorization|cookie|csrf|api_?key|credential|private|"
    r"^(amount|description|email|body|payload)$",
    re.IGNORECASE,
)
_HARMLESS_NAMES = frozenset({"token_type", "tokens"})
# user:password@ in an address, bearer tokens, Plaid's tokens, and JWTs.
_SECRET_TEXT = re.compile(
    r"(?<=://)[^/\s@]+@"
    r"|(?<=[Bb]earer )[\w.~+/-]+=*"
    r"|\b(?:access|public|link|processor)-(?:sandbox|production|development)-[\w-]+"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
)
# PostgreSQL quotes the row that broke a rule, which may go over several lines.
_ROW_TEXT = re.compile(r"(?<=\nDETAIL:  ).*?(?=\n\[SQL|\n\n(?:The above|During)|\Z)", re.DOTALL)
# A line break or an escape sequence in foreign text must not forge a line or colour a terminal.
_CONTROLS = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
_CONTROL = re.compile(_CONTROLS)
# Whatever one of the above finds holds one of these; most texts hold none.
_MAYBE_UNCLEAN = re.compile(
    r"://|earer |-(?:sandbox|production|development)-|eyJ|\nDETAIL"
    rf"|{_CONTROLS}"
)
_TEXT_LENGTH_MAX = 2_000
_DEPTH_MAX = 4
_OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "alembic")


def configure_logging(*, force: bool = False) -> None:
    """Send every log of this process through one formatter to standard output.

    Args:
        force: Configure again, as tests do after they changed a setting.
    """
    if structlog.is_configured() and not force:
        return
    handler = _Handler(sys.stdout)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Our own events go straight to the handler's stream: by way of the standard library's
    # records, the line of a request cost a tenth of the request.
    structlog.configure(
        processors=[*shared, *_rendering()],
        logger_factory=lambda *names: _Lines(names[0] if names else "app", handler),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        cache_logger_on_first_use=not force,
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in _OWN_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # We write an access line of our own, with a request id and without the query.
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("httpx", "httpx2", "httpcore", "httpcore2", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be written is counted, and fails nobody's request."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Take note of a line that was not written."""
        if isinstance(sys.exc_info()[1], OSError):
            metrics.log_lines_lost.inc()
        else:
            super().handleError(record)


class _Lines:
    """Writes finished lines where the handler writes those of libraries, one at a time."""

    def __init__(self, name: str, handler: logging.StreamHandler[TextIO]) -> None:
        self.name = name
        self._handler = handler
        self._is_torn = False

    def msg(self, line: str) -> None:
        """Write a line, or count it as lost: a full disk must fail no request."""
        self._handler.acquire()
        try:
            self._handler.stream.write(f"\n{line}\n" if self._is_torn else f"{line}\n")
            self._handler.flush()
            self._is_torn = False
        except OSError:
            self._is_torn = True
            metrics.log_lines_lost.inc()
        finally:
            self._handler.release()

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


def _encode(event: Mapping[str, object], **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _rendering() -> list[Processor]:
    if settings.APP_ENV == "production":
        return [
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(serializer=_encode),
        ]
    return [redact, structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]


def redact(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Take secrets, people's data and control characters out of an event."""
    del logger, method
    for name, value in event.items():
        event[name] = _clean(name, value, depth=0)
    return event


def _clean(name: str, value: object, *, depth: int) -> object:
    if _is_secret(name):
        return REDACTED
    if isinstance(value, str):
        # Tracebacks keep their lines: they are ours, and JSON escapes them.
        return _clean_text(value, keep_lines=name in ("exception", "stack"))
    if isinstance(value, Mapping) and depth < _DEPTH_MAX:
        return {str(key): _clean(str(key), part, depth=depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)) and depth < _DEPTH_MAX:
        return [_clean(name, part, depth=depth + 1) for part in value[:100]]
    if value is None or isinstance(value, (bool, int, float)) or name == "exc_info":
        return value
    return _clean_text(str(value), keep_lines=False)


@lru_cache(maxsize=1_024)
def _is_secret(name: str) -> bool:
    """Tell whether values of that name must not be written; names are a small set."""
    return _SECRET_NAME.search(name) is not None and name not in _HARMLESS_NAMES


def _clean_text(text: str, *, keep_lines: bool) -> str:
    if len(text) <= _TEXT_LENGTH_MAX and not _MAYBE_UNCLEAN.search(text):
        return text
    text = _SECRET_TEXT.sub(REDACTED, _ROW_TEXT.sub(REDACTED, text))
    if keep_lines:
        return text[-20_000:]
    text = text if len(text) <= _TEXT_LENGTH_MAX else text[:_TEXT_LENGTH_MAX] + "…"
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
