"""Every way by which data leave a started installation, and whether a secret went along."""

import base64
import gzip
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes, urlsplit

_PACKED = re.compile(rb"[\w+/-]{24,}")
"""What may be base64, of either alphabet."""
_SECRET_CHARACTERS_MIN = 6


@dataclass
class Exits:
    """What is secret, by a name, and what left, by the place where it was seen."""

    secrets: dict[str, str] = field(default_factory=dict)
    seen: dict[str, list[bytes]] = field(default_factory=dict)

    def hide(self, name: str, value: str) -> str:
        """Remember a secret, and return it."""
        assert len(value) >= _SECRET_CHARACTERS_MIN
        self.secrets[name] = value
        return value

    def see(self, place: str, data: bytes | str) -> None:
        """Keep what was seen at a place."""
        self.seen.setdefault(place, []).append(data.encode() if isinstance(data, str) else data)

    def leaks(self) -> list[str]:
        """Return where which secret stands: plain, quoted, in hexadecimal, or inside of base64."""
        return [
            f"{name} in {place}"
            for place, parts in self.seen.items()
            for name in self._found_in(b"\n".join(map(_unpacked, parts)))
        ]

    def _found_in(self, data: bytes) -> list[str]:
        secrets = {name: value.encode() for name, value in self.secrets.items()}
        return [
            name for name, value in secrets.items() if value in data or value.hex().encode() in data
        ]


def _unpacked(data: bytes) -> bytes:
    # What stands before it without a space shifts it: one of four beginnings is the right one.
    words = [m[0][start:] for m in _PACKED.finditer(data) for start in range(4)]
    return b"\n".join((data, unquote_to_bytes(data.replace(b"+", b" ")), *map(_decoded, words)))


def _decoded(word: bytes) -> bytes:
    whole = word[:-1] if len(word) % 4 == 1 else word
    return base64.b64decode(whole + b"==", altchars=b"-_")


@contextmanager
def receiving(exits: Exits) -> Iterator[int]:
    """Take whatever trackers of errors and collectors of traces are sent; yield the port.

    Their own keys come in headers, as they must: the bodies are what is looked at.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_packed = self.headers.get("Content-Encoding") == "gzip"
            place = "traces" if self.path.endswith("/v1/traces") else "error reports"
            exits.see(place, self.path)
            exits.see(place, gzip.decompress(body) if is_packed else body)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def monitoring(exits: Exits, url: str) -> Iterator[None]:
    """Watch every command that the broker gets: messages, events, results, whatever it keeps."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.sendall(f"AUTH {place.password or ''}\r\nMONITOR\r\n".encode())
        thread = threading.Thread(target=_watch, args=(exits, connection.makefile("rb")))
        thread.start()
        try:
            yield
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            thread.join()


def _watch(exits: Exits, lines: BinaryIO) -> None:
    for line in lines:
        exits.see("the broker", line)


def see_folder(exits: Exits, place: str, folder: Path) -> None:
    """Look into all files of a folder, and at their names."""
    for path in folder.rglob("*"):
        exits.see(place, str(path))
        if path.is_file():
            exits.see(place, path.read_bytes())


def see_titles(exits: Exits, process_ids: list[int]) -> None:
    """Look at what everybody on the machine can read of processes: name and arguments."""
    for process_id in process_ids:
        for name in ("cmdline", "comm"):
            exits.see("process titles", Path(f"/proc/{process_id}/{name}").read_bytes())
