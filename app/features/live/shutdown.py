"""Ends open streams when the server is told to stop, which else waits for them in vain."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

from app.core import events

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@asynccontextmanager
async def streams_end_with_the_server() -> AsyncIterator[None]:
    """Pass the signals that stop a server on to the open streams, then to the server.

    A server finishes the answers under way before it tells the application anything; a stream
    is an answer that is under way for a quarter of an hour.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread alone: somebody else runs the server
        return
    loop, hub = asyncio.get_running_loop(), events.hub()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def pass_on(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(hub.close)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in _SIGNALS:
        signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number in _SIGNALS:
            if signal.getsignal(number) is pass_on:
                signal.signal(number, before[number])
