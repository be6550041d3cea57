"""TCP ports on the loopback interface: which are free, and which one a home remembers."""

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"

# Below the range from which systems take the ports of outgoing connections (32768 on Linux,
# 49152 elsewhere), so that a remembered port is seldom taken at the next start.
_FIRST = 20_000
_LAST = 32_000
_TRIES_MAX = 200


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a port whose last connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def find_free() -> int:
    """Return a port on which nothing listens, chosen at random.

    At random, so that two processes that choose at the same time seldom choose the same.

    Raises:
        OSError: No free port was found among many.
    """
    for _ in range(_TRIES_MAX):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - a port is no secret
        if is_free(port):
            return port
    raise OSError(f"no free port between {_FIRST} and {_LAST}")


def next_free(wanted: int) -> int:
    """Return the wanted port, or the first free one after it.

    Raises:
        OSError: The next hundred ports are all taken.
    """
    for port in range(wanted, min(wanted + 100, 65_536)):
        if is_free(port):
            return port
    raise OSError(f"no free port in the hundred from {wanted}")


def remembered(path: Path) -> int:
    """Return the port written in `path` if it is free, else choose one and write it there."""
    try:
        port = int(path.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        port = 0
    if not (_FIRST <= port <= _LAST and is_free(port)):
        port = find_free()
        path.write_text(f"{port}\n", encoding="ascii")
    return port
