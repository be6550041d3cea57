"""The calculation of docs/scaling.md and the verdict of `make soak`, with numbers by hand."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import scaling, scaling_page
from benchmarks.crowd import growth, page
from benchmarks.scaling import Costs, Habits, Limits, Prices

ROOT = Path(__file__).parents[2]
COSTS = Costs(
    web_ms=30, request_database_ms=6, poll_worker_ms=50, poll_database_ms=20, news_worker_ms=60,
    news_database_ms=40, row_bytes=2_000, journal_bytes=200,
)  # fmt: skip
HABITS, LIMITS = Habits(), Limits()


def test_one_thousand_items_by_hand() -> None:
    found = scaling.need(1_000, COSTS, HABITS, LIMITS)

    assert found.people == pytest.approx(333.3, abs=0.1)
    assert found.requests_second == pytest.approx(333.33 * 40 * 0.12 / 3600, rel=1e-3)
    assert found.syncs_second == pytest.approx(5_500 / 86_400)
    assert found.web_cores == pytest.approx(0.44444 * 30 / 600, rel=1e-3)
    assert found.worker_cores == pytest.approx((4_000 * 50 + 1_500 * 60) / 86_400 / 600)
    assert found.database_cores == pytest.approx(
        0.44444 * 6 / 600 + (4_000 * 20 + 1_500 * 40) / 86_400 / 600, rel=1e-3
    )
    assert found.rows == 1_000 * 3 * 365 * 5
    assert found.disk_bytes == found.rows * 2_200
    assert (found.web_processes, found.workers, found.connections) == (1, 1, 36)
    assert scaling.steps(found, LIMITS) == ["one small machine"]
    assert scaling.dollars_month(found, Prices(core=10, gibibyte=0, item=0.5)) == (20, 500)


def test_everything_but_whole_processes_grows_in_proportion() -> None:
    small, large = (scaling.need(n, COSTS, HABITS, LIMITS) for n in (10_000, 1_000_000))
    for name in ("requests_second", "web_cores", "worker_cores", "database_cores", "disk_bytes"):
        assert getattr(large, name) == pytest.approx(100 * getattr(small, name)), name


def test_steps_come_in_order_and_none_is_taken_back() -> None:
    order = ["one small", "a larger", "more web", "a pooler", "a read replica", "database servers",
             "more Items", "a higher limit"]  # fmt: skip
    seen: set[str] = set()
    for items in range(0, 3_000_000, 50_000):
        steps = scaling.steps(scaling.need(items + 1, COSTS, HABITS, LIMITS), LIMITS)
        places = [next(n for n, words in enumerate(order) if words in each) for each in steps]
        assert places == sorted(places)
        kinds = {order[place] for place in places} - {"one small"}
        assert seen <= kinds
        seen = kinds
    assert seen == set(order[1:])


def test_a_part_is_full_where_it_is_said_to_be() -> None:
    full = scaling.full_at(COSTS, HABITS, LIMITS)
    at = scaling.need(full["one web process"], COSTS, HABITS, LIMITS)
    assert at.web_cores == pytest.approx(1)
    at = scaling.need(full["the provider's limit"], COSTS, HABITS, LIMITS)
    assert at.calls_minute == pytest.approx(LIMITS.provider_calls_minute)
    at = scaling.need(full["the disk of one server"], COSTS, HABITS, LIMITS)
    assert at.disk_bytes == pytest.approx(LIMITS.database_disk_bytes)


def test_workers_are_counted_by_their_waiting_when_that_is_more() -> None:
    slow = replace(HABITS, bank_wait_seconds=60)
    found = scaling.need(100_000, COSTS, slow, LIMITS)
    assert found.workers == 24  # 6.37 syncs a second of a minute each, 16 at a time
    assert found.worker_cores < found.workers


@pytest.mark.parametrize(
    ("what", "page_path"),
    [("load", page.PAGE), ("scaling", scaling_page.PAGE)],
)
def test_the_pages_are_what_the_last_measurement_makes_of_them(what: str, page_path: Path) -> None:
    expected = {
        "load": lambda: page.render(page.read(), page.read_stack()),
        "scaling": lambda: scaling_page.render(
            scaling_page.costs_of(page.read()), Habits(), Limits(), Prices()
        ),
    }[what]()
    assert page_path.read_text(encoding="utf-8") == expected


def test_other_assumptions_are_printed_and_change_no_page() -> None:
    before = scaling_page.PAGE.read_bytes()
    command = [sys.executable, "-m", "benchmarks.scaling_page", "--core", "1000"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert "| $ for a core a month | 1,000 |" in result.stdout
    assert scaling_page.PAGE.read_bytes() == before


def _samples(megabytes_an_hour: float, hours: float = 2.0) -> growth.Samples:
    """Return samples each ten seconds: warming up, then a line with noise and rare peaks."""
    count = int(hours * 360)
    return [
        (
            number * 10.0,
            100 + min(number / (count / 5), 1) * 80 + number / 360 * megabytes_an_hour
            + (number * 7919 % 13) / 4 + (60 if number % 97 == 0 else 0),
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(("megabytes_an_hour", "grows"), [(0, False), (1, False), (20, True)])
def test_a_leak_is_told_from_noise_peaks_and_warming_up(
    megabytes_an_hour: float, grows: bool
) -> None:
    found = growth.verdict(_samples(megabytes_an_hour))
    assert found.slope == pytest.approx(megabytes_an_hour, abs=1.5)
    assert found.grows is grows


@pytest.mark.parametrize(("megabytes_an_hour", "grows"), [(0, False), (20, True)])
def test_more_connections_are_no_leak_and_hide_none(megabytes_an_hour: float, grows: bool) -> None:
    counts = [8 + number // 100 for number in range(721)]
    samples = [
        (at, size / 10 * there)
        for (at, size), there in zip(_samples(megabytes_an_hour), counts, strict=False)
    ]
    counts = counts[: len(samples)]

    assert growth.verdict(samples).grows
    assert growth.verdict(growth.at_constant(samples, counts, 10)).grows is grows


def test_few_samples_give_no_verdict() -> None:
    with pytest.raises(ValueError, match="too few"):
        growth.verdict([(0.0, 1.0)] * 9)
