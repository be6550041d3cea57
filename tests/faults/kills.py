"""Seeded histories in which workers are killed at named places, and what is checked after each.

A world is a household with one bank. In each round things happen at the bank and in the household,
then a worker is killed, or two overlap of which the slower is overtaken, and the invariants are
checked. At the end of a world a last worker runs undisturbed, and the ledger equals the bank's
truth. Every choice comes from the seed.
"""

import gc
import itertools
import pickle
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from app.core.database import household_transaction
from app.core.faults import POINTS
from app.features.connections import repository, tasks
from app.features.connections.service import alone, link, rereading, schedule, sync, turns
from app.features.imports.service.book import book
from app.features.imports.service.upload import preview
from app.features.proof import service as proof
from app.features.transactions import service as transactions
from app.features.transactions.service import Edit
from app.importers import reading, sandbox
from app.providers import registry
from app.providers.base import Exchange, Page, ProviderUnavailableError
from app.simulator.stream import Noise
from tests.factories import people
from tests.factories.files import ofx
from tests.faults.invariants import Checker
from tests.faults.workers import End, Order, go_on, kill, quiet, run, start, wait
from tests.features.connections import bank as banks
from tests.features.connections import streams
from tests.features.connections.bank import Bank

ROUNDS = 24
FORGET = "forget"
"""The bank refuses the cursors that it gave out before, so that all is read again (XN6)."""
REFUSES = 0.15
"""How often it does so before a round."""
SYNC_POINTS = [name for name in POINTS if name.startswith(("sync.", "ledger."))]
OUTSIDE = ["sync.leased", "sync.page", "sync.before_transaction", "sync.committed"]
"""Places at which no transaction is open, so that others can overtake who waits there."""
LINK_POINTS = [name for name in POINTS if name.startswith("link.")]
IMPORT_POINTS = [name for name in POINTS if name.startswith("import.")] + ["ledger.mid_apply"]
TOKEN = "access-secret-that-nobody-may-read"


class ViolationError(AssertionError):
    """An invariant does not hold."""


@dataclass
class Tally:
    """What was done and found."""

    kills: Counter[str] = field(default_factory=Counter)
    overtaken: int = 0
    refusals: int = 0
    """How often the bank refused every cursor that it had given out."""
    held: int = 0
    """Full readings that a person had to accept."""
    worlds: int = 0
    edits: int = 0
    checks: int = 0
    proofs: int = 0
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """Kills at all places."""
        return self.kills.total()


class ToldBank(Bank):
    """A bank whose workers, forked at different times, all see what happened up to now."""

    forgotten: int = 0
    """Cursors up to this place in its log are refused."""

    def fetch_transactions(self, access_token: str, cursor: str | None) -> Page:
        """Show what follows the cursor, after hearing the news."""
        self.catch_up()
        if cursor:
            at = self.stream._decode(cursor, None)
            self.forgets = at.page == 0 and 0 < at.position <= self.forgotten
        return super().fetch_transactions(access_token, cursor)

    def fetch_accounts(self, access_token: str) -> Page:
        """List the accounts, after hearing the news."""
        self.catch_up()
        return super().fetch_accounts(access_token)

    def catch_up(self) -> None:
        """Do the steps that were told since we last looked."""
        steps = self.news.read_text().splitlines()[self.history.steps :]
        for step in steps:
            kind, pick, cents = step.split("|")
            if kind == FORGET:
                self.forgotten = len(self.stream._log)
            self.history.step(kind, int(pick), int(cents))


