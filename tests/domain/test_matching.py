"""Which rows, and which accounts, of several sources are the same one."""

import datetime as dt
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.matching import (
    CERTAIN,
    AccountTrace,
    Movement,
    Overlap,
    Pairs,
    overlap_of,
    posted_of_pending,
    same_accounts,
    same_movements,
)
from app.domain.matching.words import are_alike

START = dt.date(2026, 3, 2)
TEXTS = ("CORNER COFFEE 0042", "SQ *CORNER COFFEE", "WHOLE FOODS", "CARD 4411", "")


def movement(
    name: str, day: int, amount: str = "-4.53", text: str = "CORNER COFFEE", **more: object
) -> Movement:
    date = START + dt.timedelta(days=day)
    return Movement(name, date, Decimal(amount), "USD", text, **more)


def certain(pairs: Pairs) -> dict[str, str]:
    return {pair.right: pair.left for pair in pairs.certain}


# Words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SQ *BLUEBOTTLE 0042", "Blue Bottle Coffee"),
        ("POS PURCHASE WHOLE FOODS MKT #10234", "Whole Foods"),
        ("PENDING - TST* LUIGIS", "TST* LUIGIS TRATTORIA SEATTLE"),
        ("BÄCKEREI MÜLLER", "Backerei Muller GmbH"),
        ("1234", "1234"),
    ],
)
def test_the_same_party_is_known_in_other_words(one: str, other: str) -> None:
    assert are_alike(one, other)
    assert are_alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CARD PURCHASE NETFLIX", "CARD PURCHASE SHELL OIL"),
        ("KAMIRE CAFE POWAY CA", "LORESAN DINER POWAY CA"),
        ("ATM WITHDRAWAL", "TRANSFER TO SAVINGS"),
        ("CARD TRANSACTION 1234", "Starbucks"),
        ("", ""),
    ],
)
def test_words_that_banks_say_of_anything_say_nothing(one: str, other: str) -> None:
    assert not are_alike(one, other)


# Told twice


def test_the_nearest_days_are_paired_first() -> None:
    stored = [movement("s1", 0), movement("s2", 20)]
    incoming = [movement("i1", 1), movement("i2", 20)]

    assert certain(same_movements(stored, incoming)) == {"i1": "s1", "i2": "s2"}


def test_other_amounts_and_currencies_are_other_movements() -> None:
    stored = [movement("s1", 0)]
    incoming = [movement("i1", 0, "-4.54"), replace(movement("i2", 0), currency="EUR")]

    assert same_movements(stored, incoming) == Pairs()


def test_trap_9_what_two_claim_with_equal_right_is_asked_and_not_guessed() -> None:
    stored = [movement("s1", 0, text="TEA HOUSE"), movement("s2", 0, text="BOOK SHOP")]
    incoming = [movement("i1", 0, text="CARD 4411")]

    pairs = same_movements(stored, incoming)

    assert pairs.certain == ()
    assert {(pair.left, pair.right) for pair in pairs.possible} == {("s1", "i1"), ("s2", "i1")}


def test_two_equal_coffees_of_one_day_go_with_two() -> None:
    stored = [movement("s1", 0), movement("s2", 0)]
    incoming = [movement("i1", 0), movement("i2", 0)]

    assert len(certain(same_movements(stored, incoming))) == 2


def test_a_coffee_that_each_source_tells_of_another_day_is_two() -> None:
    days = (0, 2, 4, 7, 9, 11)
    stored = [movement(f"s{day}", day) for day in days]
    incoming = [movement(f"i{day}", day) for day in days if day != 4] + [movement("i5", 5)]

    pairs = same_movements(stored, incoming)

    assert certain(pairs) == {f"i{day}": f"s{day}" for day in days if day != 4}


def test_instalments_are_not_each_other() -> None:
    stored = [movement(f"s{n}", 30 * n, "-49.99", "LAPTOP INSTALMENT") for n in range(3)]
    incoming = [movement("i3", 90, "-49.99", "LAPTOP INSTALMENT")]

    assert same_movements(stored, incoming) == Pairs()


