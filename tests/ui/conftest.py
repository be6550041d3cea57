"""The preview in a thread of its own, and Chromium."""

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, expect

from tests import chromium

# Machines that do other work as well are slow; what never comes still fails.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def preview_url() -> Iterator[str]:
    from app.ui.preview import create_app

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(), log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: its event loop would be in others' way.
    with chromium.running() as started:
        yield started
