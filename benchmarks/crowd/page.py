"""docs/reference/load.md, made from what `make load` measured last."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).with_name("measured.json")
STACK_MEASURED = Path(__file__).with_name("measured_stack.json")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "load.md"
_PARTS = ("web", "worker", "PostgreSQL", "Valkey")

_HEAD = """# Load

What one web process, one worker and one PostgreSQL carry together. Made by `make load` from its
last run; do not edit.

```
make load                            # {people} people with {rows:,} transactions each
make load PEOPLE=100 ROWS=20000 SECONDS=120
```

It starts an installation of its own, durable, with the bank simulator as everybody's bank; signs
people in; and sends what people do: pages, lists, search, edits, files, and banks that have news
and tell them by webhook, which a worker then fetches. Everything was on one machine of {cores}
cores, the crowd and the banks too, while other work kept {taken:.1f} of them busy: the times are
those of such a machine. The processor time of a request hardly depends on that.

## The mix

| Visits | People | Requests/s | p50 | p99 | Errors | web busy | PostgreSQL busy |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""
_EACH = """
## What each visit costs

{count} people at a time without pauses, one kind after the other. Milliseconds of processor time
of a request.

| Visit | p50 | p99 | Errors | web | worker | PostgreSQL | Valkey |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""
_SYNCS = """
## What a sync costs

Milliseconds of processor time, the webhook and the page of the program that asks for it included.

| Sync | Syncs | web | worker | PostgreSQL | Valkey |
| --- | ---: | ---: | ---: | ---: | ---: |
"""
_BYTES = """
## What a transaction takes on disk

Bytes with all indexes, of {rows:,} transactions a household. Together **{total:,.0f}**, and
{journal:,.0f} of the journal for a row that a bank's page brought, sealed.

| Table | Bytes |
| --- | ---: |
"""
_STACK = """
## The Compose stack

The same mix sent to `docker-compose.prod.yml` as it stands, by `make load-containers`: nginx with
TLS, two web servers, workers by queue, scheduler, PostgreSQL and Redis in containers, on one
machine of {cores} cores with the crowd itself and the bank, while other work kept {taken:.1f} of
them busy. Each person has {rows:,} transactions. The whole crowd has one address, so nginx's limits
by address were lifted for it. Two web servers share the cores with all the rest here: it is the
price of TLS and containers that this shows, not what a larger machine carries.

| Visits | People | Requests/s | p50 | p99 | Errors | {parts} |
| --- | ---: | ---: | ---: | ---: | ---: | {lines} |
"""
_SYNC_NAMES = {"news": "one new transaction, by webhook", "nothing": "nothing new, asked for"}


def render(found: Mapping[str, Any], stack: Mapping[str, Any] | None = None) -> str:
    """Return the page; `stack` is what the last run against the Compose stack found."""
    mix = found["mix"]
    parts = [
        _HEAD.format(
            people=found["people"],
            rows=found["rows"],
            cores=found["cores"],
            taken=found["taken_by_others"],
        ),
        *_rows(
            [
                part["name"], part["people"], part["requests_a_second"], _ms(part["p50_ms"]),
                _ms(part["p99_ms"]), _errors(part), part["busy"]["web"],
                part["busy"]["PostgreSQL"],
            ]
            for part in mix
        ),
        stack_table(stack) if stack else "",
        _EACH.format(count=found["each"][0]["people"]),
        *_rows(
            [part["name"], _ms(part["p50_ms"]), _ms(part["p99_ms"]), _errors(part)]
            + [part["cpu_ms"][name] for name in _PARTS]
            for part in [*found["each"], {**mix[-1], "name": "the mix, without pauses"}]
        ),
        _SYNCS,
        *_rows(
            [_SYNC_NAMES[name], sync["count"], *(sync[part] for part in _PARTS)]
            for name, sync in found["syncs"].items()
        ),
        _BYTES.format(rows=found["rows"], total=row_bytes(found), journal=journal_bytes(found)),
        *_rows(
            [f"`{name}`", f"{size:,.0f}"]
            for name, size in sorted(found["bytes"].items(), key=lambda each: -each[1])
            if "," not in name
        ),
    ]  # fmt: skip
    return "".join(parts)


def stack_table(found: Mapping[str, Any]) -> str:
    """Return what the page says of the Compose stack."""
    mix = found["mix"]
    names = list(mix[0]["busy"])
    head = _STACK.format(
        cores=found["cores"],
        rows=found["rows"],
        taken=found["taken_by_others"],
        parts=" | ".join(f"{name} busy" for name in names),
        lines=" | ".join("---:" for _ in names),
    )
    rows = _rows(
        [
            part["name"], part["people"], part["requests_a_second"], _ms(part["p50_ms"]),
            _ms(part["p99_ms"]), _errors(part), *part["busy"].values(),
        ]
        for part in mix
    )  # fmt: skip
    return "".join([head, *rows])


def row_bytes(found: Mapping[str, Any]) -> float:
    """Return the bytes of a transaction in all tables but the journal."""
    return float(
        sum(
            size
            for name, size in found["bytes"].items()
            if "," not in name and name != "journal_pages"
        )
    )


def journal_bytes(found: Mapping[str, Any]) -> float:
    """Return the bytes of the journal for a row that a sync brought."""
    return float(found["bytes"]["journal, of a synced row"])


def read() -> dict[str, Any]:
    """Return what the last run found."""
    found: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return found


def read_stack() -> dict[str, Any] | None:
    """Return what the last run against the Compose stack found; None before the first."""
    if not STACK_MEASURED.exists():
        return None
    found: dict[str, Any] = json.loads(STACK_MEASURED.read_text(encoding="utf-8"))
    return found


def write() -> None:
    """Write the page anew."""
    PAGE.write_text(render(read(), read_stack()), encoding="utf-8")


def _rows(rows: Iterable[list[object]]) -> list[str]:
    return [f"| {' | '.join(str(cell) for cell in row)} |\n" for row in rows]


def _ms(value: float) -> str:
    return f"{value:,.0f} ms"


def _errors(part: Mapping[str, Any]) -> str:
    told = ", ".join(f"{count} of {status}" for status, count in part["errors"].items())
    return told or "0"
