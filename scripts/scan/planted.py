"""A server that lets SQL through on purpose: sqlmap must find it, or its silence says nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import psycopg

QUERY = "SELECT name FROM (VALUES ('tea'), ('coffee'), ('cake')) AS goods (name) WHERE name = '{}'"


@contextmanager
def running(database: str) -> Iterator[str]:
    """Answer `/?name=tea` from the database, with the value inside the SQL; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = parse_qs(urlsplit(self.path).query).get("name", [""])[0]
            found = _find(database, name)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write("\n".join(found).encode() or b"nothing")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _find(database: str, name: str) -> list[str]:
    options = "-c default_transaction_read_only=on -c statement_timeout=20s"
    with psycopg.connect(database, options=options) as connection:
        try:
            return [str(row[0]) for row in connection.execute(QUERY.format(name).encode())]
        except psycopg.Error:
            return []
