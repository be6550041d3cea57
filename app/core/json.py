"""Answers of the hot routes: encoded once, straight from the rows."""

import msgspec
from starlette.responses import Response

# Amounts become strings, which every JSON reader keeps exact.
_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


class JsonResponse(Response):
    """A JSON answer encoded by msgspec."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Return the body."""
        return _encoder.encode(content)
