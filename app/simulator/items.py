"""Linked Items at work: their state brought to life as a feed and a change stream."""

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec

from app.simulator.feed import Feed, account_id, accounts_held
from app.simulator.identifiers import identifier
from app.simulator.institutions import INSTITUTIONS
from app.simulator.life import Life
from app.simulator.logins import life_for
from app.simulator.people import AccountPlan
from app.simulator.rows import ZERO, Account, Facts, Row
from app.simulator.state import ItemState, Step
from app.simulator.stream import (
    HISTORICAL,
    INITIAL,
    NOT_READY,
    AccountChurned,
    Added,
    Backfilled,
    Churned,
    Event,
    ItemStream,
    Modified,
    Posted,
    Removed,
)

INITIAL_DAYS = 30
ADVANCE_DAYS_MAX = 3_660


class LiveItem:
    """One Item: what is remembered of it, and the stream that follows from that."""

    def __init__(self, state: ItemState) -> None:
        """Rebuild the stream by replaying the Item's steps."""
        self.state = state
        self.day = state.linked_on.toordinal()
        self.life: Life = life_for(state.login, state.password, state.linked_on)
        self.stream = ItemStream(state.item_id, status=NOT_READY)
        self.hidden: set[str] = set()
        """Keys of accounts that the user has deselected in update mode."""
        self._keys = list(state.account_keys)
        self._renamed: dict[str, str] = {}
        self._open: list[tuple[int, Row]] = []
        """Rows made by /sandbox/transactions/create that are still pending."""
        self.feed = Feed(self.life, state.item_id, self._plans(self._keys))
        for step in state.steps:
            self._run(step)

    @property
    def item_id(self) -> str:
        """Return the Item's id."""
        return self.state.item_id

    @property
    def today(self) -> dt.date:
        """Return the date at this bank, which may lie ahead of ours."""
        return dt.date.fromordinal(self.day)

    def record(self, kind: str, data: dict[str, Any] | None = None, count: int = 1) -> None:
        """Let something happen and remember it.

        Raises:
            ValueError: It contradicts what is there; nothing is remembered then.
        """
        step = Step(kind, count, data)
        self._run(step)
        last = self.state.steps[-1] if self.state.steps else None
        if kind == "days" and last is not None and last.kind == "days":
            last.count += count
        else:
            self.state.steps.append(step)

    def catch_up(self, today: dt.date) -> bool:
        """Let the days pass until our date; return whether any did."""
        behind = min(today.toordinal() - self.day, ADVANCE_DAYS_MAX)
        if behind <= 0 or self.stream.status == NOT_READY:
            return False
        self.record("days", count=behind)
        return True

    def plans(self) -> list[AccountPlan]:
        """Return the accounts that are shown."""
        return [plan for plan in self.feed.plans if plan.key not in self.hidden]

    def accounts(self) -> list[Account]:
        """Return the accounts as they stand, in the household's order."""
        current = self.stated().accounts
        shown = [self.feed.id_of(plan.key) for plan in self.plans()]
        return [current[each] for each in shown if each in current]

    def stated(self) -> ItemStream:
        """Return the stream whose balances the bank states.

        They do not wait for the first pull: until it is done, they are of what it will bring.
        """
        if self.stream.status != NOT_READY:
            return self.stream
        coming = ItemStream(self.state.item_id)
        self._pull_first(coming)
        return coming

    def shows(self, account_id: str) -> bool:
        """Whether the user has picked the account."""
        return account_id not in {self.feed.id_of(key) for key in self.hidden}

    def _plans(self, keys: Iterable[str]) -> list[AccountPlan]:
        wanted = set(keys)
        held = accounts_held(self.life, self.state.institution_id)
        return [plan for plan in held if plan.key in wanted]

    def _run(self, step: Step) -> None:
        actions: dict[str, Callable[[Step, dict[str, Any]], None]] = {
            "initial": lambda _step, _data: self._initial(),
            "historical": lambda _step, _data: self._historical(),
            "days": lambda step, _data: self._days(step.count),
            "touch": lambda _step, _data: self.stream.touch(),
            "churn_account": lambda _step, data: self._churn_account(str(data["key"])),
            "accounts": lambda _step, data: self._choose_accounts(list(data["keys"])),
            "create": lambda _step, data: self._create(data["rows"]),
            "refresh": lambda _step, data: self._refresh(int(data["number"])),
            "event": lambda _step, data: self.stream.apply(self._scripted(data)),
        }
        actions[step.kind](step, step.data or {})

    # The first pulls

    def first_day(self) -> int:
        """Return the first day of the history that this Item may see."""
        linked = self.state.linked_on.toordinal()
        if INSTITUTIONS[self.state.institution_id].gives_all_history:
            return self.life.first_day
        return max(self.life.first_day, linked - self.state.days_requested + 1)

    def _initial_first(self) -> int:
        return max(self.first_day(), self.state.linked_on.toordinal() - INITIAL_DAYS + 1)

    def _initial(self) -> None:
        self._pull_first(self.stream)
        self.stream.status = INITIAL

    def _pull_first(self, stream: ItemStream) -> None:
        self.life.live_until(self.day)
        self._open_accounts(stream, self.feed, self._initial_first())
        for row in self.feed.snapshot(self._initial_first(), self.day):
            stream.apply(Added(row))

    def _open_accounts(self, stream: ItemStream, feed: Feed, first_day: int) -> None:
        """Show the feed's accounts with the balance they had before the first day."""
        before = feed.posted_before(first_day, self.day)
        opened = []
        for account in feed.accounts(self.day):
            moved = before.get(account.account_id, ZERO)
            opening = account.opening + (moved if account.owes else -moved)
            opened.append(msgspec.structs.replace(account, opening=opening))
        stream.set_accounts([*stream.accounts.values(), *opened])

    def _historical(self) -> None:
        first = dt.date.fromordinal(self._initial_first())
        rows = [row for row in self.feed.snapshot(self.first_day(), self.day) if row.date < first]
        rows = [row for row in rows if not self.stream.knows(row.transaction_id)]
        if rows:
            self.stream.apply(Backfilled(rows))
        self.stream.status = HISTORICAL

    # Time

    def _days(self, count: int) -> None:
        for _ in range(count):
            self._next_day()

    def _next_day(self) -> None:
        self.day += 1
        self.life.live_until(self.day)
        for event in self.feed.events(self.day):
            self._apply(event)
        for due, row in [each for each in self._open if each[0] <= self.day]:
            self._open.remove((due, row))
            if self.stream.row(row.transaction_id) is not None:
                self.stream.apply(Posted(row.transaction_id, self._settled(row, due)))
        for account in self.feed.accounts(self.day):
            if account.fixed_current is not None and account.account_id in self.stream.accounts:
                self.stream.accounts[account.account_id] = account

    def _apply(self, event: Event) -> None:
        """Apply an event of the feed, unless it is about a row this Item never saw."""
        event = self._rename(event)
        match event:
            case Modified(row):
                target = row.transaction_id
            case Removed(transaction_id) | Churned(transaction_id, _):
                target = transaction_id
            case Posted(pending_id, row, linked, removal):
                if removal != "none" and self.stream.row(pending_id) is None:
                    event = Posted(pending_id, row, linked=linked, removal="none")
                target = ""
            case _:
                target = ""
        if target and self.stream.row(target) is None:
            return
        if isinstance(event, Added | Posted) and event.row.account_id not in self.stream.accounts:
            return
        self.stream.apply(event)

    def _rename(self, event: Event) -> Event:
        names = self._renamed
        if not names:
            return event
        match event:
            case Modified(row):
                new_id = names.get(row.transaction_id, row.transaction_id)
                return Modified(msgspec.structs.replace(row, transaction_id=new_id))
            case Removed(transaction_id):
                return Removed(names.get(transaction_id, transaction_id))
            case Churned(transaction_id, row):
                return Churned(names.get(transaction_id, transaction_id), row)
            case Posted(pending_id, row, linked, removal):
                link = row.pending_transaction_id
                row = msgspec.structs.replace(
                    row, pending_transaction_id=names.get(link or "", link)
                )
                return Posted(names.get(pending_id, pending_id), row, linked, removal)
            case _:
                return event

    # Accounts

    def _churn_account(self, key: str) -> None:
        old = self.feed.id_of(key)
        new = identifier(old, "again")
        mine = [row.transaction_id for row in self.stream.rows() if row.account_id == old]
        self.stream.apply(AccountChurned(old, new))
        for each in mine:
            renamed = identifier(self.item_id, "churn", new, each)
            self._renamed[each] = renamed
            for earlier, name in list(self._renamed.items()):
                if name == each:
                    self._renamed[earlier] = renamed
        self.feed.rename_account(key, new)

    def _choose_accounts(self, keys: list[str]) -> None:
        fresh = [key for key in keys if key not in self._keys]
        self.hidden = {key for key in self._keys if key not in keys}
        self._keys += fresh
        new_feed = Feed(self.life, self.item_id, self._plans(fresh))
        if fresh and self.stream.status != NOT_READY:
            self._open_accounts(self.stream, new_feed, self.first_day())
            for row in new_feed.snapshot(self.first_day(), self.day):
                self.stream.apply(Added(row))
        self.feed = self.feed.joined(new_feed, self._plans(self._keys))

    # What tests and the sandbox make happen

    def _create(self, rows: list[dict[str, Any]]) -> None:
        for entry in rows:
            transacted = dt.date.fromisoformat(str(entry["date_transacted"]))
            posted = dt.date.fromisoformat(str(entry["date_posted"])).toordinal()
            pending = posted > self.day
            row = Row(
                identifier(self.item_id, "created", len(self.state.steps), rows.index(entry)),
                str(entry["account_id"]),
                transacted if pending else dt.date.fromordinal(posted),
                Decimal(str(entry["amount"])),
                pending=pending,
                name=str(entry["description"]),
                authorized_date=transacted,
                facts=Facts(currency=str(entry.get("iso_currency_code") or "USD")),
            )
            self.stream.apply(Added(row))
            if pending:
                self._open.append((posted, row))

    def _settled(self, row: Row, day: int) -> Row:
        return msgspec.structs.replace(
            row,
            transaction_id=identifier(self.item_id, row.transaction_id, "posted"),
            date=dt.date.fromordinal(day),
            pending=False,
        )

    def _refresh(self, number: int) -> None:
        """What Plaid's dynamic user does: post all pending, add new ones, raise one amount."""
        for row in [row for row in self.stream.rows() if row.pending]:
            self.stream.apply(Posted(row.transaction_id, self._settled(row, self.day)))
            self._open = [each for each in self._open if each[1] is not row]
        posted = [row for row in self.stream.rows() if not row.pending]
        if posted:
            row = posted[number % len(posted)]
            self.stream.apply(Modified(msgspec.structs.replace(row, amount=row.amount + 1)))
        target = next(iter(self.stream.accounts))
        for place in range(3):
            amount = Decimal(750 + 395 * place + number * 25).scaleb(-2)
            self.stream.apply(
                Added(
                    Row(
                        identifier(self.item_id, "refresh", number, place),
                        target,
                        self.today,
                        amount,
                        pending=True,
                        name=f"DYNAMIC PURCHASE {number}-{place}",
                        authorized_date=self.today,
                        facts=Facts(category="FOOD_AND_DRINK_RESTAURANT"),
                    )
                )
            )

    def _scripted(self, data: dict[str, Any]) -> Event:
        """Return the event that a control request describes; see README.md."""
        kind, target = data.get("event"), str(data.get("transaction_id", ""))
        if kind == "remove":
            return Removed(target)
        if kind == "add":
            return Added(self._described(data, None))
        known = self.stream.row(target)
        if known is None:
            raise ValueError(f"there is no transaction {target}")
        row = self._described(data, known)
        if kind == "modify":
            return Modified(row)
        fresh = str(data.get("new_transaction_id") or identifier(self.item_id, kind, target))
        row = msgspec.structs.replace(row, transaction_id=fresh, pending=False)
        if kind == "post":
            linked = bool(data.get("linked", True))
            return Posted(target, row, linked=linked, removal=str(data.get("removal", "before")))
        if kind == "churn":
            return Churned(target, msgspec.structs.replace(row, pending_transaction_id=None))
        raise ValueError(f"unknown event {kind!r}")

    def _described(self, data: dict[str, Any], known: Row | None) -> Row:
        if known is None:
            fresh = identifier(self.item_id, "scripted", len(self.state.steps))
            key = str(data.get("account_id") or next(iter(self.stream.accounts)))
            known = Row(str(data.get("new_transaction_id") or fresh), key, self.today, ZERO)
        return msgspec.structs.replace(
            known,
            amount=Decimal(str(data.get("amount", known.amount))),
            date=dt.date.fromisoformat(str(data.get("date", known.date))),
            name=str(data.get("name", known.name)),
            pending=bool(data.get("pending", known.pending)),
            extra=data.get("fields", known.extra),
        )


def new_item_id(seed: str) -> str:
    """Return the id of a new Item."""
    return identifier("item", seed)


def account_ids(item_id: str, plans: Iterable[AccountPlan]) -> dict[str, str]:
    """Return the ids an Item gives its accounts, by their keys."""
    return {plan.key: account_id(item_id, plan.key) for plan in plans}
