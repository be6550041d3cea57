"""Measure the matching: generated lives with the truth kept, hard negatives, and real files.

Writes `docs/reference/matching.md`. Every number of it comes from here; nothing is sampled from
the tests. Run it with `make matching`.
"""

import datetime as dt
import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from time import perf_counter

from app.domain.matching import (
    AccountTrace,
    Movement,
    Overlap,
    Pair,
    Pairs,
    overlap_of,
    posted_of_pending,
    same_accounts,
    same_movements,
)
from app.importers import reading
from app.importers.base import StatementError
from app.simulator.feed import amount_of, cents
from app.simulator.life import VANISHES, WITHDRAWN, life_of
from app.simulator.life import Movement as Lived
from app.simulator.people import HOUSEHOLDS
from app.simulator.rows import Facts
from benchmarks import matching_page

SHARED = "FINTECH_SHARED_DATA"
LAST_DAY = dt.date(2026, 11, 20)
SEEDS = 2
SHOW = "--show" in sys.argv
"""Print what is applied and wrong."""
HOUSEHOLD_YEARS_MAX = 3
FIRST_TRAP = 10_000_000
WINDOW = dt.timedelta(days=28)
OTHER_WORDS = ("CARD TRANSACTION {n}", "POS 0{n} 44120", "DEBIT REF {n}", "PAYMENT {n}")
STYLES = ("{text}", "POS PURCHASE {text}", "{upper}", "{cut}", "{merchant}", "VISA {cut} REF {n}")


@dataclass
class Tally:
    """What came of one kind of pair."""

    name: str
    cases: int = 0
    """Pairs that are one, in truth."""
    right: int = 0
    wrong: int = 0
    asked_right: int = 0
    asked_wrong: int = 0
    traps: int = 0
    """Hard negatives: movements that look like a pair and are none."""
    trapped: int = 0
    by_confidence: Counter[tuple[Decimal, bool]] = field(default_factory=Counter)

    def count(
        self,
        pairs: Pairs,
        what: Mapping[str, object],
        told: Container[str],
        looks: Mapping[str, object],
    ) -> None:
        """Compare pairs with the truth.

        Of rows of one source that look the same nobody can know which is which, so it counts as
        right when the pair is right for one that looks like it.

        Args:
            pairs: What the matching says.
            what: By id, what it tells of; equal for movements of one account, day, amount, text.
            told: Ids on the right that have a partner.
            looks: By id, what its source says of it.
        """
        things: defaultdict[object, set[object]] = defaultdict(set)
        for row_id, look in looks.items():
            things[row_id[0], look].add(what[row_id])

        def is_right(pair: Pair) -> bool:
            one, other = (things[each[0], looks[each]] for each in (pair.left, pair.right))
            return bool(one & other)

        for pair in pairs.certain:
            self.right += is_right(pair)
            self.wrong += not is_right(pair)
            self.trapped += not is_right(pair) and pair.right not in told
            self.by_confidence[pair.confidence, is_right(pair)] += 1
            if SHOW and not is_right(pair):
                print(self.name, pair, what[pair.left], what[pair.right])
        for pair in pairs.possible:
            self.asked_right += is_right(pair)
            self.asked_wrong += not is_right(pair)
            self.by_confidence[pair.confidence, is_right(pair)] += 1


def thing(movement: Lived) -> object:
    """Return what a movement is, as far as anybody could know."""
    return movement.authorized, movement.posted, movement.amount, movement.text


def lives() -> Iterator[tuple[str, list[Lived], random.Random]]:
    """Yield each account of each household: its movements, and a source of chance."""
    for household in HOUSEHOLDS.values():
        years = min(household.years, HOUSEHOLD_YEARS_MAX)
        for seed in range(SEEDS):
            life = life_of(replace(household, seed=household.seed + 101 * seed), 2026 - years)
            life.live_until(LAST_DAY.toordinal())
            by_account: defaultdict[str, list[Lived]] = defaultdict(list)
            for movement in life.movements:
                if life.accounts[movement.account].type != "investment":
                    by_account[movement.account].append(movement)
            for account, movements in by_account.items():
                name = f"{household.login} {seed} {account}"
                yield name, movements, random.Random(name)


