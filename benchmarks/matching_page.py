"""Writes `docs/reference/matching.md` from what was measured."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.matching import CERTAIN

if TYPE_CHECKING:
    from benchmarks.matching import Tally

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "matching.md"
_HEAD = """# Matching: how often it is right

Written by `make matching` on {day}; every figure is measured, none is typed. The rules are in
[the guide](../guides/duplicates.md), the reasons in
[decision 18](../adr/0018-duplicates-are-kept.md).

*Applied*: a pair whose confidence is at least {certain} and that nothing contests. *Asked*: a pair
below that, shown to a person. *Precision* is the part of the applied pairs that are right, *recall*
the part of the true pairs that are applied. *Traps* are movements (or accounts) that look like
one half of a pair and have no other half.

| Kind of pair | True | Applied | Wrong | Precision | Recall | Asked: right | wrong | Traps | Fell |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
"""
_TRUTH = """
## What is measured

The bank simulator lives {households} households for up to three years, {seeds} times with other
seeds, and keeps the truth.

* **Pending → posted, no link.** Every link of the provider is dropped and each account is played
  day by day, as syncs see it. A third of the pending rows is spelled differently, 8 % say nothing
  of the merchant, tips, fuel holds and exchange rates change the amount, some vanish for good, some
  are posted days after they vanished. Six accounts in ten say on which day a posted row was made.
* **A file and a provider; two providers.** Each account is told twice: in other words (8 and 2 % in
  words that say nothing), dated by a convention of the account (booked, made, a day later), 3 % of
  the rows misdated, each source lacking 1 %.
* **Habits misdated too.** The same with 3 % of the daily coffees dated on another day as well. Then
  both sources tell of a coffee on a day, and it is not the same one: nobody could know.
* **The same account under new ids.** Banks are linked again: with and without lasting ids, numbers,
  names, an old link that ended, and 0 to 365 days of rows; beside them accounts of other people
  with the same name and number.
* **Real files.** Where `FINTECH_SHARED_DATA` names a folder of bank files, exports of one account
  in two formats.

Traps are added to every account: a coffee of one amount each workday, of which some were cancelled
or are told by one source only; two equal transfers a day of which one was cancelled; instalments;
a cash withdrawal in one source beside an equal transfer, a day later, in the other.

Of rows of one source that look the same in everything, nobody can say which is which: a pair
counts as right if it is right for one of them.

Most pending rows that are not found are of the daily coffees: a row with an equal neighbour is
applied only if its bank says when it was made. Of pending rows that have vanished, only those are
asked about on which a person wrote something: the others cost nothing.

## Confidence, stated and measured

| Stated | Pairs | Right |
| --: | --: | --: |
"""
_SPEED = """
## Speed

Two sources that tell {count:,} transactions each are paired in {seconds:.2f} s of one core. A
sync with nothing to match costs three further short statements.
"""


def write(
    tallies: Sequence[Tally], speed: tuple[int, float], *, households: int, seeds: int
) -> None:
    """Write the page."""
    text = _HEAD.format(day=f"{dt.datetime.now(dt.UTC):%-d %B %Y}", certain=CERTAIN)
    text += "".join(map(_line, tallies))
    text += _TRUTH.format(households=households, seeds=seeds)
    text += _confidences(tallies)
    text += _SPEED.format(count=10_000, seconds=speed[1])
    PAGE.write_text(text, encoding="utf-8")
    print(text)


def _line(tally: Tally) -> str:
    applied = tally.right + tally.wrong
    return (
        f"| {tally.name} | {tally.cases:,} | {applied:,} | {tally.wrong} "
        f"| {_percent(tally.right, applied)} | {_percent(tally.right, tally.cases, 1)} "
        f"| {tally.asked_right:,} | {tally.asked_wrong:,} | {tally.traps:,} | {tally.trapped} |\n"
    )


def _confidences(tallies: Sequence[Tally]) -> str:
    counts: Counter[tuple[Decimal, bool]] = Counter()
    for tally in tallies:
        counts += tally.by_confidence
    lines = []
    for confidence in sorted({each for each, _ in counts}, reverse=True):
        right, wrong = counts[confidence, True], counts[confidence, False]
        share = _percent(right, right + wrong)
        lines.append(f"| {confidence.normalize():f} | {right + wrong:,} | {share} |\n")
    return "".join(lines)


def _percent(part: int, whole: int, digits: int = 2) -> str:
    if not whole:
        return "none"
    # Never rounded up to what is not so.
    shown = Decimal(part * 100) / whole
    return f"{int(shown * 10**digits) / Decimal(10**digits):f} %"
