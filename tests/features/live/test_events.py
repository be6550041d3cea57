"""The stream that open pages listen to, over a real broker and a real server."""

import asyncio
import json
import os
import threading
import time
import urllib.request
from contextlib import aclosing, contextmanager
from urllib.parse import urlsplit

import pytest
import uvicorn

from app.core import events, security
from app.core.csrf import SESSION_COOKIE
from app.core.errors import RateLimitedError
from app.core.ids import uuid7
from app.features.live import service
from app.features.live.service import Pace, messages_of
from app.features.users import session_cache

QUICK = Pace(lifetime_seconds=1.5, beat_seconds=0.2, gather_seconds=0.05)


def follow(ada, actions=(), *, pace=QUICK, is_again=False):
    """Return what a page of Ada's is told while `actions` happen, one after another."""
    told = []

    async def read():
        stream = service.stream(
            ada.user_id, ada.household_id, ada.session_id, is_again=is_again, pace=pace
        )
        waiting = list(actions)
        async with aclosing(stream):
            async for text in stream:
                told.append(text)
                if waiting and text.startswith(": still"):
                    # The subscription stands long before the first beat.
                    await asyncio.to_thread(waiting.pop(0))

    asyncio.run(read())
    return told


def messages(told):
    lines = "".join(told).splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def test_a_page_is_told_what_changed_in_its_household(ada, cleo):
    def happen():
        events.publish(cleo.household_id, "sync_finished", item_id="hers", added=1)
        events.publish(ada.household_id, "sync_finished", item_id="mine", added=2)

    assert messages(follow(ada, [happen])) == [
        {"name": "sync", "id": "mine"},
        {"name": "accounts"},
        {"name": "transactions"},
    ]


def test_many_pages_read_at_once_are_told_once(ada):
    def happen():
        for page in range(20):
            events.publish(ada.household_id, "page_read", item_id="mine", rows=500, page=page)

    assert messages(follow(ada, [happen])) == [{"name": "sync", "id": "mine"}]


def test_a_sync_that_changed_nothing_leaves_the_list_alone(ada):
    def happen():
        events.publish(ada.household_id, "sync_finished", item_id="mine", added=0)

    names = [message["name"] for message in messages(follow(ada, [happen]))]
    assert names == ["sync", "accounts"]


def test_what_a_page_asks_for_after_an_event_is_of_after_the_event(ada, monkeypatch):
    monkeypatch.setattr(session_cache, "KEPT_SECONDS_MAX", 3_600)
    key = security.hash_token(ada.cookies[SESSION_COOKIE])

    def happen():
        ada.get("/accounts")
        assert session_cache.cache.find(key) is not None
        events.publish(ada.household_id, "item_changed", item_id="mine")

    follow(ada, [happen])

    assert session_cache.cache.find(key) is None


def test_a_page_that_comes_back_is_told_to_look_anew(ada):
    assert messages(follow(ada, is_again=True)) == [{"name": "live-back"}]


def test_a_stream_beats_and_then_ends(ada):
    told = follow(ada)

    assert told[0] == "retry: 3000\nid: 1\n\n"
    assert 3 <= told.count(": still here\n\n") <= QUICK.lifetime_seconds / QUICK.beat_seconds


def test_a_stream_ends_with_the_session(ada):
    told = follow(ada, [lambda: ada.post("/sign-out")], pace=Pace(30, 0.2, 0.05))

    assert told.count(": still here\n\n") <= 2


def test_a_person_has_so_many_streams_and_no_more(ada):
    async def open_all():
        streams = [
            service.stream(ada.user_id, ada.household_id, ada.session_id, is_again=False)
            for _ in range(service.STREAMS_MAX + 1)
        ]
        for stream in streams[:-1]:
            await anext(stream)
        with pytest.raises(RateLimitedError):
            await anext(streams[-1])
        for stream in streams:
            await stream.aclose()
        again = service.stream(ada.user_id, ada.household_id, ada.session_id, is_again=False)
        assert await anext(again)
        await again.aclose()

    asyncio.run(open_all())


def test_without_a_broker_the_stream_says_so_and_finds_it_again():
    """A broker that comes late stands for one that comes back."""
    household_id, broker = uuid7(), urlsplit(os.environ["REDIS_URL"])

    async def read():
        port = await free_port()
        name = broker.netloc.rpartition("@")[0]
        hub = events.Hub(broker._replace(netloc=f"{name}@127.0.0.1:{port}").geturl())
        async with hub.listening(household_id) as listener:
            assert await listener.take(10) == [events.LOST]
            async with WayToBroker(port, broker):
                assert await listener.take(10) == [events.BACK]
                await asyncio.to_thread(events.publish, household_id, "page_read", item_id="i")
                assert await listener.take(10) == [{"kind": "page_read", "item_id": "i"}]
            assert await listener.take(10) == [events.LOST]

    asyncio.run(read())


async def free_port():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


class WayToBroker:
    """A way to the broker that can be cut."""

    def __init__(self, port, target):
        self.port, self.target = port, target
        self.tasks, self.writers = set(), set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._join, "127.0.0.1", self.port)

    async def __aexit__(self, *_):
        self.server.close()
        for writer in self.writers:
            writer.close()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _join(self, reader, writer):
        there = await asyncio.open_connection(self.target.hostname, self.target.port)
        self.writers |= {writer, there[1]}
        for source, sink in ((reader, there[1]), (there[0], writer)):
            self.tasks.add(asyncio.create_task(self._copy(source, sink)))

    async def _copy(self, source, sink):
        try:
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


def test_a_page_that_does_not_read_is_told_to_look_anew():
    async def fill():
        listener = events.Listener()
        for number in range(events.PENDING_MAX * 3):
            listener.put({"kind": "page_read", "item_id": str(number)})
        taken = await listener.take(1)
        assert len(taken) <= events.PENDING_MAX
        assert taken[0] == events.BACK

    asyncio.run(fill())


def test_what_pages_need_not_know_is_not_told():
    assert messages_of({"kind": "something_new"}) == []


def test_a_stranger_gets_no_stream(client):
    answer = client.get("/events", headers={"Accept": "text/event-stream"})

    assert answer.status_code == 401


@contextmanager
def serving(app):
    """Serve the application as uvicorn does, on a free port of this machine."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, timeout_graceful_shutdown=5)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def publishing(household_id, kind, **data):
    """Publish again and again: nobody outside knows when the subscription stands."""
    enough = threading.Event()

    def publish():
        while not enough.wait(0.1):
            events.publish(household_id, kind, **data)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def test_the_answer_streams_through_the_whole_application(app, ada):
    cookie = ada.cookies.get(SESSION_COOKIE)
    with serving(app) as address:
        request = urllib.request.Request(
            f"{address}/events",
            headers={"Cookie": f"{SESSION_COOKIE}={cookie}", "Accept": "text/event-stream"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.readline() == b"retry: 3000\n"
            with publishing(ada.household_id, "sync_started", item_id="mine"):
                line = next(line for line in answer if line.startswith(b"data:"))
            assert json.loads(line.removeprefix(b"data: ")) == {"name": "sync", "id": "mine"}