@dataclass
class World:
    """A household, its bank, and what must be true of them."""

    dice: random.Random
    checker: Checker
    tally: Tally
    folder: Path
    person: people.Person = field(
        default_factory=lambda: people.person(email=f"{uuid4()}@example.com")
    )
    notes: dict[UUID, str] = field(default_factory=dict)
    truths: dict[str | None, streams.Live] = field(default_factory=lambda: {None: {}})
    """What the bank says, by its cursor."""
    listed: dict[str | None, set[str]] = field(default_factory=dict)
    """The accounts that it has then."""

    def __post_init__(self) -> None:
        noise = Noise(
            split_pairs=self.dice.random() < 0.3,
            repeat_rows=self.dice.randrange(3),
            swap_added_modified=self.dice.random() < 0.3,
            unknown_removals=self.dice.random() < 0.3,
            raw_log=self.dice.random() < 0.3,
            page_rows_max=self.dice.randint(2, 6),
        )
        self.history = streams.new_history(f"item-{uuid4()}", noise)
        self.bank = ToldBank(self.history.stream)
        self.bank.history = self.history
        self.bank.news = self.folder / "news"
        self.bank.news.write_text("")
        self.household_id = self.person.household_id
        self.item_id = banks.store_item(self.household_id, self.bank)
        registry._providers["plaid"] = self.bank

    def live(self) -> None:
        """Let something happen at the bank, and know what is then true."""
        kinds = [self.dice.choice(streams.KINDS) for _ in range(self.dice.randrange(1, 9))]
        if self.dice.random() < REFUSES:
            # What is gone is told by nothing but its absence; the last step moves the end.
            gone = ["remove"] * self.dice.choice((0, 2, 16))
            kinds += [*gone, FORGET, "add posted"]
            self.tally.refusals += 1
        with self.bank.news.open("a") as news:
            news.write(
                "".join(
                    f"{kind}|{self.dice.randrange(61)}|{self.dice.randint(-50_000, 50_000)}\n"
                    for kind in kinds
                )
            )
        self.bank.catch_up()
        stream = self.history.stream
        self.truths[stream.head()] = streams.truth_of(stream)
        self.listed[stream.head()] = set(stream.accounts)

    def edit(self) -> None:
        """Let a person write a note on some row that is shown: it is one of each that tells it."""
        rows = self.checker.query(
            "SELECT id, coalesce(duplicate_of_id, id) FROM transactions"
            " WHERE household_id = %(id)s AND is_live ORDER BY source_id",
            id=self.household_id,
        )
        if not rows:
            return
        row_id, original_id = self.dice.choice(rows)
        same = self.checker.query(
            "SELECT id FROM transactions WHERE household_id = %(id)s"
            " AND %(original_id)s IN (id, duplicate_of_id)",
            id=self.household_id, original_id=original_id,
        )  # fmt: skip
        note = f"note {self.tally.edits}"
        with household_transaction(self.household_id) as session:
            edit = Edit(frozenset({"note"}), note=note)
            transactions.edit_transaction(
                session, self.household_id, self.person.user_id, row_id, edit
            )
        self.notes |= {each: note for (each,) in same}
        self.tally.edits += 1

    def work(self) -> None:
        """Do what a worker does with a hint."""
        tasks.sync_item(str(self.household_id), str(self.item_id))

    def order(self, points: list[str], number: signal.Signals = signal.SIGKILL) -> Order:
        """Choose a place to die or wait at."""
        point = self.dice.choice(points)
        return Order(point, self.dice.choice((1, 2, 3)) if point == "sync.page" else 1, number)

    def count(self, end: End, order: Order) -> None:
        """Count a kill."""
        if end is End.KILLED:
            self.tally.kills[order.point] += 1

    def check(self, *, quiet: bool = False) -> None:
        """Compare the ledger with the bank as it was at the ledger's cursor, and the rest."""
        found = self.checker.violations(self.household_id, self.notes, quiet=quiet)
        cursor = self.checker.cursor_of(self.household_id, self.item_id)
        ledger = self.checker.ledger_of(self.household_id)
        if self.bank.forgotten:
            # A full answer says nothing of accounts that it does not list: their history stays.
            listed = self.listed.get(cursor, set())
            ledger = {name: row for name, row in ledger.items() if row[0] in listed}
        if ledger != self.truths.get(cursor):
            found.append("I3 the ledger is not what the bank said up to the cursor")
        self.tally.checks += 1
        if found:
            raise ViolationError("; ".join(found))


def kill_one(world: World) -> None:
    """Kill a worker at some place."""
    order = world.order(SYNC_POINTS)
    world.count(run(world.work, order), order)


def overtake_one(world: World) -> None:
    """Let a worker wait where no transaction is open; another goes past it; then it goes on."""
    killed = world.order(SYNC_POINTS)
    slow = start(world.work, world.order(OUTSIDE, signal.SIGSTOP), killed)
    if (end := wait(slow)) is not End.STOPPED:
        world.count(end, killed)
        return
    world.tally.overtaken += 1
    world.live()
    kill_one(world)
    world.check()
    world.count(go_on(slow), killed)


