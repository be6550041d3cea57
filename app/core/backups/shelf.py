"""The folder of backups: names, manifests, which are forgotten, and what happened last."""

import datetime as dt
import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.core.backups import BackupError
from app.core.backups.sealed import derive
from app.core.embedded.home import write_private

NAME = "fintech-*.backup"
RECORD = "last.json"
_SALT = b"manifest"


def manifest_of(file: Path) -> Path:
    """Say where the manifest of a backup lies: beside it."""
    return file.with_name(file.name + ".json")


def write_manifest(file: Path, manifest: dict[str, Any], key: bytes) -> None:
    """Write the manifest of a backup, with a code that only holders of the key can make."""
    signed = manifest | {"mac": _mac(manifest, key)}
    write_private(manifest_of(file), json.dumps(signed, indent=1, sort_keys=True))


def read_manifest(file: Path, keys: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the manifest of a backup.

    Raises:
        BackupError: There is none, it was changed, or its key is not here.
    """
    path = manifest_of(file)
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        mac, key_id = str(manifest.pop("mac")), str(manifest["key_id"])
    except OSError:
        raise BackupError(f"{path} is missing: it says what {file.name} must hold.") from None
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


def check_file(file: Path, manifest: Mapping[str, Any]) -> None:
    """Compare size and SHA-256 of a backup with its manifest.

    Raises:
        BackupError: It is not there, or not the file that was written.
    """
    if not file.is_file():
        raise BackupError(f"{file} is missing.")
    if file.stat().st_size != manifest["bytes"]:
        raise BackupError(
            f"{file} has {file.stat().st_size:,} bytes, its manifest says {manifest['bytes']:,}: "
            "it is cut off or another file."
        )
    with file.open("rb") as source:
        if hashlib.file_digest(source, "sha256").hexdigest() != manifest["sha256"]:
            raise BackupError(f"{file} was changed: its SHA-256 is not that of its manifest.")


def forget(folder: Path, keys: Mapping[str, bytes], keep: int) -> list[Path]:
    """Delete all but the newest `keep` sound backups; return what was deleted.

    Only what a manifest of ours describes counts and goes: other files, and backups under keys
    that are not here, stay.
    """
    sound = []
    for file in sorted(folder.glob(NAME), reverse=True):
        try:
            check_size = read_manifest(file, keys)["bytes"] == file.stat().st_size
        except BackupError:
            continue
        if check_size:
            sound.append(file)
    for file in sound[keep:]:
        file.unlink()
        manifest_of(file).unlink()
    return sound[keep:]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write into the folder; what a killed one began is removed."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for left in folder.glob(f"{NAME}.part"):
            left.unlink()
        yield
    finally:
        os.close(descriptor)


def record(folder: Path, what: str, entry: Mapping[str, Any]) -> None:
    """Remember the last `backup` or `check`, for `fintech doctor`."""
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
