"""Traces for any OTLP collector: a request, the tasks it asked for, their banks, and all their SQL.

Made by hand at the four places that everything passes, so that what leaves is a list of what may:
route templates, task names, methods, host names, statuses, verbs and tables. The ready-made
instrumentations send addresses, parameters and statements too, and banks' addresses are secrets.
Without a collector nothing is loaded, and a span costs one comparison.
"""

import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from app.core.config import settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from sqlalchemy import Connection
    from sqlalchemy.engine import ExceptionContext

SERVICE = "fintech"
_provider: "TracerProvider | None" = None
_tracer: trace.Tracer | None = None
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|COPY|TABLE)\s+(?:ONLY\s+)?\"?([a-z_][a-z_0-9]*)", re.I)
_VERBS = frozenset("SELECT INSERT UPDATE DELETE WITH COPY CREATE TRUNCATE LOCK SET".split())


def configure(process: str) -> None:
    """Send traces from now on, if a collector is set.

    Args:
        process: What kind of process this is: `web`, `worker`, `scheduler`.
    """
    global _provider, _tracer
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT or _provider is not None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415

    _provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.OTEL_TRACES_PERCENT / 100)),
        resource=Resource.create(
            {
                "service.name": f"{SERVICE}-{process}",
                "service.namespace": SERVICE,
                "deployment.environment.name": settings.APP_ENV,
            }
        ),
    )
    exporter = OTLPSpanExporter(
        f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces",
        headers=parse_headers(settings.OTEL_EXPORTER_OTLP_HEADERS),
        timeout=10,
    )
    # Its own thread sends; a queue of 2,048 spans at most, and what is more is left out.
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer(SERVICE)
    _watch_statements()


def parse_headers(text: str) -> dict[str, str]:
    """Read `name=value,…`, as collectors give it out."""
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    parent: Mapping[str, str] | None = None,
    is_root: bool = False,
    **attributes: str | int,
) -> Iterator[Span]:
    """Time a piece of work; what fails in it marks it by the kind of error alone.

    Args:
        name: From a closed set.
        kind: Who asks whom.
        parent: A carrier of `traceparent`, for what another process asked for.
        is_root: Begins a trace where there is none; else only what belongs to one is timed.
        **attributes: `a__b` becomes `a.b`.
    """
    if _tracer is None or not (is_root or trace.get_current_span().is_recording()):
        yield trace.INVALID_SPAN
        return
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    with _tracer.start_as_current_span(
        name,
        propagate.extract(parent) if parent else None,
        kind,
        given,
        record_exception=False,  # its text may hold a person's data
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except BaseException as error:
            fail(made, error)
            raise


def fail(failed: Span, error: BaseException) -> None:
    """Mark a span as failed, by the kind of error."""
    failed.set_attribute("error.type", type(error).__name__)
    failed.set_status(Status(StatusCode.ERROR))


def trace_id() -> str | None:
    """Return the 32 hexadecimal digits of the trace that goes on here; None without one."""
    found = trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else None


def carry(headers: MutableMapping[str, Any]) -> None:
    """Add what lets another process go on with the trace."""
    if _tracer is not None:
        propagate.inject(headers)


def begin(name: str, parent: Mapping[str, str], **attributes: str) -> object:
    """Begin a span that `end` ends, for callers that are told of begin and end one by one."""
    if _tracer is None:
        return None
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    made = _tracer.start_span(
        name, propagate.extract(parent), SpanKind.CONSUMER, given, record_exception=False
    )
    return made, context.attach(trace.set_span_in_context(made))


def end(begun: object, error: BaseException | None = None) -> None:
    """End what `begin` began."""
    if not isinstance(begun, tuple):
        return
    made, token = begun
    if error is not None:
        fail(made, error)
    made.end()
    context.detach(token)


def flush() -> None:
    """Send what waits; for processes that end."""
    if _provider is not None:
        _provider.force_flush(2_000)


@cache
def _watch_statements() -> None:
    """Make spans of all statements from now on, of whichever engine."""
    from sqlalchemy import Engine, event  # noqa: PLC0415  # the scheduler has no use for it

    @event.listens_for(Engine, "before_cursor_execute")
    def _begin(connection: "Connection", _cursor: object, statement: str, *_: object) -> None:
        if _tracer is None or not trace.get_current_span().is_recording():
            return
        summary = summarize(statement)
        connection.info["span"] = _tracer.start_span(
            summary, kind=SpanKind.CLIENT, attributes=_told_of(summary)
        )

    @event.listens_for(Engine, "after_cursor_execute")
    def _end(connection: "Connection", *_: object) -> None:
        if running := connection.info.pop("span", None):
            running.end()

    @event.listens_for(Engine, "handle_error")
    def _fail(failure: "ExceptionContext") -> None:
        if failure.connection and (running := failure.connection.info.pop("span", None)):
            fail(running, failure.original_exception)
            running.end()


def statement(text: str) -> AbstractContextManager[Span]:
    """Time a statement that SQLAlchemy knows nothing of."""
    if _tracer is None:
        return nullcontext(trace.INVALID_SPAN)
    summary = summarize(text)
    attributes: dict[str, Any] = {
        key.replace(".", "__"): value for key, value in _told_of(summary).items()
    }
    return span(summary, SpanKind.CLIENT, **attributes)


def _told_of(summary: str) -> dict[str, str]:
    return {
        "db.system.name": "postgresql",
        "db.operation.name": summary.partition(" ")[0],
        "db.query.summary": summary,
    }


@lru_cache(maxsize=1_024)
def summarize(statement: str) -> str:
    """Return a statement's verb and first table: all of it that leaves."""
    words = statement.split(None, 1)
    verb = words[0].upper() if words else ""
    if verb not in _VERBS:
        return "SQL"
    table = _TABLE.search(statement)
    return f"{verb} {table[1].lower()}" if table else verb
