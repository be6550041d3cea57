"""Which days to ask for next. SimpleFIN has no cursor: ours says how far a reading has come.

The first reading goes backwards in windows until two of them are empty. Later ones begin some days
before the last, since a bank may change and add what is not old yet, and end today. All of it
follows from cursor and window, so that the journal can say it again.
"""

import datetime as dt

import msgspec
from msgspec import Struct

WINDOW_DAYS = 60
"""Servers cut longer spans short, some with a warning and some without (trap 12)."""
OVERLAP_DAYS = 14
HISTORY_DAYS = 730
EMPTY_WINDOWS_MAX = 2
UNREAD_DAYS = 45
"""How far the next reading goes back over what this one could not read to the end."""
_AHEAD_DAYS = 2
"""Some banks date rows on the next working day."""


class Window(Struct, frozen=True):
    """Days of one request, by UTC."""

    first: dt.date
    end: dt.date
    """The day after the last."""
    at: dt.datetime
    """When the reading that it belongs to began."""


class Place(Struct, frozen=True, omit_defaults=True):
    """Where a reading stands; what a cursor says."""

    at: dt.datetime
    """When the reading began; no two cursors of a connection are alike."""
    step: str = "done"
    """`older`, `newer` or `done`."""
    next: dt.date | None = None
    """Where the next window ends (`older`) or begins (`newer`)."""
    empty: int = 0
    """Windows without a row, the last ones in a row."""
    is_whole: bool = True
    """No account was incomplete so far."""
    has_rows: bool = False
    through: dt.date | None = None
    """Everything before this day was read; of the last reading that was done."""

    @property
    def cursor(self) -> str:
        """Return it as text."""
        return msgspec.json.encode(self).decode()


def place_of(cursor: str | None) -> Place | None:
    """Return what a cursor says; None for the beginning.

    Raises:
        ValueError: It is none of ours.
    """
    return None if cursor is None else msgspec.json.decode(cursor, type=Place)


def window_after(place: Place | None, now: dt.datetime) -> Window:
    """Return the days to ask for."""
    if place is None:
        end = _end(now)
        return Window(end - dt.timedelta(WINDOW_DAYS), end, now)
    if place.step == "older" and place.next is not None:
        return Window(place.next - dt.timedelta(WINDOW_DAYS), place.next, place.at)
    if place.step == "newer" and place.next is not None:
        return _forward(place.next, place.at)
    # A clock that went backwards must not make us ask for nothing.
    through = min(place.through or now.date(), now.date())
    return _forward(through - dt.timedelta(OVERLAP_DAYS), now)


def place_after(
    place: Place | None, window: Window, *, has_rows: bool, is_whole: bool
) -> tuple[Place, bool]:
    """Return where a reading stands after a window, and whether it goes on."""
    is_older = place is None or place.step == "older"
    before = place if place is not None and place.step != "done" else Place(window.at)
    through = place.through if place is not None else None
    empty = 0 if has_rows else before.empty + 1
    is_whole, has_rows = is_whole and before.is_whole, has_rows or before.has_rows
    if is_older:
        oldest = window.at.date() - dt.timedelta(HISTORY_DAYS)
        goes_on = empty < EMPTY_WINDOWS_MAX and window.first > oldest
        step, following = "older", window.first
    else:
        goes_on = window.end < _end(window.at)
        step, following = "newer", window.end
    if goes_on:
        reached = Place(window.at, step, following, empty, is_whole, has_rows, through)
        return reached, True
    day = window.at.date()
    if not is_whole or (is_older and not has_rows):
        # What is missing may come within days: a bank that was linked just now has nothing yet.
        day = max(through or dt.date.min, day - dt.timedelta(UNREAD_DAYS))
    return Place(window.at, through=day), False


def _forward(first: dt.date, at: dt.datetime) -> Window:
    return Window(first, min(first + dt.timedelta(WINDOW_DAYS), _end(at)), at)


def _end(at: dt.datetime) -> dt.date:
    return at.date() + dt.timedelta(_AHEAD_DAYS)
