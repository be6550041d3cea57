"""Identifiers sort by the time they were made, also within a millisecond."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import time_machine

from app.core.ids import uuid7, uuid7s

NOON = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)


def test_ids_of_one_moment_sort_as_they_were_made():
    with time_machine.travel(NOON, tick=False):
        made = [uuid7(), *uuid7s(3), uuid7(), *uuid7s(5_000), uuid7()]

    assert made == sorted(made)
    assert len(set(made)) == 5_006
    assert {each.version for each in made} == {7}
    milliseconds = made[0].int >> 80
    assert dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC) == NOON


def test_ids_follow_a_clock_that_is_set_back():
    with time_machine.travel(NOON, tick=False):
        later = uuid7()
    with time_machine.travel(NOON - dt.timedelta(minutes=1), tick=False):
        earlier = uuid7()

    assert earlier < later


def test_threads_share_the_row_of_places():
    with time_machine.travel(NOON, tick=False), ThreadPoolExecutor(8) as pool:
        made = [each for part in pool.map(lambda _: uuid7s(50), range(40)) for each in part]

    assert len({each.int >> 62 for each in made}) == 2_000
