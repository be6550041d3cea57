import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import Money
from app.domain.records import (
    AccountRecord,
    BalanceRecord,
    ChangeSet,
    RejectedRecord,
    SourceKey,
    TransactionRecord,
    join_pages,
)

KEYS = [("acc", "a"), ("acc", "b"), ("acc", "c"), ("other", "a")]


def record(key: SourceKey, amount: int) -> TransactionRecord:
    money = Money(Decimal(amount), "USD")
    return TransactionRecord(*key, dt.date(2026, 11, 1), money, "Coffee")


def account(source_id: str, current: int) -> AccountRecord:
    balance = BalanceRecord("USD", Decimal(current))
    return AccountRecord(source_id, "Checking", "depository", "checking", balance)


def page(number: int, upserts=(), removed=(), **fields) -> ChangeSet:
    return ChangeSet(f"c{number}", f"c{number + 1}", tuple(upserts), tuple(removed), **fields)


@st.composite
def histories(draw) -> list[ChangeSet]:
    """Consecutive pages in which keys come, change, go and come again, also within a page."""
    upserts = st.lists(st.builds(record, st.sampled_from(KEYS), st.integers(-9, 9)), max_size=6)
    removed = st.lists(st.sampled_from(KEYS), max_size=4)
    accounts = st.lists(
        st.builds(account, st.sampled_from(["acc", "other"]), st.integers(0, 9)), max_size=3
    )
    return [
        page(number, draw(upserts), draw(removed), accounts=tuple(draw(accounts)))
        for number in range(draw(st.integers(1, 6)))
    ]


def apply(
    state: dict[SourceKey, TransactionRecord], changes: ChangeSet
) -> dict[SourceKey, TransactionRecord]:
    """What a table holds after the changes: upsert, then remove."""
    state = state | {record.key: record for record in changes.upserts}
    return {key: record for key, record in state.items() if key not in changes.removed}


@given(histories(), st.sets(st.sampled_from(KEYS)))
def test_joining_equals_applying_page_by_page(pages, known):
    before = {key: record(key, 100) for key in known}
    expected, accounts = before, {}
    for each in pages:
        expected = apply(expected, each)
        accounts |= {record.source_id: record for record in each.accounts}

    joined = join_pages(pages)

    assert apply(before, joined) == expected
    assert {record.source_id: record for record in joined.accounts} == accounts


@given(histories())
def test_the_join_names_each_key_once_and_never_on_both_sides(pages):
    joined = join_pages(pages)
    keys = [record.key for record in joined.upserts] + list(joined.removed)

    assert len(keys) == len(set(keys))
    assert len(joined.accounts) == len({record.source_id for record in joined.accounts})


@given(histories())
def test_the_join_spans_from_the_first_cursor_to_the_last(pages):
    joined = join_pages(iter(pages))

    assert (joined.from_cursor, joined.to_cursor) == ("c0", f"c{len(pages)}")


@given(histories())
def test_joining_what_was_joined_changes_nothing(pages):
    once = join_pages(pages)

    assert join_pages([once]) == once


@given(histories(), st.data())
def test_it_does_not_matter_where_the_pages_are_grouped(pages, data):
    cut = data.draw(st.integers(0, len(pages)))
    groups = [join_pages(part) for part in (pages[:cut], pages[cut:]) if part]

    left, right = join_pages(groups), join_pages(pages)

    assert set(left.upserts) == set(right.upserts)
    assert set(left.removed) == set(right.removed)


def test_rejected_rows_of_all_pages_are_kept():
    rejected = [RejectedRecord("the amount is not a number", f"added[{n}]") for n in range(2)]
    pages = [page(n, rejected=(rejected[n],)) for n in range(2)]

    assert join_pages(pages).rejected == tuple(rejected)


def test_a_missing_page_is_noticed():
    with pytest.raises(ValueError, match="ended at 'c1'"):
        join_pages([page(0), page(2)])


def test_no_pages_are_no_change_set():
    with pytest.raises(ValueError, match="no pages"):
        join_pages([])
