"""What a figure is: a reading, the floor beside it, and the budget for both."""

import json
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured, and the floor that was measured between its rounds."""

    value: float
    floor: float
    notes: str = ""
    """For the table: what else a reader should know."""

    @property
    def ratio(self) -> float:
        """How many floors the value is."""
        return self.value / self.floor


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds of a reading; those that are None do not bind."""

    value_max: float | None = None
    ratio_max: float | None = None
    ratio_min: float | None = None

    def holds(self, reading: Reading) -> bool:
        """Tell whether a reading keeps all bounds."""
        return (
            (self.value_max is None or reading.value <= self.value_max)
            and (self.ratio_max is None or reading.ratio <= self.ratio_max)
            and (self.ratio_min is None or reading.ratio >= self.ratio_min)
        )

    def text(self, unit: str) -> str:
        """Return the bounds in words."""
        bounds = (
            ("<=", self.value_max, f" {unit}"),
            ("<=", self.ratio_max, " x floor"),
            (">=", self.ratio_min, " x floor"),
        )
        return ", ".join(f"{sign} {bound:g}{of}" for sign, bound, of in bounds if bound is not None)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report."""

    name: str
    unit: str
    budget: Budget
    read: Callable[[], Reading]
    floor: str
    """What the floor is, in words."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A figure and what was read."""

    figure: Figure
    reading: Reading

    @property
    def is_ok(self) -> bool:
        """Whether the budget holds."""
        return self.figure.budget.holds(self.reading)

    def as_json(self) -> str:
        """Return the line for programs."""
        return json.dumps(
            {
                "name": self.figure.name,
                "value": _rounded(self.reading.value),
                "unit": self.figure.unit,
                "floor": _rounded(self.reading.floor),
                "ratio": _rounded(self.reading.ratio),
                "budget": self.figure.budget.text(self.figure.unit),
                "ok": self.is_ok,
            }
        )


def table(findings: list[Finding]) -> str:
    """Return all findings for people."""
    rows = [("figure", "value", "floor", "ratio", "budget", "")]
    rows += [
        (
            finding.figure.name,
            f"{_rounded(finding.reading.value):,} {finding.figure.unit}",
            f"{_rounded(finding.reading.floor):,}",
            f"{finding.reading.ratio:.2f}",
            finding.figure.budget.text(finding.figure.unit),
            "ok" if finding.is_ok else "MISSED",
        )
        for finding in findings
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    notes = [
        f"{finding.figure.name}: floor: {finding.figure.floor}. {finding.reading.notes}".rstrip()
        for finding in findings
    ]
    return "\n".join([*lines, "", *notes])


def _rounded(number: float) -> float:
    """Return three significant digits, or all that stand before the point."""
    return round(number) if abs(number) >= 100 else float(f"{number:.3g}")
