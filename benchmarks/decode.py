"""Decoding one page of Plaid's to records with exact decimals."""

import time
from collections.abc import Callable

import msgspec

from app.providers.plaid import pages, structs
from benchmarks import extent, generated, measuring
from benchmarks.figures import Reading

PAGE_ROWS = 500
_typed = msgspec.json.Decoder(
    structs.SyncPage[structs.Transaction, structs.Removed, structs.Account]
)


def page_of_500() -> Reading:
    """Compare with msgspec's typed decode of the same bytes; milliseconds of processor time."""
    [body] = generated.plaid_pages("decode", PAGE_ROWS, page_rows=PAGE_ROWS)
    decoded = pages.decode_page(pages.TRANSACTIONS, body, None)
    assert len(decoded.changes.upserts) == PAGE_ROWS
    ours, floor = measuring.interleaved(
        extent.rounds(60),
        _cpu_milliseconds(lambda: pages.decode_page(pages.TRANSACTIONS, body, None)),
        _cpu_milliseconds(lambda: _typed.decode(body)),
    )
    return Reading(measuring.median(ours), measuring.median(floor), f"{len(body) // 1000} kB.")


def _cpu_milliseconds(action: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        started = time.process_time()
        action()
        return (time.process_time() - started) * 1000

    return measure