def die_while_others_wait(world: World) -> None:
    """Kill a worker in the middle of its transaction while another waits for the Item."""
    order = world.order(["ledger.mid_apply", "sync.before_cursor", "sync.before_commit"])
    slow = start(world.work, Order(order.point, 1, signal.SIGSTOP))
    if wait(slow) is not End.STOPPED:
        return
    other_order = world.order(SYNC_POINTS)
    other = start(world.work, other_order)
    world.count(kill(slow), order)
    world.count(wait(other), other_order)


def bring_back(world: World) -> None:
    """Press what a person would: "Try again" after three deaths in a row, "Accept" when asked."""
    with household_transaction(world.household_id) as session:
        item = repository.find_item(session, world.household_id, world.item_id)
        if item.parked_at is not None:
            if item.lost_runs < turns.LOST_RUNS_MAX:
                raise ViolationError("I9 an Item was set aside before the third death")
            link.want_sync(session, world.household_id, world.item_id, "button")
        elif item.error_code == turns.HELD and item.sync_wanted_by != turns.ACCEPT:
            rereading.accept(session, world.household_id, world.person.user_id, world.item_id)
            world.tally.held += 1


def prove(world: World) -> None:
    """Ask the program's own proofs: the ledger made again from the journal, and all checks."""
    replay = proof.replay(world.household_id)
    if not replay.is_same:
        raise ViolationError(f"a replay differs: {replay}")
    found = [each for each in proof.verify(world.household_id, all_pages=True) if each.count]
    if found:
        raise ViolationError(f"fintech verify finds {found}")
    world.tally.proofs += 1


def sync_world(world: World, budget: Callable[[], bool]) -> None:
    """Live through rounds of syncs that die, and then one that does not."""
    for _ in range(ROUNDS):
        if not budget():
            break
        world.live()
        if world.dice.random() < 0.4:
            world.edit()
        plan = world.dice.choices((kill_one, overtake_one, die_while_others_wait), (6, 2, 2))
        plan[0](world)
        world.check()
        bring_back(world)
    for _ in range(2):
        run(world.work)  # counts the deaths, and may find one too many; or may have to ask
        bring_back(world)
    run(world.work)
    world.check(quiet=True)
    prove(world)
    cursor = world.checker.cursor_of(world.household_id, world.item_id)
    if cursor != world.history.stream.head():
        raise ViolationError("I1 the last sync did not come to the bank's end")


class OneTimeBank:
    """A provider that exchanges a token once."""

    name = "plaid"

    def exchange(self, public_token: str) -> Exchange:
        """Return the secret."""
        return Exchange(access_token=TOKEN, item_source_id=f"item-{public_token}")

    def fetch_item(self, access_token: str) -> object:
        """Describe nothing: its first sync reads it."""
        raise ProviderUnavailableError("LATER", "not now")


def link_world(world: World, budget: Callable[[], bool]) -> None:
    """Die while linking: the Item is stored, or it is known that nobody knows."""
    registry._providers["plaid"] = OneTimeBank()
    token = f"public-{uuid4()}"
    order = world.order(LINK_POINTS)
    end = run(
        lambda: link.exchange_public_token(world.household_id, world.person.user_id, token, None),
        order,
    )
    world.count(end, order)
    age = (
        "UPDATE link_sessions SET created_at = now() - interval '1 day' WHERE household_id = %(id)s"
    )
    world.checker._connection.execute(age, {"id": world.household_id})
    schedule.clean_up()
    rows = world.checker.query(
        "SELECT state, (SELECT count(*) FROM items AS i WHERE i.household_id = l.household_id"
        " AND i.item_source_id = %(item)s AND i.next_sync_at <= now()"
        " AND position(%(token)s::bytea IN i.access_token) = 0)"
        " FROM link_sessions AS l WHERE household_id = %(id)s",
        id=world.household_id, item=f"item-{token}", token=TOKEN.encode(),
    )  # fmt: skip
    expected = ("linked", 1) if order.point == "link.committed" else ("unknown", 0)
    if rows != [expected]:
        raise ViolationError(f"I11 after {order.point} the link is {rows}")


def bring(world: World, data: bytes) -> None:
    """Import a file from upload to booking."""
    import_id = preview(world.household_id, world.person.user_id, "march.ofx", data)
    book(world.household_id, world.person.user_id, import_id)


