"""A bank that answers as Plaid does, from bodies made before: its own time counts for nobody.

`python -m benchmarks.bank FOLDER` serves the gzip files of the folder and prints its port.
"""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

ITEM = "item"
ACCOUNTS = "accounts"


class _Bank(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = Path()

    def do_POST(self) -> None:  # the library's name
        """Answer one call."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = {"/item/get": ITEM, "/accounts/get": ACCOUNTS}.get(self.path)
        body = (self.folder / (name or _page_name(asked.get("cursor")))).read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(source_id: str, pages: Sequence[bytes]) -> Iterator[str]:
    """Serve an Item's pages from another process; yield the address."""
    first = msgspec.json.decode(pages[0])
    item = {
        "item_id": source_id,
        "institution_id": "ins_109508",
        "institution_name": "First Platypus Bank",
        "error": None,
    }
    bodies = {
        ITEM: msgspec.json.encode({"item": item, "status": None, "request_id": "r"}),
        ACCOUNTS: msgspec.json.encode(
            {"item": item, "accounts": first["accounts"], "request_id": "r"}
        ),
    }
    cursor = None
    for page in pages:
        bodies[_page_name(cursor)] = page
        cursor = msgspec.json.decode(page)["next_cursor"]
    with TemporaryDirectory(prefix="fintech-bank-") as folder:
        for name, body in bodies.items():
            (Path(folder) / name).write_bytes(gzip.compress(body, 6))
        command = [sys.executable, "-m", "benchmarks.bank", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()
            process.wait(timeout=10)


def _page_name(cursor: str | None) -> str:
    return "page-" + (cursor or "").replace("/", "_")


def main() -> None:
    """Serve until ended."""
    _Bank.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Bank)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
