"""Keyset pagination: a page starts after a row, so its cost does not grow with its number."""

import base64
import binascii
import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from app.core.errors import InvalidInputError

PAGE_SIZE = 50
PAGE_SIZE_MAX = 500


@dataclass(frozen=True, slots=True)
class PageKey:
    """The row after which a page starts, in a list by date and id, newest first."""

    date: dt.date
    id: UUID

    def encode(self) -> str:
        """Return the key as an opaque text for addresses."""
        packed = self.date.toordinal().to_bytes(4) + self.id.bytes
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode_key(text: str | None) -> PageKey | None:
    """Read a key that `PageKey.encode` wrote; None and "" are the first page.

    Raises:
        InvalidInputError: The text is none of ours.
    """
    if not text:
        return None
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return PageKey(dt.date.fromordinal(int.from_bytes(packed[:4])), UUID(bytes=packed[4:]))
    except (binascii.Error, ValueError, OverflowError) as error:
        raise InvalidInputError("The cursor is not one of ours.", field="cursor") from error
