"""Files sealed with AES-256-GCM in numbered chunks, so that they can be read as a stream.

    magic, length of the header, header (JSON: key id, salt, key check)
    chunk*: number (8 bytes), is it the last (1), length (4), ciphertext and tag

The key is derived for each file anew from one of ENCRYPTION_KEYS and the salt. Each chunk is bound
to the header, its number and whether it is the last: one that is changed, moved or missing shows.
"""

import hashlib
import hmac
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.backups import BackupError

MAGIC = b"fintech backup 1\n"
CHUNK_BYTES = 1 << 20
_TAG_BYTES = 16
_HEADER_BYTES_MAX = 4096
_CHUNK_HEAD = struct.Struct(">Q?I")
_LENGTH = struct.Struct(">I")


class Readable(Protocol):
    """What can be read: `count` bytes, fewer at the end only."""

    def read(self, count: int, /) -> bytes:
        """Return the next bytes."""


def derive(key: bytes, salt: bytes, purpose: str) -> bytes:
    """Return 32 bytes derived from one of the operator's keys for one purpose."""
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=f"backup {purpose}".encode())
    return kdf.derive(key)


def seal(parts: Iterable[bytes], key_id: str, key: bytes) -> Iterator[bytes]:
    """Yield the bytes of `parts` sealed, a chunk at a time."""
    salt = os.urandom(32)
    header = {"key_id": key_id, "salt": salt.hex(), "check": _key_check(key, salt)}
    text = json.dumps(header, sort_keys=True).encode()
    preamble = MAGIC + _LENGTH.pack(len(text)) + text
    cipher = AESGCM(derive(key, salt, "chunks"))
    yield preamble
    for number, is_last, chunk in _numbered(parts):
        nonce = number.to_bytes(12, "big")  # the key is this file's alone
        body = cipher.encrypt(nonce, chunk, _bind(preamble, number, is_last=is_last))
        yield _CHUNK_HEAD.pack(number, is_last, len(body)) + body


def opened(source: Readable, keys: Mapping[str, bytes]) -> Iterator[bytes]:
    """Yield the plain chunks of a sealed file, each one authenticated.

    Only after the last one is it certain that nothing is missing.

    Raises:
        BackupError: Cut off, changed, out of order, or sealed under a key that is not here.
    """
    preamble, header = _read_header(source)
    cipher = AESGCM(derive(_find_key(header, keys), bytes.fromhex(header["salt"]), "chunks"))
    expected, is_last = 0, False
    while not is_last:
        number, is_last, length = _CHUNK_HEAD.unpack(_exactly(source, _CHUNK_HEAD.size))
        if number != expected:
            raise BackupError(f"The file is out of order: chunk {number} stands at {expected}.")
        if not _TAG_BYTES <= length <= CHUNK_BYTES + _TAG_BYTES:
            raise BackupError(f"The file was changed: chunk {number} has an impossible length.")
        body = _exactly(source, length)
        try:
            bound = _bind(preamble, number, is_last=is_last)
            yield cipher.decrypt(number.to_bytes(12, "big"), body, bound)
        except InvalidTag:
            raise BackupError(f"The file was changed: chunk {number} does not open.") from None
        expected += 1
    if source.read(1):
        raise BackupError("The file was changed: something follows its last chunk.")


def _bind(preamble: bytes, number: int, *, is_last: bool) -> bytes:
    return preamble + struct.pack(">Q?", number, is_last)


def _key_check(key: bytes, salt: bytes) -> str:
    """Tell another key of the same id from a damaged file."""
    return hmac.new(derive(key, salt, "key check"), b"", hashlib.sha256).hexdigest()[:32]


def _numbered(parts: Iterable[bytes]) -> Iterator[tuple[int, bool, bytes]]:
    """Cut into chunks; at least one, and the last one known as such."""
    waiting, number = bytearray(), 0
    for part in parts:
        waiting += part
        while len(waiting) > CHUNK_BYTES:
            yield number, False, bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
            number += 1
    yield number, True, bytes(waiting)


def _read_header(source: Readable) -> tuple[bytes, dict[str, str]]:
    if source.read(len(MAGIC)) != MAGIC:
        raise BackupError("This is not a backup made by `fintech backup`.")
    raw_length = _exactly(source, _LENGTH.size)
    length = _LENGTH.unpack(raw_length)[0]
    if length > _HEADER_BYTES_MAX:
        raise BackupError("The file was changed: its header has an impossible length.")
    text = _exactly(source, length)
    try:
        header = json.loads(text)
        names = {name: str(header[name]) for name in ("key_id", "salt", "check")}
        bytes.fromhex(names["salt"])
    except (ValueError, KeyError, TypeError):
        raise BackupError("The file was changed: its header cannot be read.") from None
    return MAGIC + raw_length + text, names


def _find_key(header: Mapping[str, str], keys: Mapping[str, bytes]) -> bytes:
    key_id = header["key_id"]
    if key_id not in keys:
        raise BackupError(
            f"The file is sealed with the key {key_id!r}, which is not in ENCRYPTION_KEYS "
            f"({', '.join(keys)}): add it after the newest."
        )
    if not hmac.compare_digest(
        header["check"], _key_check(keys[key_id], bytes.fromhex(header["salt"]))
    ):
        raise BackupError(f"The key {key_id!r} in ENCRYPTION_KEYS is not the one of this file.")
    return keys[key_id]


def _exactly(source: Readable, count: int) -> bytes:
    read = source.read(count)
    if len(read) != count:
        raise BackupError("The file is cut off: its last chunk is missing.")
    return read