def day_of(ordinal: int) -> dt.date:
    """Return a day of a life."""
    return dt.date.fromordinal(ordinal)


def seen_as(movement: Lived, chance: random.Random, *, plain: int) -> str:
    """Return the text in one of the ways in which banks write it; in `plain` %, as it is."""
    if chance.random() * 100 < plain:
        return movement.text
    words = movement.text.split()
    style = chance.choice(STYLES)
    return style.format(
        text=movement.text,
        upper=movement.text.upper(),
        cut=" ".join(words)[:20],
        merchant=movement.facts.merchant or movement.text,
        n=chance.randrange(10_000),
    )


# Pending and posted, without links


@dataclass(frozen=True, slots=True)
class Update:
    """What one daily update brings of one account."""

    vanished: list[Movement]
    posted: list[Movement]


def pending_updates(
    movements: Sequence[Lived], chance: random.Random, tally: Tally
) -> tuple[dict[int, Update], dict[str, object], set[str]]:
    """Return the updates of an account by day, what each row tells of, and what was posted."""
    updates: defaultdict[int, Update] = defaultdict(lambda: Update([], []))
    what: dict[str, object] = {}
    truth: set[str] = set()
    says_when_made = chance.random() < 0.6
    for movement in [*movements, *_pending_traps(movements, chance)]:
        code = movement.facts.category or ""
        made = day_of(movement.authorized)
        was_pending = movement.pending is not None and movement.authorized < movement.posted
        if was_pending:
            text = movement.text if chance.random() < 0.67 else f"PENDING - {movement.text}"
            if chance.random() < 0.08:
                text = chance.choice(OTHER_WORDS).format(n=chance.randrange(10_000))
            pending = movement.amount if movement.pending is None else movement.pending
            old = Movement(f"p{movement.number}", made, -cents(pending), "USD", text, made, code)
            vanish = movement.posted - (1 if movement.fate == "late" else 0)
            updates[vanish].vanished.append(old)
        what[f"p{movement.number}"] = what[f"m{movement.number}"] = thing(movement)
        if movement.fate == VANISHES:
            tally.traps += was_pending
            continue
        new = Movement(
            f"m{movement.number}", day_of(movement.posted), -amount_of(movement), "USD",
            movement.text, made if says_when_made else None, code,
        )  # fmt: skip
        updates[movement.posted].posted.append(new)
        if was_pending:
            truth.add(f"p{movement.number}")
            tally.cases += 1
    return updates, what, truth


def _pending_traps(movements: Sequence[Lived], chance: random.Random) -> Iterator[Lived]:
    """Yield a daily coffee, twin transfers and instalments, of which some were cancelled."""
    last = movements[-1]
    first, final = movements[0].authorized, last.authorized
    number = FIRST_TRAP

    def make(day: int, amount: int, text: str, lag: int, **more: object) -> Lived:
        nonlocal number
        number += 1
        values = {"pending": amount, "fate": "", "pair": None, "series": None, **more}
        return Lived(
            number=number, account=last.account, authorized=day, posted=day + lag, amount=amount,
            text=text, facts=last.facts, **values,  # type: ignore[arg-type]  # fields by name
        )  # fmt: skip

    for day in range(first, final, 1):
        if day_of(day).weekday() < 5 and day % 120 < 40:
            roll = chance.random()
            fate = VANISHES if roll < 0.1 else ""
            pending = None if roll > 0.9 else 450
            yield make(day, 450, "CORNER COFFEE 0042", 2, fate=fate, pending=pending)
    for day in range(first + 10, final, 45):
        for fate in ("", VANISHES if chance.random() < 0.5 else ""):
            yield make(day, 20_000, "ZELLE TO ANA", 1, fate=fate)
    for day in range(first + 5, final, 30):
        fate = VANISHES if chance.random() < 0.3 else ""
        yield make(day, 4_999, "LAPTOP INSTALMENT", 2, fate=fate)
        if fate:
            yield make(day + 2, 4_999, "LAPTOP INSTALMENT", 2, pending=None)