def import_world(world: World, budget: Callable[[], bool]) -> None:
    """Die while importing a file: all of it is booked or nothing, and the next try is clean."""
    rows = [
        (f"202603{1 + n % 28:02}", f"-{1 + n % 5}.50", f"f{n}", f"SHOP {n % 3}")
        for n in range(world.dice.randint(1, 40))
    ]
    data = ofx(rows)
    for _ in range(4):
        if not budget():
            break
        order = world.order(IMPORT_POINTS)
        world.count(run(lambda: bring(world, data), order), order)
        found = world.checker.violations(world.household_id, {}, quiet=False)
        booked = len(world.checker.ledger_of(world.household_id))
        if found or booked not in (0, len(rows)):
            raise ViolationError(f"I2 {booked} of {len(rows)} rows of a file are booked; {found}")
    run(lambda: bring(world, data))
    if len(world.checker.ledger_of(world.household_id)) != len(rows):
        raise ViolationError("I2 a file that was imported again is not there exactly once")
    prove(world)


def prepare() -> None:
    """Make this process fit for forking workers quickly; for its whole life."""
    quiet()
    # No lease keeps a worker from being overtaken: the comparison of the cursor must do.
    turns.LEASE_SECONDS = 0
    alone.sync_item = sync.sync_item
    # A process for each file would be most of the time; it is tried in its own tests.
    sandbox.read_packed = lambda name, data, layout=None: sandbox.pack(
        reading.read(name, data, layout)
    )


def warm_up(checker: Checker) -> None:
    """Do everything once here, so that forked workers find statements compiled."""
    with TemporaryDirectory() as folder:
        world = World(random.Random(0), checker, Tally(), Path(folder))
        for _ in range(4):
            world.live()
            world.work()
            world.edit()
        bring(world, ofx())
    gc.collect()
    gc.freeze()


def chaos(
    seed: int, kills: int, *, lane: int = 0, lanes: int = 1, each_point: bool = False
) -> Tally:
    """Kill workers until there were as many kills as wanted; stop at the first violation.

    Each of several lanes lives in every so manyth world. With `each_point`, go on until somebody
    was killed at each place.
    """
    tally, began = Tally(), time.monotonic()

    def is_enough() -> bool:
        return tally.total >= kills and not (each_point and set(POINTS) - set(tally.kills))

    with closing(Checker()) as checker:
        for number in itertools.count(lane, lanes):
            live_through(seed, number, checker, tally, lambda: not is_enough())
            if is_enough() or tally.violations:
                break
    tally.seconds = time.monotonic() - began
    return tally


def one_world(seed: int, number: int) -> Tally:
    """Live through one world again, to its end."""
    tally, began = Tally(), time.monotonic()
    with closing(Checker()) as checker:
        warm_up(checker)
        live_through(seed, number, checker, tally, lambda: True)
    tally.seconds = time.monotonic() - began
    return tally


def live_through(
    seed: int, number: int, checker: Checker, tally: Tally, budget: Callable[[], bool]
) -> None:
    """Live through the world of this number, and note what is violated."""
    dice = random.Random(f"{seed}/{number}")
    [live] = dice.choices((sync_world, import_world, link_world), (6, 3, 2))
    try:
        with TemporaryDirectory() as folder:
            live(World(dice, checker, tally, Path(folder)), budget)
    except AssertionError as error:
        tally.violations.append(f"world {number} of seed {seed}: {error}")
    tally.worlds += 1


def chaos_in_lanes(seed: int, kills: int, lanes: int, *, each_point: bool = False) -> Tally:
    """Do the same in several processes at once."""
    with closing(Checker()) as checker:
        warm_up(checker)
    with TemporaryDirectory() as folder:
        files = [Path(folder) / str(lane) for lane in range(lanes)]
        share = -(-kills // lanes)
        pids = [
            start(
                lambda lane=lane: files[lane].write_bytes(
                    pickle.dumps(chaos(seed, share, lane=lane, lanes=lanes, each_point=each_point))
                )
            )
            for lane in range(lanes)
        ]
        for pid in pids:
            wait(pid)
        return sum_up([pickle.loads(file.read_bytes()) for file in files])


def sum_up(tallies: list[Tally]) -> Tally:
    """Return what several lanes did together."""
    whole = Tally(seconds=max(tally.seconds for tally in tallies))
    for tally in tallies:
        whole.kills += tally.kills
        whole.overtaken += tally.overtaken
        whole.refusals += tally.refusals
        whole.held += tally.held
        whole.worlds += tally.worlds
        whole.edits += tally.edits
        whole.checks += tally.checks
        whole.proofs += tally.proofs
        whole.violations += tally.violations
    return whole
