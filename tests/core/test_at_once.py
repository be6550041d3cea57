"""Reads that take one message: whose rows they see, that they only read, and what is cut."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from app.core import at_once, database
from app.core.config import settings
from app.core.errors import UnavailableError
from tests.cast import SignedInBrowser
from tests.core.test_database_loss import end_all_sessions

SEEN = at_once.Statement(
    "seen", "SELECT id, current_user::text FROM households WHERE id <> %(but)s", {"but": "uuid"}
)
BACKEND = at_once.Statement("backend", "SELECT pg_backend_pid() WHERE %(yes)s", {"yes": "boolean"})
SLEEP = at_once.Statement("sleep", "SELECT pg_sleep(%(seconds)s)", {"seconds": "float8"})
NOBODY = "00000000-0000-0000-0000-000000000000"


def run(work: Callable[[], Awaitable[object]]) -> object:
    """Run it in a loop that keeps connections, as a server's does."""

    async def in_loop() -> object:
        async with at_once.connections_kept():
            return await work()

    return asyncio.run(in_loop())


def test_each_read_sees_its_own_household_alone(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    async def many() -> list[list[tuple[object, str]]]:
        readers = [ada, cleo] * 20
        return await asyncio.gather(
            *(at_once.read(each.household_id, SEEN, {"but": NOBODY}) for each in readers)
        )

    found = run(many)

    mine, theirs = ([(each.household_id, database.TENANT_ROLE)] for each in (ada, cleo))
    assert found == [mine, theirs] * 20


def test_nothing_can_be_written(ada: SignedInBrowser) -> None:
    change = at_once.Statement(
        "change", "UPDATE households SET name = %(name)s RETURNING id", {"name": "text"}
    )

    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        run(lambda: at_once.read(ada.household_id, change, {"name": "Mine"}))


def test_values_are_never_read_as_sql(ada: SignedInBrowser) -> None:
    said = at_once.Statement("said", "SELECT %(said)s", {"said": "text"})
    for value in ("'); DROP TABLE households; --", "\\'", "%(household_id)s", "$1", "é\n\t"):
        assert run(lambda value=value: at_once.read(ada.household_id, said, {"said": value})) == [
            (value,)
        ]


def test_connections_are_kept_and_no_more_than_allowed(ada: SignedInBrowser) -> None:
    async def twice() -> tuple[set[int], set[int]]:
        async def at_a_time(count: int) -> set[int]:
            rows = await asyncio.gather(
                *(at_once.read(ada.household_id, BACKEND, {"yes": True}) for _ in range(count))
            )
            return {pid for [(pid,)] in rows}

        return await at_a_time(30), await at_a_time(1)

    many, one = run(twice)  # type: ignore[misc]

    assert len(many) <= at_once.CONNECTIONS_MAX
    assert one < many


def test_a_connection_that_was_cut_while_idle_is_replaced(ada: SignedInBrowser) -> None:
    async def around_a_loss() -> tuple[object, object]:
        before = await at_once.read(ada.household_id, BACKEND, {"yes": True})
        await asyncio.to_thread(end_all_sessions)
        return before, await at_once.read(ada.household_id, BACKEND, {"yes": True})

    before, after = run(around_a_loss)  # type: ignore[misc]

    assert before != after


def test_a_connection_in_which_something_failed_is_not_used_again(
    ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_statement_seconds", 1)

    async def around_a_failure() -> tuple[object, object]:
        before = await at_once.read(ada.household_id, BACKEND, {"yes": True})
        with pytest.raises(psycopg.errors.QueryCanceled):
            await at_once.read(ada.household_id, SLEEP, {"seconds": 30})
        return before, await at_once.read(ada.household_id, BACKEND, {"yes": True})

    before, after = run(around_a_failure)  # type: ignore[misc]

    assert before != after


def test_who_goes_away_leaves_no_connection_in_doubt(ada: SignedInBrowser) -> None:
    async def give_up() -> object:
        waiting = asyncio.create_task(at_once.read(ada.household_id, SLEEP, {"seconds": 30}))
        await asyncio.sleep(0.2)
        waiting.cancel()
        await asyncio.wait([waiting])
        return await at_once.read(ada.household_id, SEEN, {"but": NOBODY})

    assert run(give_up) == [(ada.household_id, database.TENANT_ROLE)]
    with psycopg.connect(settings.DATABASE_URL.get_secret_value()) as connection:
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%EXECUTE sleep%'"
        assert connection.execute(f"{asleep} AND pid <> pg_backend_pid()").fetchone() == (0,)


def test_whoever_waits_too_long_for_a_connection_is_told_so(
    ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "WAIT_SECONDS_MAX", 0.2)

    async def crowd() -> list[object]:
        reads = (
            at_once.read(ada.household_id, SLEEP, {"seconds": 1})
            for _ in range(at_once.CONNECTIONS_MAX + 1)
        )
        return await asyncio.gather(*reads, return_exceptions=True)

    refused = [each for each in run(crowd) if isinstance(each, UnavailableError)]  # type: ignore[attr-defined]

    assert len(refused) == 1


def test_plans_are_kept_and_bounds_hold(ada: SignedInBrowser) -> None:
    names = ("plan_cache_mode", "statement_timeout", "transaction_read_only")
    shown = ", ".join(f"current_setting('{name}')" for name in names)
    statement = at_once.Statement("bounds", f"SELECT {shown} WHERE %(yes)s", {"yes": "boolean"})

    [(mode, bound, only_reads)] = run(  # type: ignore[misc]
        lambda: at_once.read(ada.household_id, statement, {"yes": True})
    )

    assert (mode, only_reads) == ("force_generic_plan", "on")
    assert bound != "0"


def test_a_connection_that_may_end_any_moment_is_not_used_again(
    ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def thrice() -> list[object]:
        before = await at_once.read(ada.household_id, BACKEND, {"yes": True})
        again = await at_once.read(ada.household_id, BACKEND, {"yes": True})
        monkeypatch.setattr(database, "_REUSED_WITHIN_SECONDS", -1)
        return [before, again, await at_once.read(ada.household_id, BACKEND, {"yes": True})]

    [before, again, after] = run(thrice)

    assert again == before
    assert after != before