def measure_pending() -> Tally:
    """Play every account day by day, as syncs would see it, with all links dropped."""
    tally = Tally("Pending → posted, no link")
    for _, movements, chance in lives():
        updates, what, truth = pending_updates(movements, chance, tally)
        waiting: list[tuple[int, Movement]] = []
        arrived: list[tuple[int, Movement]] = []
        explained: set[str] = set()
        asked: set[tuple[str, str]] = set()
        looks: dict[str, object] = {}
        for day in sorted(updates):
            update = updates[day]
            looks |= {row.id: row.looks for row in (*update.vanished, *update.posted)}
            waiting += [(day, row) for row in update.vanished]
            arrived += [(day, row) for row in update.posted]
            waiting = [(then, row) for then, row in waiting if day - then <= WINDOW.days]
            arrived = [(then, row) for then, row in arrived if day - then <= WINDOW.days]
            open_ = [row for _, row in arrived if row.id not in explained]
            pairs = posted_of_pending(
                [row for _, row in waiting],
                open_,
                together={
                    (new.id, old.id)
                    for then, new in arrived
                    for before, old in waiting
                    if then == before == day
                },
                others=[row for _, row in arrived if row.id in explained],
            )
            new_questions = [p for p in pairs.possible if (p.left, p.right) not in asked]
            asked |= {(p.left, p.right) for p in new_questions}
            tally.count(Pairs(pairs.certain, tuple(new_questions)), what, truth, looks)
            gone = {pair.right for pair in pairs.certain}
            explained |= {pair.left for pair in pairs.certain}
            waiting = [(then, row) for then, row in waiting if row.id not in gone]
    return tally


# The same movement from a file and a provider, or from two providers


def measure_told_twice(
    name: str, *, plain: int, misdated: int, other_words: int, misdates_traps: bool = False
) -> Tally:
    """Let two sources tell each account, in their own words and on their own days."""
    tally = Tally(name)
    for _, movements, chance in lives():
        stored, incoming, what, truth = [], [], {}, set()
        says_when_made = chance.random() < 0.5
        convention = chance.choice(("posted", "posted", "made", "later"))
        rows = [m for m in movements if m.fate not in (VANISHES, WITHDRAWN)]
        for movement in [*rows, *_told_traps(rows, chance)]:
            lost = "both" if movement.fate == "" else movement.fate
            roll = chance.random()
            lost = "stored" if roll < 0.01 else "incoming" if roll < 0.02 else lost
            left, right = f"s{movement.number}", f"i{movement.number}"
            what[left] = what[right] = thing(movement)
            made = day_of(movement.authorized)
            code = movement.facts.category or ""
            posted = day_of(movement.posted)
            if lost != "stored":
                stored.append(
                    Movement(left, posted, -amount_of(movement), "USD",
                             f"{movement.text} {movement.facts.merchant or ''}".strip(),
                             made if says_when_made else None, code)
                )  # fmt: skip
            if lost != "incoming":
                text = seen_as(movement, chance, plain=plain)
                if chance.random() * 100 < other_words:
                    text = chance.choice(OTHER_WORDS).format(n=chance.randrange(10_000))
                day = {"made": made, "later": posted + dt.timedelta(days=1)}.get(convention, posted)
                is_trap = movement.number >= FIRST_TRAP
                if (misdates_traps or not is_trap) and chance.random() * 100 < misdated:
                    day = chance.choice((made, posted + dt.timedelta(days=1)))
                incoming.append(Movement(right, day, -amount_of(movement), "USD", text))
            if lost not in ("stored", "incoming"):
                truth.add(right)
                tally.cases += 1
            else:
                tally.traps += 1
        looks = {row.id: row.looks for row in (*stored, *incoming)}
        tally.count(same_movements(stored, incoming), what, truth, looks)
    return tally


