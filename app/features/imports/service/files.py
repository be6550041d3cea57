"""Files as they were read: in a process with limits, and kept for the next step of the import."""

import threading
import zlib
from collections import OrderedDict
from uuid import UUID

import msgspec

from app.core.errors import InvalidInputError, UnavailableError
from app.importers import sandbox
from app.importers.base import StatementError
from app.importers.csv_layout import CsvLayout
from app.importers.reading import Reading

CACHE_BYTES_MAX = 24 * 1024 * 1024
"""A file of 100,000 rows takes about 5 MiB; reading it again takes seconds."""
CACHE_FILES_MAX = 8

Key = tuple[UUID, bytes]
_cache: OrderedDict[Key, bytes] = OrderedDict()
_lock = threading.Lock()


class UnreadableFileError(InvalidInputError):
    """The file cannot be read; the message says why and what to do instead."""

    code = "unreadable_file"


def read(page_id: UUID, file_name: str, data: bytes, layout: CsvLayout | None) -> Reading:
    """Read a file that is in the journal; no transaction should be open, for it takes its time.

    Raises:
        UnreadableFileError: It cannot be read.
        UnavailableError: Too many files are being read.
    """
    key = (page_id, msgspec.json.encode(layout))
    with _lock:
        found = _cache.get(key)
        if found is not None:
            _cache.move_to_end(key)
    if found is not None:
        return sandbox.unpack(zlib.decompress(found))
    try:
        packed = sandbox.read_packed(file_name, data, layout)
        reading = sandbox.unpack(packed)
    except StatementError as error:
        raise UnreadableFileError(sentence(error), field=error.field or None) from error
    except sandbox.BusyError as error:
        raise UnavailableError(
            "Other files are being read right now. Try again in a minute.", retry_after_seconds=60
        ) from error
    # Under the layout as guessed, too: that is how the next step asks for it.
    _keep((page_id, msgspec.json.encode(reading.layout)), zlib.compress(packed, 1))
    return reading


def sentence(error: StatementError) -> str:
    """Return what is wrong with a file, as a sentence."""
    text = str(error)
    return text[:1].upper() + text[1:]


def _keep(key: Key, packed: bytes) -> None:
    if len(packed) > CACHE_BYTES_MAX:
        return
    with _lock:
        _cache[key] = packed
        while len(_cache) > CACHE_FILES_MAX or sum(map(len, _cache.values())) > CACHE_BYTES_MAX:
            _cache.popitem(last=False)
