"""What Prometheus reads: names `fta_<noun>_<unit>`, labels from closed sets only."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_Labels = TypeVar("_Labels", bound=tuple[str, ...])

registry = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=registry)
PlatformCollector(registry=registry)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

requests = Counter(
    "fta_http_requests",
    "Requests answered, by method, route template and status.",
    ["method", "route", "status"],
    registry=registry,
)
request_seconds = Histogram(
    "fta_http_request_duration_seconds",
    "Time from the request's head to the end of its answer.",
    ["method", "route"],
    buckets=_SECONDS,
    registry=registry,
)
requests_in_progress = Gauge(
    "fta_http_requests_in_progress", "Requests being answered.", registry=registry
)
sign_ins = Counter(
    "fta_sign_ins",
    "Attempts to sign in, by outcome: ok, wrong, limited.",
    ["outcome"],
    registry=registry,
)
statement_seconds = Histogram(
    "fta_database_statement_duration_seconds",
    "Time that the database took for a statement, by its verb.",
    ["verb"],
    buckets=_SECONDS,
    registry=registry,
)
database_connections = Gauge(
    "fta_database_connections",
    "Connections to the database, by state: in_use, idle, and max, what there can be.",
    ["state"],
    registry=registry,
)
model_calls = Counter(
    "fta_model_calls",
    "Questions to the language model, by how they ended.",
    ["outcome"],
    registry=registry,
)
model_call_seconds = Histogram(
    "fta_model_call_duration_seconds",
    "Time from a question to the language model to its answer, with all attempts.",
    buckets=_SECONDS,
    registry=registry,
)
model_tokens = Counter(
    "fta_model_tokens",
    "Tokens that the language model read (in) and wrote (out).",
    ["direction"],
    registry=registry,
)
model_dollars = Counter(
    "fta_model_dollars",
    "What those tokens cost, by the prices of the settings.",
    registry=registry,
)
log_lines_lost = Counter(
    "fta_log_lines_lost",
    "Log lines that could not be written, such as on a full disk.",
    registry=registry,
)


def gauge(
    name: str, text: str, labels: Sequence[str], values: Mapping[_Labels, float]
) -> GaugeMetricFamily:
    """Return a gauge that a collector measured just now.

    Args:
        name: As Prometheus shows it.
        text: What it counts.
        labels: Names of its labels, none for a single figure.
        values: By the values of the labels, in their order; empty where there is nothing to tell.
    """
    family = GaugeMetricFamily(name, text, labels=labels)
    for labelled, value in values.items():
        family.add_metric(labelled, value)
    return family


def render() -> bytes:
    """Return all metrics of this process in Prometheus' text format."""
    return generate_latest(registry)
