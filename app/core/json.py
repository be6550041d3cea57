"""Answers of the hot routes: encoded once, straight from the rows."""

from typing import Generic, TypeVar

import msgspec
from pydantic import BaseModel
from starlette.responses import Response

# Amounts become strings, which every JSON reader keeps exact.
_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


Row = TypeVar("Row")


class Listed(BaseModel, Generic[Row]):
    """A list that is told whole."""

    data: list[Row]


class JsonResponse(Response):
    """A JSON answer encoded by msgspec."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Return the body."""
        return _encoder.encode(content)
