"""Downloads of any length in bounded memory: few at a time, and over when the reader leaves."""

from collections.abc import AsyncGenerator, Generator
from threading import BoundedSemaphore

import anyio
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.core.errors import UnavailableError

AT_ONCE_MAX = 4
"""Of one process: each holds a connection to the database for as long as its reader takes."""
RETRY_SECONDS = 30
READER_SECONDS_MAX = 60
"""How long the database waits for a reader who takes nothing: longer than a proxy before us."""
_places = BoundedSemaphore(AT_ONCE_MAX)


def wait_for_reader(session: Session) -> None:
    """Let the transaction that a download is made in idle for as long as its reader may.

    Others may idle for seconds. What was sent so far would be a file that ends in the middle.
    """
    session.execute(
        text("SELECT set_config('idle_in_transaction_session_timeout', :limit, true)"),
        {"limit": f"{READER_SECONDS_MAX}s"},
    )


class Download(StreamingResponse):
    """A file that is made while it is sent.

    Its first chunk is made before the answer begins, so that a refusal is an answer of its own and
    not half a file. When too many are under way, it is answered with 503.
    """

    def __init__(
        self, chunks: Generator[bytes, None, None], *, media_type: str, file_name: str
    ) -> None:
        """Take what makes the file: runs in threads, and is closed whatever becomes of the reader.

        `file_name` is plain ASCII without quotes.
        """
        headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
        super().__init__(chunks, headers=headers, media_type=media_type)
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        if not _places.acquire(blocking=False):
            raise UnavailableError(
                f"{AT_ONCE_MAX} downloads are under way. Try again in half a minute.",
                retry_after_seconds=RETRY_SECONDS,
            )
        try:
            first = await run_in_threadpool(next, self._chunks, b"")
            self.body_iterator = self._sent(first)
            await super().__call__(scope, receive, send)
        except ClientDisconnect:
            pass  # the reader left, which is theirs to do
        finally:
            _places.release()
            with anyio.CancelScope(shield=True):  # the reader may be gone, the transaction is not
                await run_in_threadpool(self._chunks.close)

    async def _sent(self, first: bytes) -> AsyncGenerator[bytes, None]:
        yield first
        async for chunk in iterate_in_threadpool(self._chunks):
            yield chunk