def test_cash_and_an_equal_transfer_are_not_certain() -> None:
    stored = [movement("s1", 0, "-100", "ATM WITHDRAWAL")]
    incoming = [movement("i1", 1, "-100", "TRANSFER TO SAVINGS")]

    assert same_movements(stored, incoming).certain == ()


def test_how_two_sources_date_is_learned_from_what_cannot_be_confused() -> None:
    sure = [movement(f"s{n}", n * 6, f"-{n + 10}.17", f"SHOP {n}") for n in range(10)]
    habit = [movement(f"h{n}", n) for n in range(5)]

    def later(row: Movement) -> Movement:
        return replace(row, id=f"i{row.id}", date=row.date + dt.timedelta(days=1))

    pairs = same_movements([*sure, *habit], map(later, [*sure, *habit]))

    assert certain(pairs) == {f"i{row.id}": row.id for row in (*sure, *habit)}


def test_a_pair_that_a_person_took_apart_is_not_made_again() -> None:
    stored, incoming = [movement("s1", 0)], [movement("i1", 0)]

    assert same_movements(stored, incoming, rejected={("i1", "s1")}) == Pairs()


rows = st.lists(
    st.tuples(
        st.integers(0, 20), st.sampled_from(("-4.53", "-5.00", "-20.00")), st.sampled_from(TEXTS)
    ),
    max_size=14,
)


def numbered(prefix: str, drawn: list[tuple[int, str, str]]) -> list[Movement]:
    return [movement(f"{prefix}{n}", *each) for n, each in enumerate(drawn)]


@given(rows, rows)
def test_each_movement_is_applied_once_and_amounts_agree(left, right) -> None:
    stored, incoming = numbered("s", left), numbered("i", right)

    pairs = same_movements(stored, incoming)

    by_id = {row.id: row for row in (*stored, *incoming)}
    used = Counter(each for pair in pairs.certain for each in (pair.left, pair.right))
    assert all(count == 1 for count in used.values())
    for pair in (*pairs.certain, *pairs.possible):
        assert by_id[pair.left].amount == by_id[pair.right].amount
        assert pair.left.startswith("s")
    assert all(pair.confidence >= CERTAIN for pair in pairs.certain)
    assert not {(p.left, p.right) for p in pairs.certain} & {
        (p.left, p.right) for p in pairs.possible
    }


@given(rows, rows)
def test_what_counts_and_what_is_a_duplicate_come_to_all_that_was_told(left, right) -> None:
    stored, incoming = numbered("s", left), numbered("i", right)

    duplicates = {pair.right for pair in same_movements(stored, incoming).certain}

    told = sum(row.amount for row in (*stored, *incoming))
    live = sum(row.amount for row in (*stored, *incoming) if row.id not in duplicates)
    assert live + sum(row.amount for row in incoming if row.id in duplicates) == told


@given(rows, rows, st.randoms(use_true_random=False))
def test_the_order_in_which_rows_come_does_not_matter(left, right, chance) -> None:
    stored, incoming = numbered("s", left), numbered("i", right)
    first = same_movements(stored, incoming)
    chance.shuffle(stored)
    chance.shuffle(incoming)

    assert same_movements(stored, incoming) == first


@given(rows, rows)
def test_which_source_came_first_does_not_matter(left, right) -> None:
    stored, incoming = numbered("s", left), numbered("i", right)

    one = same_movements(stored, incoming).certain
    other = same_movements(incoming, stored).certain

    looks = {row.id: row.looks for row in (*stored, *incoming)}
    assert Counter((looks[p.left], looks[p.right]) for p in one) == Counter(
        (looks[p.right], looks[p.left]) for p in other
    )


# Pending and posted


def test_trap_9_the_first_of_equal_amounts_does_not_win() -> None:
    pending = [movement("p1", 0, "-20", "SHOP A"), movement("p2", 0, "-20", "SHOP B")]
    posted = [movement("t2", 1, "-20", "SHOP B MAIN ST")]

    pairs = posted_of_pending(pending, posted)

    assert certain(pairs) in ({}, {"p2": "t2"})