def _told_traps(rows: Sequence[Lived], chance: random.Random) -> Iterator[Lived]:
    """Yield movements of which one source tells one and the other one another."""
    last, number = rows[-1], FIRST_TRAP

    def make(day: int, amount: int, text: str, lost: str, lag: int = 0) -> Lived:
        nonlocal number
        number += 1
        return Lived(
            number=number, account=last.account, authorized=day, posted=day + lag, amount=amount,
            text=text, facts=Facts(category="GENERAL_SERVICES_OTHER_GENERAL_SERVICES"), fate=lost,
        )  # fmt: skip

    first, final = rows[0].posted, last.posted
    for day in range(first, final):
        if day_of(day).weekday() < 5 and day % 120 < 40:
            roll = chance.random()
            lost = "stored" if roll < 0.08 else "incoming" if roll < 0.16 else ""
            yield make(day, 450, "CORNER COFFEE 0042", lost, lag=1 + (day % 7 > 4))
    for day in range(first + 10, final, 45):
        yield make(day, 20_000, "ZELLE TO ANA", "")
        yield make(day, 20_000, "ZELLE TO ANA", chance.choice(("", "stored", "incoming")))
    for day in range(first + 5, final, 30):
        yield make(day, 4_999, "LAPTOP INSTALMENT", chance.choice(("", "", "stored", "incoming")))
    for day in range(first + 7, final, 60):
        yield make(day, 10_000, "ATM WITHDRAWAL", "stored")
        yield make(day + 1, 10_000, "TRANSFER TO SAVINGS", "incoming")


# Accounts under new ids


def measure_accounts() -> Tally:
    """Link every household's banks again under new ids, beside accounts that only look alike."""
    tally = Tally("The same account under new ids")
    for household in HOUSEHOLDS.values():
        for seed in range(SEEDS * 10):
            chance = random.Random(f"{household.login} {seed}")
            _link_again(household.login, seed, chance, tally)
    return tally


