"""Whether something grows, from samples over time; pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

Samples = list[tuple[float, float]]
"""Seconds since the start, and megabytes."""
WARM_UP = 1 / 3
PER_HOUR_MAX = 4.0
SHARE_MAX = 0.03
_POINTS_MAX = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the samples after the warming up say."""

    first: float
    last: float
    most: float
    slope: float
    """Megabytes an hour."""
    grows: bool


def verdict(samples: Sequence[tuple[float, float]]) -> Verdict:
    """Tell whether the line through the samples after the first third rises too much.

    The line must rise by more than PER_HOUR_MAX megabytes an hour, and by more than SHARE_MAX of
    the size within the time measured: a cache that fills a little is no leak.

    Raises:
        ValueError: There are fewer than ten samples.
    """
    if len(samples) < 10:
        raise ValueError("too few samples for a line")
    kept = samples[int(len(samples) * WARM_UP) :]
    slope = _slope(kept[:: max(1, len(kept) // _POINTS_MAX)])
    sizes = [size for _, size in kept]
    hours = (kept[-1][0] - kept[0][0]) / 3600
    edge = max(1, len(sizes) // 10)
    first, last = statistics.median(sizes[:edge]), statistics.median(sizes[-edge:])
    grows = slope > PER_HOUR_MAX and slope * hours > SHARE_MAX * statistics.median(sizes)
    return Verdict(first, last, max(sizes), slope, grows)


def at_constant(samples: Samples, counts: Sequence[float], count: float) -> Samples:
    """Return what the samples would be if there had always been `count` of what holds the memory.

    Args:
        samples: Of all of it together.
        counts: How many there were at each sample.
        count: How many there shall be.
    """
    return [
        (at, size * count / max(1, there))
        for (at, size), there in zip(samples, counts, strict=True)
    ]


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the median of the slopes between all pairs of points, an hour."""
    return statistics.median(
        (late[1] - early[1]) / (late[0] - early[0]) * 3600
        for early, late in combinations(points, 2)
    )
