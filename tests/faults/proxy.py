"""A TCP proxy in front of PostgreSQL that can cut a connection just as it commits."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK = 65_536


class Proxy:
    """Passes bytes on; after `cut_commit(n)` the nth COMMIT is done and its answer is not."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._left = 0
        self.cuts = 0
        self.delay_seconds = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def cut_commit(self, nth: int) -> None:
        """Drop the answer to the nth COMMIT from now on, once; 0 drops none."""
        with self._lock:
            self._left = nth

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        # Waking accept() needs more than closing the socket.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve_one(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            doomed = threading.Event()
            back = threading.Thread(
                target=self._answers, args=(server, client, doomed), daemon=True
            )
            back.start()
            with contextlib.suppress(OSError):
                while data := client.recv(_CHUNK):
                    if b"COMMIT" in data and self._is_chosen():
                        doomed.set()
                    server.sendall(data)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            back.join(10)

    def _answers(
        self, server: socket.socket, client: socket.socket, doomed: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(_CHUNK):
                if doomed.is_set():
                    self.cuts += 1
                    break
                time.sleep(self.delay_seconds)
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _is_chosen(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left == 0


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    """Run a proxy in a thread."""
    found = Proxy((host, port))
    thread = threading.Thread(target=found.serve, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.close()
        thread.join(10)
