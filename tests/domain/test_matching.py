"""Which movements of two sources are the same one."""

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.domain.matching import Movement, match_movements

START = dt.date(2026, 3, 1)


def movement(name: str, day: int, amount: str = "-4.50", currency: str = "USD") -> Movement:
    return Movement(name, START + dt.timedelta(days=day), Decimal(amount), currency)


def test_the_nearest_days_are_paired_first() -> None:
    stored = [movement("s1", 0), movement("s2", 3), movement("s3", 9)]
    incoming = [movement("i1", 2), movement("i2", 3)]

    assert match_movements(stored, incoming) == {"i2": "s2", "i1": "s1"}


def test_a_movement_is_in_one_pair_at_most() -> None:
    stored = [movement("s1", 0), movement("s2", 5, "-1.00")]
    incoming = [movement("i1", 0), movement("i2", 0), movement("i3", 1)]

    assert match_movements(stored, incoming) == {"i1": "s1"}


def test_other_amounts_and_currencies_are_other_movements() -> None:
    stored = [movement("s1", 0), movement("s2", 5)]
    incoming = [movement("i1", 0, "-4.51"), movement("i2", 0, currency="EUR")]

    assert match_movements(stored, incoming) == {}


def test_before_and_after_the_other_source_nothing_is_paired() -> None:
    stored = [movement("s1", 10), movement("s2", 20)]

    assert match_movements(stored, [movement("i1", 9), movement("i2", 21)]) == {}


def test_the_ends_of_time_are_no_trouble() -> None:
    stored = [
        Movement("s1", dt.date.min, Decimal(1), "USD"),
        Movement("s2", dt.date.max, Decimal(2), "USD"),
    ]
    incoming = [
        Movement("i1", dt.date.min, Decimal(2), "USD"),
        Movement("i2", dt.date.max, Decimal(1), "USD"),
    ]

    assert match_movements(stored, incoming) == {}


movements = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["-4.50", "-4.5", "10.00"])), max_size=12
)


@given(movements, movements)
def test_pairs_are_one_to_one_equal_and_near(
    first: list[tuple[int, str]], second: list[tuple[int, str]]
) -> None:
    stored = {f"s{n}": movement(f"s{n}", *each) for n, each in enumerate(first)}
    incoming = {f"i{n}": movement(f"i{n}", *each) for n, each in enumerate(second)}

    pairs = match_movements(stored.values(), incoming.values())

    assert len(set(pairs.values())) == len(pairs)
    for theirs, ours in pairs.items():
        assert incoming[theirs].amount == stored[ours].amount
        assert abs((incoming[theirs].date - stored[ours].date).days) <= 3
    # Nothing that could still be paired is left.
    if stored:
        days = [each.date for each in stored.values()]
        for name, each in incoming.items():
            if name in pairs or not min(days) <= each.date <= max(days):
                continue
            assert not any(
                each.amount == other.amount and abs((each.date - other.date).days) <= 3
                for own, other in stored.items()
                if own not in pairs.values()
            )