def _link_again(login: str, seed: int, chance: random.Random, tally: Tally) -> None:
    household = replace(HOUSEHOLDS[login], seed=HOUSEHOLDS[login].seed + 101 * (seed % SEEDS))
    life = life_of(household, 2025)
    life.live_until(LAST_DAY.toordinal())
    days = chance.choice((0, 30, 90, 365))
    keeps_id, keeps_mask = chance.random() < 0.3, chance.random() < 0.8
    keeps_name, old_is_gone = chance.random() < 0.8, chance.random() < 0.6
    has_twin = chance.random() < 0.5
    old, new, what, told, overlaps = [], [], {}, set(), {}
    rows_of: dict[str, list[Movement]] = {}
    for plan in household.accounts:
        rows = [
            Movement(f"{m.number}", day_of(m.posted), -amount_of(m), "USD")
            for m in life.movements
            if m.account == plan.key and m.fate not in (VANISHES, WITHDRAWN)
        ]
        trace = AccountTrace(
            id=f"old-{plan.key}", account=f"old-{plan.key}", kind=plan.type, currency="USD",
            subtype=plan.subtype, mask=plan.mask, name=plan.name, institution=plan.institution_id,
            persistent_id=f"{login}-{plan.key}", current=cents(life.balance(plan)),
            is_gone=old_is_gone,
        )  # fmt: skip
        old.append(trace)
        rows_of[trace.id] = [r for r in rows if (LAST_DAY - r.date).days >= 5]
        again = replace(
            trace, id=f"new-{plan.key}", account=f"new-{plan.key}", is_gone=False,
            persistent_id=trace.persistent_id if keeps_id else None,
            mask=plan.mask if keeps_mask else None,
            name=plan.name if keeps_name else f"My {plan.subtype}",
            current=cents(life.balance(plan) + chance.choice((0, 0, 1_250))),
        )  # fmt: skip
        new.append(again)
        rows_of[again.id] = [r for r in rows if (LAST_DAY - r.date).days <= days]
        what[trace.id] = what[again.id] = plan.key
        told.add(again.id)
        tally.cases += 1
        if has_twin and plan.type == "depository":
            # Another person's account of the same name and last digits, at the same bank.
            twin = replace(
                again, id=f"twin-{plan.key}", account=f"twin-{plan.key}", persistent_id=None,
                current=cents(life.balance(plan) // 3 + 977),
            )  # fmt: skip
            new.append(twin)
            what[twin.id] = "twin"
            rows_of[twin.id] = [
                replace(r, amount=r.amount * 2 + Decimal("0.13")) for r in rows_of[again.id]
            ]
            tally.traps += 1
    for one in old:
        for other in new:
            found = overlap_of(rows_of[one.id], rows_of[other.id])
            overlaps[one.id, other.id] = found if rows_of[other.id] else Overlap(0, 0, 0)
    looks = {each.id: each.id for each in (*old, *new)}
    tally.count(same_accounts(old, new, overlaps=overlaps), what, told, looks)


# Real files: the same account exported in two formats


def measure_files(folder: Path) -> Tally | None:
    """Compare exports of one account in several formats, where the collection has such."""
    tally = Tally("Real files, two formats of one account")
    for one, other in _exports(folder):
        left, right = _movements_of(one, "l"), _movements_of(other, "r")
        if len(left) < 2 or len(left) != len(right):
            continue
        truth = _in_order(left, right)
        if truth is None:
            continue
        tally.cases += len(left)
        looks = {row.id: row.looks for row in (*left, *right)}
        tally.count(same_movements(left, right), truth, truth, looks)
    return tally if tally.cases else None


def _exports(folder: Path) -> Iterator[tuple[Path, Path]]:
    files = sorted(each for each in folder.rglob("*") if each.suffix in (".csv", ".ofx", ".qfx"))
    by_name: defaultdict[str, list[Path]] = defaultdict(list)
    for file in files:
        name = file.stem.removeprefix("converted__").lower()
        by_name[f"{file.parent.name}/{name}"].append(file)
    for group in by_name.values():
        yield from ((one, other) for one in group for other in group if one.suffix < other.suffix)


def _movements_of(file: Path, prefix: str) -> list[Movement]:
    try:
        read = reading.read(file.name, file.read_bytes()).file
    except StatementError:
        return []
    rows = [row for each in (read.statements if read else ()) for row in each.transactions]
    return [
        Movement(f"{prefix}{number}", row.date, row.money.amount, "USD",
                 f"{row.description} {row.counterparty or ''}", row.authorized_date)
        for number, row in enumerate(rows)
    ]  # fmt: skip


def _in_order(left: Sequence[Movement], right: Sequence[Movement]) -> dict[str, object] | None:
    """Say what rows of two exports tell of that list the same amounts in the same order."""
    if [row.amount for row in left] != [row.amount for row in right]:
        return None
    pairs = zip(left, right, strict=True)
    return {row.id: (old.date, old.amount, old.text) for old, new in pairs for row in (old, new)}


def measure_speed(count: int = 10_000) -> tuple[int, float]:
    """Return how many pairs are found, and in how many seconds, where both tell `count` rows."""
    chance = random.Random("speed")
    rows = [
        Movement(f"{n}", LAST_DAY - dt.timedelta(days=n * 3_650 // count),
                 -cents(chance.randrange(100, 30_000)), "USD", f"SHOP {chance.randrange(300)} MAIN")
        for n in range(count)
    ]  # fmt: skip
    began = perf_counter()
    pairs = same_movements(rows, [replace(row, id=f"x{row.id}") for row in rows])
    return len(pairs.certain), perf_counter() - began


def main() -> int:
    """Measure everything and write the page; 1 when a target is missed."""
    tallies: list[Tally] = [
        measure_pending(),
        measure_told_twice("A file and a provider", plain=30, misdated=3, other_words=8),
        measure_told_twice("Two providers", plain=60, misdated=3, other_words=2),
        measure_told_twice(
            "Two providers, habits misdated too",
            plain=60,
            misdated=3,
            other_words=2,
            misdates_traps=True,
        ),
        measure_accounts(),
    ]
    folder = os.environ.get(SHARED)
    real = measure_files(Path(folder)) if folder else None
    if real:
        tallies.append(real)
    matching_page.write(tallies, measure_speed(), households=len(HOUSEHOLDS), seeds=SEEDS)
    return 0 if all(_meets_target(each) for each in tallies) else 1


def _meets_target(tally: Tally) -> bool:
    applied = tally.right + tally.wrong
    return (not tally.trapped or "misdated" in tally.name) and tally.right >= 0.999 * applied


if __name__ == "__main__":
    sys.exit(main())
