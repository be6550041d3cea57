"""Backups on their shelf: names, manifests, which are forgotten, and what happened last."""

import datetime as dt
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.backups import BackupError
from app.core.backups.places import Place
from app.core.backups.sealed import Readable, derive, opened
from app.core.embedded.home import write_private

NAME = "fintech-%Y%m%dT%H%M%SZ.backup"
"""By the second that the data is of, in UTC."""
_NAME = re.compile(r"fintech-\d{8}T\d{6}Z\.backup")
RECORD = "last.json"
_SALT = b"manifest"


def complete(place: Place) -> list[str]:
    """Return the names of the backups that have a manifest, the oldest first."""
    names = place.names()
    return sorted(name for name in names if _NAME.fullmatch(name) and manifest_of(name) in names)


def manifest_of(name: str) -> str:
    """Say how the manifest of a backup is called; it lies beside it."""
    return f"{name}.json"


def write_manifest(place: Place, name: str, manifest: dict[str, Any], key: bytes) -> None:
    """Write the manifest of a backup, with a code that only holders of the key can make."""
    signed = manifest | {"mac": _mac(manifest, key)}
    place.write_text(manifest_of(name), json.dumps(signed, indent=1, sort_keys=True))


def read_manifest(place: Place, name: str, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the manifest of a backup.

    Raises:
        BackupError: There is none, it was changed, or its key is not here.
    """
    path = place.path(manifest_of(name))
    text = place.read_text(manifest_of(name))
    if text is None:
        raise BackupError(f"{path} is missing: it says what {name} must hold.")
    try:
        manifest: dict[str, Any] = json.loads(text)
        mac, key_id = str(manifest.pop("mac")), str(manifest["key_id"])
    except (ValueError, KeyError, AttributeError):
        raise BackupError(f"{path} cannot be read: it was changed or cut off.") from None
    if key_id not in keys:
        raise BackupError(f"ENCRYPTION_KEYS has no key {key_id!r}: add it after the newest.")
    if not hmac.compare_digest(mac, _mac(manifest, keys[key_id])):
        raise BackupError(
            f"{path} was changed, or the key {key_id!r} in ENCRYPTION_KEYS is not the one "
            "that it was made with."
        )
    return manifest


def check_size(place: Place, name: str, manifest: Mapping[str, Any]) -> None:
    """Compare the size of a backup with its manifest.

    Raises:
        BackupError: It is not there, or of another size.
    """
    size = place.size(name)
    if size is None:
        raise BackupError(f"{place.path(name)} is missing.")
    if size != manifest["bytes"]:
        raise BackupError(
            f"{place.path(name)} has {size:,} bytes, its manifest says {manifest['bytes']:,}: "
            "it is cut off or another file."
        )


def check_file(
    place: Place, name: str, manifest: Mapping[str, Any], keys: Mapping[str, bytes]
) -> None:
    """Read all of a backup: its size and SHA-256 are its manifest's, and each chunk opens.

    Raises:
        BackupError: It is not there, or not the file that was written.
    """
    check_size(place, name, manifest)
    with place.open(name) as source:
        digested = _Digested(source)
        for _ in opened(digested, keys):
            continue
    if digested.sha256.hexdigest() != manifest["sha256"]:
        raise BackupError(f"{place.path(name)} was changed: its SHA-256 is not its manifest's.")


class _Digested:
    """Passes on what it reads, and knows its SHA-256: a bucket's file is read once for both."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.sha256 = hashlib.sha256()

    def read(self, count: int, /) -> bytes:
        part = self._source.read(count)
        self.sha256.update(part)
        return part


def forget(place: Place, keys: Mapping[str, bytes], keep: int) -> list[str]:
    """Delete all but the newest `keep` sound backups; return what was deleted.

    Only what a manifest of ours describes counts and goes: other files, and backups under keys
    that are not here, stay.
    """
    sound = []
    for name in reversed(complete(place)):
        try:
            check_size(place, name, read_manifest(place, name, keys))
        except BackupError:
            continue
        sound.append(name)
    for name in sound[keep:]:
        place.delete(name)
        place.delete(manifest_of(name))
    return sound[keep:]


def record(folder: Path, what: str, entry: Mapping[str, Any]) -> None:
    """Remember the last `backup` or `check`, wherever it lies, for `fintech doctor`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / RECORD, json.dumps(recorded(folder) | {what: dict(entry)}))


def recorded(folder: Path) -> dict[str, Any]:
    """Return what is remembered; nothing where there is nothing to read."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def recorded_at(folder: Path, what: str) -> dt.datetime | None:
    """Say when the last `backup` or `check` was; None where none is remembered."""
    try:
        return dt.datetime.fromisoformat(recorded(folder)[what]["at"])
    except (KeyError, TypeError, ValueError):
        return None


def _mac(manifest: Mapping[str, Any], key: bytes) -> str:
    text = json.dumps(manifest, sort_keys=True).encode()
    return hmac.new(derive(key, _SALT, "manifest"), text, hashlib.sha256).hexdigest()
