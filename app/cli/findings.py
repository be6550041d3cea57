"""What the doctor's checks find, and how they reach a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

CONNECT_SECONDS_MAX = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    subject: str
    is_ok: bool
    text: str
    remedy: str = ""
    is_warning: bool = False
    """The program runs well, but somebody should look."""


class Problem(Exception):  # noqa: N818 - a finding, not a fault of this program
    """A check failed: what is wrong, and how to mend it."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.text = text
        self.remedy = remedy


class Warned(Problem):
    """A check found what does not keep the program from running."""


@contextmanager
def connected(url: str, setting: str = "DATABASE_URL") -> Iterator[psycopg.Connection[Any]]:
    """Open a connection to a database for one check.

    Args:
        url: Its address.
        setting: Which one gave it, to be named when it is wrong.

    Raises:
        Problem: It does not answer, or does not let us in.
    """
    try:
        # Behind a pooler nothing may be left on a server's connection.
        connection = psycopg.connect(
            url, connect_timeout=CONNECT_SECONDS_MAX, autocommit=True, prepare_threshold=None
        )
    except psycopg.Error as error:
        raise Problem(
            f"does not answer: {str(error).splitlines()[0]}",
            f"start it (`fintech up` starts an embedded one), or correct {setting}"
            if setting == "DATABASE_URL"
            else f"start it, or correct or empty {setting}",
        ) from None
    with connection:
        yield connection
