"""/events: the stream that open pages listen to."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from app.features.live import service
from app.features.users.current import CurrentMember

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Cache-Control": "no-store",
    # nginx would else wait until a buffer is full.
    "X-Accel-Buffering": "no",
}


@router.get("/events")
async def listen(
    request: Request,
    current: CurrentMember,
    again: bool = False,  # noqa: FBT001, FBT002  # a query parameter
) -> StreamingResponse:
    """Stream hints to look again; `again`, or the browser's own header, says it was away."""
    texts = service.stream(
        current.user_id,
        current.household_id,
        current.session_id,
        is_again=again or "last-event-id" in request.headers,
    )
    # The first text is awaited here, so that a refusal is an answer and not half a stream.
    first = await anext(texts)
    return StreamingResponse(
        _joined(first, texts), media_type="text/event-stream", headers=_HEADERS
    )


async def _joined(first: str, texts: AsyncGenerator[str, None]) -> AsyncIterator[str]:
    async with aclosing(texts):
        yield first
        async for text in texts:
            yield text