def test_a_tip_is_added_where_tips_are_given_and_only_there() -> None:
    food = {"category_code": "FOOD_AND_DRINK_RESTAURANT"}
    tipped = posted_of_pending(
        [movement("p", 0, "-40", "LUIGIS", **food)], [movement("t", 2, "-48", "LUIGIS", **food)]
    )
    shop = posted_of_pending(
        [movement("p", 0, "-40", "HOME DEPOT")], [movement("t", 2, "-48", "HOME DEPOT")]
    )

    assert (certain(tipped), shop) == ({"p": "t"}, Pairs())


def test_a_cancelled_coffee_is_not_the_one_of_the_next_day() -> None:
    pending = [movement("p0", 0)]
    posted = [movement("t1", 3, made_on=START + dt.timedelta(days=1))]

    assert posted_of_pending(pending, posted).certain == ()


def test_a_habit_without_days_is_not_certain() -> None:
    pending = [movement("p0", 0)]
    posted = [movement("t1", 2)]
    others = [movement("t0", -1), movement("t9", 1)]

    assert posted_of_pending(pending, posted, others=others).certain == ()


def test_an_instalment_of_next_month_is_not_this_one() -> None:
    pending = [movement("p", 0, "-49.99", "LAPTOP")]
    posted = [movement("t", 30, "-49.99", "LAPTOP")]

    assert posted_of_pending(pending, posted) == Pairs()


@given(rows, rows)
def test_a_pending_row_is_posted_once_and_not_before_it_was_made(left, right) -> None:
    pending, posted = numbered("p", left), numbered("t", right)

    pairs = posted_of_pending(pending, posted)

    by_id = {row.id: row for row in (*pending, *posted)}
    used = Counter(each for pair in pairs.certain for each in (pair.left, pair.right))
    assert all(count == 1 for count in used.values())
    assert all(by_id[p.left].date >= by_id[p.right].date for p in (*pairs.certain, *pairs.possible))


# Accounts


def trace(trace_id: str, **more: object) -> AccountTrace:
    values = {"kind": "depository", "currency": "USD", "name": "Checking", "mask": "1234",
              "institution": "First Platypus"}  # fmt: skip
    return AccountTrace(**{"id": trace_id, "account": trace_id, **values, **more})


def test_trap_8_no_id_of_a_session_is_needed_to_know_an_account_again() -> None:
    old = [trace("old", is_gone=True)]

    assert certain(same_accounts(old, [trace("new")])) == {"new": "old"}


def test_a_name_alone_is_a_question() -> None:
    pairs = same_accounts([trace("old", mask=None)], [trace("new", mask=None)])

    assert (pairs.certain, len(pairs.possible)) == ((), 1)


def test_trap_4_of_two_that_look_the_same_none_is_taken() -> None:
    pairs = same_accounts([trace("old", is_gone=True)], [trace("new"), trace("twin")])

    assert pairs.certain == ()
    assert len(pairs.possible) == 2


def test_rows_that_disagree_overrule_name_and_number() -> None:
    overlaps = {("old", "new"): Overlap(shared=1, left=30, right=30)}

    pairs = same_accounts([trace("old", is_gone=True)], [trace("new")], overlaps=overlaps)

    assert pairs == Pairs()


def test_rows_that_agree_are_enough() -> None:
    stored = [movement(f"s{n}", n, f"-{n + 3}.17") for n in range(12)]
    overlaps = {("old", "new"): overlap_of(stored, [replace(row, id="x") for row in stored])}

    pairs = same_accounts(
        [trace("old", mask=None)], [trace("new", mask=None, name="Other")], overlaps=overlaps
    )

    assert certain(pairs) == {"new": "old"}


@pytest.mark.parametrize("more", [{"currency": "EUR"}, {"kind": "credit"}, {"mask": "9999"}])
def test_another_kind_currency_or_number_is_another_account(more) -> None:
    assert same_accounts([trace("old", is_gone=True)], [trace("new", **more)]) == Pairs()
