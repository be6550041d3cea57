"""The token bucket in PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from sqlalchemy import text

from app.core import database, ratelimit
from app.core.ratelimit import Limit
from tests.cast import Clock

LIMIT = Limit("test", burst=3, refill_seconds=60)


def take(key: str, limit: Limit = LIMIT) -> int | None:
    with database.system_transaction() as session:
        return ratelimit.take(session, limit, key)


def test_a_burst_is_allowed_and_then_one_for_each_interval(clock: Clock) -> None:
    key = str(uuid4())

    assert [take(key) for _ in range(3)] == [None, None, None]
    wait = take(key)
    assert wait is not None
    assert 58 <= wait <= 60
    clock.shift(30)
    assert take(key) is not None
    clock.shift(31)
    assert take(key) is None
    assert take(key) is not None


def test_a_bucket_never_holds_more_than_its_burst(clock: Clock) -> None:
    key = str(uuid4())
    take(key)
    clock.shift(24 * 3600)

    assert [take(key) is None for _ in range(4)] == [True, True, True, False]


def test_refused_attempts_do_not_put_off_the_next_one(clock: Clock) -> None:
    key = str(uuid4())
    for _ in range(3):
        take(key)

    outcomes = []
    for _ in range(21):
        clock.shift(3)
        outcomes.append(take(key))

    assert outcomes.count(None) == 1  # in 63 seconds, however often one asked


def test_a_clock_that_goes_back_takes_nothing_away(clock: Clock) -> None:
    key = str(uuid4())
    take(key)
    clock.shift(-3600)

    assert take(key) is None
    assert take(key) is None
    assert take(key) is not None


def test_an_attempt_can_be_given_back(clock: Clock) -> None:
    key = str(uuid4())
    for _ in range(5):
        assert take(key) is None
        with database.system_transaction() as session:
            ratelimit.give_back(session, LIMIT, key)


def test_attempts_at_the_same_moment_never_share_a_token() -> None:
    key = str(uuid4())
    limit = Limit("test", burst=5, refill_seconds=3600)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: take(key, limit), range(24)))

    assert outcomes.count(None) == 5


def test_the_table_names_nobody_and_keys_of_two_limits_differ() -> None:
    other = Limit("other", burst=3, refill_seconds=60)

    assert b"ada@example.com" not in ratelimit.hash_key(LIMIT, "ada@example.com")
    assert ratelimit.hash_key(LIMIT, "a") != ratelimit.hash_key(other, "a")


def test_buckets_that_are_full_again_are_forgotten(clock: Clock) -> None:
    old, fresh = str(uuid4()), str(uuid4())
    take(old)
    clock.shift(25 * 3600)
    take(fresh)
    with database.system_transaction() as session:
        ratelimit.forget_old(session)
        left = {bytes(row) for row in session.scalars(text("SELECT key_hash FROM attempt_buckets"))}

    assert ratelimit.hash_key(LIMIT, old) not in left
    assert ratelimit.hash_key(LIMIT, fresh) in left
