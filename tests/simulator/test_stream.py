"""The change stream alone, without HTTP, under random histories."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulator.rows import Account, Row
from app.simulator.stream import (
    AccountChurned,
    Added,
    Backfilled,
    Churned,
    InvalidCursorError,
    ItemStream,
    Modified,
    MutationError,
    Noise,
    Page,
    Posted,
    Removed,
    replay,
)
from tests import effort

DAY = dt.date(2026, 1, 1)


def row(key: str, amount: str = "1.00", *, pending: bool = False, account: str = "a") -> Row:
    return Row(key, account, DAY, Decimal(amount), pending=pending)


def fresh() -> ItemStream:
    return ItemStream(
        "item",
        [Account(account_id="a", name="A", opening=Decimal(100)),
         Account(account_id="b", name="B", type="credit", opening=Decimal(50))],
    )  # fmt: skip


def loop(stream: ItemStream, cursor: str, count: int) -> list[Page]:
    pages = [stream.sync(cursor, count)]
    while pages[-1].has_more:
        pages.append(stream.sync(pages[-1].next_cursor, count))
    return pages


def as_truth(held: dict[str, Row]) -> dict[str, object]:
    return {k: (r.account_id, r.date, r.amount, r.pending) for k, r in held.items()}


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["add", "add", "pend", "pend", "post", "post", "unlinked", "after", "modify",
             "remove", "churn", "account", "backfill", "look", "look"]
        ),
        st.integers(0, 99),
        st.decimals(-10_000, 10_000, places=2),
    ),
    max_size=60,
)  # fmt: skip
noises = st.builds(
    Noise,
    split_pairs=st.booleans(),
    repeat_rows=st.integers(0, 3),
    swap_added_modified=st.booleans(),
    unknown_removals=st.booleans(),
    raw_log=st.booleans(),
    page_rows_max=st.sampled_from([500, 500, 7]),
)


def happen(stream: ItemStream, kind: str, pick: int, amount: Decimal, name: str) -> None:
    accounts = list(stream.accounts)
    account = accounts[pick % len(accounts)]
    living = stream.rows()
    pending = [each for each in living if each.pending]
    new = Row(name, account, DAY + dt.timedelta(days=pick), amount)
    if kind == "add":
        stream.apply(Added(new))
    elif kind == "pend":
        stream.apply(Added(Row(name, account, DAY, amount, pending=True)))
    elif kind == "backfill":
        stream.apply(Backfilled([new, Row(f"{name}x", account, DAY, amount)]))
    elif kind in ("post", "unlinked", "after") and pending:
        old = pending[pick % len(pending)]
        stream.apply(
            Posted(
                old.transaction_id,
                Row(name, old.account_id, DAY, amount),
                linked=kind != "unlinked",
                removal="after" if kind == "after" else "before",
            )
        )
    elif kind in ("modify", "remove", "churn") and living:
        old = living[pick % len(living)]
        moved = Row(old.transaction_id, old.account_id, DAY, amount, pending=old.pending)
        event = {
            "modify": Modified(moved),
            "remove": Removed(old.transaction_id),
            "churn": Churned(old.transaction_id, new),
        }[kind]
        stream.apply(event)
    elif kind == "account":
        stream.apply(AccountChurned(account, f"{account}'"))


@settings(max_examples=effort.examples(250))
@given(steps, noises, st.integers(1, 9))
def test_a_replay_from_any_earlier_cursor_equals_the_truth(history, noise, count) -> None:
    stream = fresh()
    stream.noise = noise
    looks: list[tuple[str, dict[str, Row]]] = [("", {})]
    for number, (kind, pick, amount) in enumerate(history):
        if kind == "look":
            cursor, held = looks[pick % len(looks)]
            pages = loop(stream, cursor, count)
            looks.append((pages[-1].next_cursor, replay(pages, held)))
        else:
            happen(stream, kind, pick, amount, f"t{number}")

    for cursor, held in looks:
        pages = loop(stream, cursor, count)
        assert as_truth(replay(pages, held)) == stream.truth()
        assert all(len(page.added) + len(page.modified) <= count + noise.repeat_rows
                   for page in pages)  # fmt: skip


@settings(max_examples=effort.examples(250))
@given(steps)
def test_the_stated_balance_is_the_opening_and_the_posted_rows(history) -> None:
    stream = fresh()
    for number, (kind, pick, amount) in enumerate(history):
        happen(stream, kind, pick, amount, f"t{number}")

    for key, account in stream.accounts.items():
        posted = sum(
            (r.amount for r in stream.rows() if r.account_id == key and not r.pending), Decimal(0)
        )
        sign = 1 if account.owes else -1
        assert stream.balance(key).current == account.opening + sign * posted


def test_a_backfill_does_not_change_the_balance() -> None:
    stream = fresh()
    stream.apply(Added(row("new")))
    before = stream.balance("a").current

    stream.apply(Backfilled([row("old", "30.00"), row("older", "-7.00")]))

    assert stream.balance("a").current == before


def test_a_change_between_pages_breaks_the_loop_until_it_restarts() -> None:
    stream = fresh()
    for number in range(5):
        stream.apply(Added(row(f"t{number}")))
    first = stream.sync("", 2)
    stream.apply(Modified(row("t0", "9.00")))

    for _ in range(3):
        with pytest.raises(MutationError):
            stream.sync(first.next_cursor, 2)

    assert as_truth(replay(loop(stream, "", 2))) == stream.truth()


def test_a_pending_removal_and_its_posted_row_can_lie_on_different_pages() -> None:
    stream = fresh()
    stream.noise.split_pairs = True
    stream.apply(Added(row("p", pending=True)))
    cursor = stream.sync("").next_cursor
    stream.apply(Posted("p", row("t", "2.00")))

    first, second = loop(stream, cursor, 100)

    assert ([first.removed, first.added], [second.removed, len(second.added)]) == (
        [[("p", "a")], []],
        [[], 1],
    )
    assert second.added[0].pending_transaction_id == "p"


def test_the_raw_log_names_an_id_on_several_pages() -> None:
    stream = fresh()
    stream.apply(Added(row("first")))
    cursor = stream.sync("").next_cursor
    stream.noise.raw_log = True
    stream.apply(Added(row("t")))
    stream.apply(Modified(row("t", "2.00")))
    stream.apply(Removed("t"))

    pages = loop(stream, cursor, 100)

    assert [len(p.added) for p in pages] == [1, 0, 0]
    assert pages[1].modified[0].amount == Decimal("2.00")
    assert pages[2].removed == [("t", "a")]


def test_cursors_are_short_and_those_of_another_stream_are_refused() -> None:
    stream, other = fresh(), ItemStream("other")
    stream.apply(Added(row("t")))
    cursor = stream.sync("").next_cursor

    assert len(cursor) <= 256
    for bad in ("nonsense", cursor[:-4] + "AAAA", other.head(), "%%%"):
        with pytest.raises(InvalidCursorError):
            stream.sync(bad)


def test_a_page_is_plaid_json_with_exact_numbers() -> None:
    stream = fresh()
    stream.apply(Added(row("t", "1234567890.12")))
    page = stream.sync("")

    assert b'"amount":1234567890.12,' in page.as_json()
    assert page.as_dict()["added"][0]["amount"] == Decimal("1234567890.12")


@pytest.mark.parametrize(
    "event",
    [Added(row("t")), Modified(row("none")), Removed("none"), Added(row("x", account="none")),
     Posted("none", row("y")), AccountChurned("a", "b")],
)  # fmt: skip
def test_impossible_events_are_refused(event) -> None:
    stream = fresh()
    stream.apply(Added(row("t")))

    with pytest.raises(ValueError, match=r"none|used|become"):
        stream.apply(event)
