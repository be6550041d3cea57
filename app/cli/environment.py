"""What the operator set, and what `fintech up` adds for the processes it starts."""

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from app.core.embedded.home import (
    default_home,
    read_or_create_secret,
    write_private,
)

_FILE = "environment"
KEY_BYTES = 32
ALLOCATOR = {
    # Threads that allocate much would else keep an arena of memory each.
    "MALLOC_ARENA_MAX": "2",
    # Its size said, glibc gives a large block back when it is freed. Left alone it raises the
    # bound to the largest block ever freed, and pages and answers end up in the heaps, where
    # whatever small is made between them keeps them from being given back.
    "MALLOC_MMAP_THRESHOLD_": "131072",
}
"""How glibc keeps memory; as in the image."""
_NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def chosen(folder: Path) -> dict[str, str]:
    """Return what the operator set: the environment, over the file `.env` in `folder`.

    Empty values count as not set, as in the settings class. A name with a `<NAME>_FILE`
    beside it counts as set to something that only the settings class reads.
    """
    values = {**dotenv_values(folder / ".env"), **os.environ}
    found = {name: value for name, value in values.items() if value}
    for name in list(found):
        if name.endswith("_FILE"):
            found.setdefault(name.removesuffix("_FILE"), "")
    return found


def keys(home: Path, operator: Mapping[str, str]) -> dict[str, str]:
    """Return where the settings find the secrets that the operator did not set.

    They are made at the first start and kept in the home, mode 0600; the environment of the
    processes names only the files.
    """
    folder = home / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    added = {}
    if "SECRET_KEY" not in operator:
        read_or_create_secret(folder / "SECRET_KEY")
        added["SECRET_KEY_FILE"] = str(folder / "SECRET_KEY")
    if "ENCRYPTION_KEYS" not in operator:
        if not (folder / "ENCRYPTION_KEYS").exists():
            key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
            write_private(folder / "ENCRYPTION_KEYS", f"k1:{key}")
        added["ENCRYPTION_KEYS_FILE"] = str(folder / "ENCRYPTION_KEYS")
    return added


def save_running(home: Path, added: Mapping[str, str]) -> None:
    """Remember for other commands what the running processes were given."""
    write_private(home / _FILE, "\n".join(f"{name}={value}" for name, value in added.items()))


def forget_running(home: Path) -> None:
    """Say that nothing runs any more."""
    (home / _FILE).unlink(missing_ok=True)


def load_running() -> None:
    """Give this process the environment of the running `fintech up`, if there is one.

    What the operator set in this shell stays.
    """
    try:
        lines = (default_home() / _FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    operator = chosen(Path.cwd())
    for line in lines:
        name, _, value = line.partition("=")
        if name not in operator:
            os.environ[name] = value


def explain(error: ValueError) -> str:
    """Return what is wrong with the settings, name by name, without any value."""
    list_errors: Any = getattr(error, "errors", None)  # Pydantic's has it, and is not loaded here
    if list_errors is None:
        return str(error)
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc']) or 'settings'}: {each['msg']}"
        for each in list_errors(include_input=False, include_url=False)
    )


def load_for_help() -> None:
    """Give this process what a command's module is not loaded without, where it is not set.

    `--help` must answer before anything is set up; it connects to nothing.
    """
    operator = chosen(Path.cwd())
    for name, value in (("DATABASE_URL", _NOWHERE), ("SECRET_KEY", secrets.token_urlsafe(48))):
        if name not in operator:
            os.environ[name] = value
