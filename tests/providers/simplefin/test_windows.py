"""Which days are asked for: bounded, without gaps, and never the whole past again."""

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.simplefin.windows import (
    EMPTY_WINDOWS_MAX,
    HISTORY_DAYS,
    OVERLAP_DAYS,
    UNREAD_DAYS,
    WINDOW_DAYS,
    Window,
    place_after,
    place_of,
    window_after,
)

NOW = dt.datetime(2026, 11, 29, 10, 30, tzinfo=dt.UTC)


def read(cursor, now, *, rows=lambda window: True, is_whole=True):
    """Read to the end; return the windows in their order, and the cursor."""
    windows: list[Window] = []
    for _ in range(100):
        place = place_of(cursor)
        window = window_after(place, now)
        after, goes_on = place_after(place, window, has_rows=rows(window), is_whole=is_whole)
        windows.append(window)
        cursor = after.cursor
        if not goes_on:
            return windows, cursor
    raise AssertionError("the reading has no end")


def test_trap_12_no_window_is_longer_than_servers_answer():
    windows, cursor = read(None, NOW)
    windows += read(cursor, NOW + dt.timedelta(days=400))[0]

    assert all((each.end - each.first).days <= 60 for each in windows)


def test_the_first_reading_goes_back_until_two_windows_are_empty():
    known_since = NOW.date() - dt.timedelta(days=100)
    windows, _ = read(None, NOW, rows=lambda window: window.end > known_since)

    assert windows[0].end > NOW.date()
    assert all(newer.first == older.end for newer, older in itertools.pairwise(windows))
    assert sum(each.end <= known_since for each in windows) == EMPTY_WINDOWS_MAX


def test_the_first_reading_ends_even_if_the_past_does_not():
    windows, _ = read(None, NOW)

    assert (NOW.date() - windows[-1].first).days <= HISTORY_DAYS + WINDOW_DAYS


def test_a_later_reading_is_one_request_that_overlaps_the_last():
    _, cursor = read(None, NOW)
    [window], _ = read(cursor, NOW + dt.timedelta(days=1))

    assert window.first == NOW.date() - dt.timedelta(OVERLAP_DAYS)
    assert window.end > NOW.date() + dt.timedelta(days=1)


def test_after_what_was_incomplete_the_next_reading_goes_further_back():
    _, cursor = read(None, NOW)
    _, cursor = read(cursor, NOW + dt.timedelta(days=60), is_whole=False)
    windows, _ = read(cursor, NOW + dt.timedelta(days=60))

    assert windows[0].first == NOW.date() + dt.timedelta(60 - UNREAD_DAYS - OVERLAP_DAYS)


def test_a_bank_that_has_nothing_yet_is_asked_for_its_past_again():
    _, cursor = read(None, NOW, rows=lambda window: False)
    windows, _ = read(cursor, NOW)

    assert windows[0].first == NOW.date() - dt.timedelta(UNREAD_DAYS + OVERLAP_DAYS)


def test_a_clock_that_went_back_asks_for_the_last_days_all_the_same():
    _, cursor = read(None, NOW)
    [window], _ = read(cursor, NOW - dt.timedelta(days=30))

    assert window.first < NOW.date() - dt.timedelta(days=30) < window.end


@pytest.mark.parametrize("cursor", ["", "x", "{}", '{"at": 5}'])
def test_a_cursor_that_is_not_ours_is_refused(cursor):
    with pytest.raises(ValueError, match=r"JSON|Object|Expected|Input"):
        place_of(cursor)


@given(
    gaps=st.lists(st.tuples(st.integers(0, 200), st.booleans()), min_size=1, max_size=8),
    empties=st.sets(st.integers(0, 60)),
)
def test_no_day_between_two_readings_is_left_out(gaps, empties):
    """Whatever the pauses between readings, and whatever fails in between."""
    asked = iter(range(10_000))
    windows, cursor = read(None, NOW, rows=lambda window: next(asked) not in empties)
    now, cursors = NOW, {cursor}
    read_days = days_of(windows)
    for gap, is_whole in gaps:
        now += dt.timedelta(days=gap, seconds=1)
        windows, cursor = read(cursor, now, is_whole=is_whole)
        read_days |= days_of(windows)
        assert cursor not in cursors
        cursors.add(cursor)
        assert all((each.end - each.first).days <= 60 for each in windows)
        assert all(older.end == newer.first for older, newer in itertools.pairwise(windows))
    since = range(NOW.date().toordinal() - OVERLAP_DAYS, now.date().toordinal() + 1)
    assert set(since) <= read_days


def days_of(windows):
    return {day for each in windows for day in range(each.first.toordinal(), each.end.toordinal())}
