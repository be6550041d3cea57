"""The simulated provider as a whole: its state, its Items, and what it tells the world."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from app.core import clock
from app.simulator.errors import PlaidError
from app.simulator.faults import NOISE, Fault, Faults
from app.simulator.feed import accounts_held
from app.simulator.identifiers import token
from app.simulator.institutions import INSTITUTIONS
from app.simulator.items import LiveItem, new_item_id
from app.simulator.limits import Limiter
from app.simulator.logins import FAULT_PREFIX, life_for
from app.simulator.settings import Settings
from app.simulator.state import ItemState, PublicToken, load, save
from app.simulator.stream import COUNT_MAX, HISTORICAL, INITIAL, NOT_READY
from app.simulator.webhooks import Courier, new_key

ENVIRONMENT = "sandbox"
_PUBLIC_TOKEN_LIFE = dt.timedelta(minutes=30)
_LIVE_ITEMS_MAX = 200


class Simulator:
    """Everything behind the HTTP endpoints; used from one event loop only."""

    def __init__(self, settings: Settings) -> None:
        """Load the state that the settings name."""
        self.settings = settings
        self.state = load(settings.state_path)
        if not self.state.keys:
            self.state.keys.append(new_key())
        self.faults = Faults()
        self.limiter = Limiter(settings.rate_limits)
        self.courier = Courier(settings, self.state.keys, self.faults)
        self._live: dict[str, LiveItem] = {}
        self._by_token = {item.access_token: item.item_id for item in self.state.items.values()}
        self._tasks: set[asyncio.Task[None]] = set()

    # Time and state

    def now(self) -> dt.datetime:
        """Return the current instant."""
        return clock.now()

    def today(self) -> dt.date:
        """Return the day on which fresh Items have their newest data."""
        return self.settings.today or clock.today()

    def save(self) -> None:
        """Make what has changed survive a restart."""
        save(self.state, self.settings.state_path)

    async def start(self) -> None:
        """Go on with what was under way at the last stop."""
        for item in self.state.items.values():
            if not item.is_new and not item.removed:
                self.mature(item)

    async def stop(self) -> None:
        """Stop everything in the background, and save."""
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.courier.stop()
        self.save()

    def public_token_end(self) -> dt.datetime:
        """Return when a public token that is made now expires."""
        return self.now() + _PUBLIC_TOKEN_LIFE

    def consent_end(self) -> dt.datetime:
        """Return when a consent that is given now expires, at a European bank."""
        return self.now() + dt.timedelta(days=180)

    # Items

    def create_item(self, state: ItemState) -> PublicToken:
        """Remember a new Item and return nothing but its public token's record."""
        self.state.items[state.item_id] = state
        self._by_token[state.access_token] = state.item_id
        if state.login.startswith(FAULT_PREFIX):
            self._arm_login(state)
        return PublicToken(item_id=state.item_id, expires_at=self.public_token_end())

    def _arm_login(self, state: ItemState) -> None:
        kind = state.login.removeprefix(FAULT_PREFIX)
        times = 1_000_000 if kind in NOISE else 1
        with contextlib.suppress(ValueError):
            self.faults.arm(
                Fault(kind=kind, times=times, item_id=state.item_id, path="/transactions/sync")
            )

    def new_item(
        self, *, client_id: str, institution_id: str, login: str, password: str,
        products: list[str], **more: Any,  # noqa: ANN401 - further fields of ItemState by name
    ) -> tuple[ItemState, str]:  # fmt: skip
        """Create an Item with all its accounts; return it and its public token.

        Raises:
            PlaidError: The login or the custom user is not valid.
        """
        life = life_for(login, password, self.today())
        keys = more.pop("account_keys", None)
        state = ItemState(
            item_id=new_item_id(str(uuid4())), access_token=token("access"), client_id=client_id,
            institution_id=institution_id, login=login, password=password,
            linked_on=self.today(), signed_in_on=self.today(), created_at=self.now(),
            products=products,
            account_keys=keys or [plan.key for plan in accounts_held(life, institution_id)],
            **more,
        )  # fmt: skip
        if "US" not in INSTITUTIONS[institution_id].countries:
            state.consent_expires_at = self.consent_end()
        public_token = token("public")
        self.state.public_tokens[public_token] = self.create_item(state)
        return state, public_token

    def exchange(self, public_token: str) -> ItemState:
        """Spend a public token and start to pull the Item's data.

        Raises:
            PlaidError: INVALID_PUBLIC_TOKEN when it is unknown, spent or too old.
        """
        known = self.state.public_tokens.get(public_token)
        if known is None or known.spent or known.expires_at < self.now():
            raise PlaidError("INVALID_PUBLIC_TOKEN")
        known.spent = True
        item = self.state.items[known.item_id]
        if item.is_new:
            item.is_new, item.created_at = False, self.now()
            self.ripen(item)
            self.mature(item)
        return item

    def item_state(self, access_token: str) -> ItemState:
        """Return the Item of an access token.

        Raises:
            PlaidError: INVALID_ACCESS_TOKEN, or ITEM_NOT_FOUND for a removed Item.
        """
        item_id = self._by_token.get(access_token)
        if item_id is None:
            raise PlaidError("INVALID_ACCESS_TOKEN")
        item = self.state.items[item_id]
        if item.removed:
            raise PlaidError("ITEM_NOT_FOUND")
        return item

    def live(self, state: ItemState) -> LiveItem:
        """Return the Item at work, rebuilt if need be, with all days until today."""
        item = self._live.get(state.item_id)
        if item is None:
            if len(self._live) >= _LIVE_ITEMS_MAX:
                self._live.pop(next(iter(self._live)))
            item = self._live[state.item_id] = LiveItem(state)
        self.ripen(state, item)
        life_days = self.settings.item_life_days
        age_days = (self.today() - state.signed_in_on).days
        if life_days and age_days >= life_days and state.error is None:
            self.break_item(state, "ITEM_LOGIN_REQUIRED")
        if state.error is None and item.catch_up(self.today()):
            state.last_update_at = self.now()
            self.save()
        return item

    def rotate_token(self, state: ItemState) -> str:
        """Give the Item a new access token; the old one ends at once."""
        del self._by_token[state.access_token]
        state.access_token = token("access")
        self._by_token[state.access_token] = state.item_id
        return state.access_token

    # The first pulls

    def ripen(self, state: ItemState, item: LiveItem | None = None) -> None:
        """Complete the initial and the historical pull when their time has come."""
        if state.is_new or state.removed:
            return
        done = {step.kind for step in state.steps}
        if {"initial", "historical"} <= done:
            return
        age = (self.now() - state.created_at).total_seconds()
        due = {"initial": self.settings.initial_seconds,
               "historical": self.settings.historical_seconds}  # fmt: skip
        for kind, seconds in due.items():
            if kind not in done and age >= seconds:
                item = item or self._live.setdefault(state.item_id, LiveItem(state))
                item.record(kind)
                state.last_update_at = self.now()
                self._announce_pull(item, kind)
        self.save()

    def _announce_pull(self, item: LiveItem, kind: str) -> None:
        code = "INITIAL_UPDATE" if kind == "initial" else "HISTORICAL_UPDATE"
        if "transactions" not in item.state.products:
            return
        self.notify(item.state, "TRANSACTIONS", code,
                    error=None, new_transactions=len(item.stream.rows()))  # fmt: skip
        self.announce_updates(item)
        if kind == "historical" and item.life.portfolios:
            self.notify(item.state, "HOLDINGS", "DEFAULT_UPDATE",
                        error=None, new_holdings=1, updated_holdings=0)  # fmt: skip

    def mature(self, state: ItemState) -> None:
        """Let the pulls of an Item end in the background, at their time."""
        if {"initial", "historical"} <= {step.kind for step in state.steps}:
            return
        with contextlib.suppress(RuntimeError):
            task = asyncio.get_running_loop().create_task(self._mature(state))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _mature(self, state: ItemState) -> None:
        for seconds in (self.settings.initial_seconds, self.settings.historical_seconds):
            age = (self.now() - state.created_at).total_seconds()
            await asyncio.sleep(max(0.0, seconds - age) + 0.005)
            self.ripen(state)

    def complete_pulls(self, item: LiveItem) -> None:
        """End both pulls at once, whatever the time."""
        for kind in ("initial", "historical"):
            if kind not in {step.kind for step in item.state.steps}:
                item.record(kind)
                self._announce_pull(item, kind)

    # What the world is told

    def notify(self, state: ItemState, kind: str, code: str, **fields: object) -> None:
        """Send a webhook about an Item to the Item's URL."""
        payload: dict[str, Any] = {
            "webhook_type": kind, "webhook_code": code, "item_id": state.item_id,
        }  # fmt: skip
        if state.user_id:
            payload["user_id"] = state.user_id
        state.last_webhook_code, state.last_webhook_at = code, self.now()
        self.courier.send(state.webhook, payload | fields | {"environment": ENVIRONMENT})

    def announce_updates(self, item: LiveItem) -> None:
        """Send SYNC_UPDATES_AVAILABLE, once /transactions/sync was called for the Item."""
        status = item.stream.status
        if not item.state.sync_called or status == NOT_READY:
            return
        self.notify(
            item.state, "TRANSACTIONS", "SYNC_UPDATES_AVAILABLE",
            initial_update_complete=status in (INITIAL, HISTORICAL),
            historical_update_complete=status == HISTORICAL,
        )  # fmt: skip

    def break_item(self, state: ItemState, code: str) -> None:
        """Put the Item into an error that only its user can mend, and say so."""
        state.error = code
        state.last_failure_at = self.now()
        self.notify(state, "ITEM", "ERROR", error=PlaidError(code).body() | {"status": 400})
        self.save()

    def repair_item(self, state: ItemState, *, announce: bool = True) -> None:
        """End the Item's error; LOGIN_REPAIRED is sent when that was not our user's own act."""
        was_broken, state.error = state.error is not None, None
        state.last_update_at, state.signed_in_on = self.now(), self.today()
        if was_broken and announce:
            self.notify(state, "ITEM", "LOGIN_REPAIRED")
        if not state.is_new:
            self.announce_updates(self.live(state))
        self.save()

    def set_noise(self, item: LiveItem) -> None:
        """Make the stream behave as the lasting faults ask."""
        noise, item_id = item.stream.noise, item.item_id
        noise.split_pairs = self.faults.lasting("split_pairs", item_id) is not None
        repeat = self.faults.lasting("repeat_rows", item_id)
        noise.repeat_rows = (repeat.page or 3) if repeat else 0
        noise.swap_added_modified = self.faults.lasting("swap_added_modified", item_id) is not None
        noise.unknown_removals = self.faults.lasting("unknown_removals", item_id) is not None
        noise.raw_log = self.faults.lasting("raw_log", item_id) is not None
        small = self.faults.lasting("small_pages", item_id)
        noise.page_rows_max = min(small.page or 10, COUNT_MAX) if small else COUNT_MAX

    def items_of(self, login: str) -> Iterable[ItemState]:
        """Return the Items of a login that still exist."""
        return [item for item in self.state.items.values()
                if item.login == login and not item.removed]  # fmt: skip
