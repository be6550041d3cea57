"""What the simulator must remember: Items, tokens, Link sessions, keys. Kept in one small file."""

import datetime as dt
import os
from pathlib import Path
from typing import Any

import msgspec

VERSION = 1


class Step(msgspec.Struct, omit_defaults=True):
    """Something that happened to an Item, in order; replaying the steps rebuilds its stream."""

    kind: str
    """`initial`, `historical`, `days`, `create`, `refresh`, `churn_account`, `touch`, `event`."""
    count: int = 1
    """Of `days`: how many passed."""
    data: dict[str, Any] | None = None


class ItemState(msgspec.Struct, kw_only=True):
    """One linked Item."""

    item_id: str
    access_token: str
    client_id: str
    institution_id: str
    login: str
    password: str = ""
    linked_on: dt.date
    signed_in_on: dt.date
    """The bank asks for a new login some days after this."""
    created_at: dt.datetime
    products: list[str]
    consented: list[str] = []
    webhook: str | None = None
    account_keys: list[str]
    """Keys of the accounts the user picked."""
    days_requested: int = 90
    steps: list[Step] = []
    sync_called: bool = False
    error: str | None = None
    removed: bool = False
    is_new: bool = True
    """Not exchanged yet: no data is pulled."""
    user_id: str | None = None
    last_webhook_code: str | None = None
    last_webhook_at: dt.datetime | None = None
    last_update_at: dt.datetime | None = None
    last_failure_at: dt.datetime | None = None
    consent_expires_at: dt.datetime | None = None
    verification: dict[str, str] = {}
    """Micro-deposit status by account id."""


class LinkSession(msgspec.Struct, kw_only=True):
    """One visit to the Hosted Link page."""

    link_session_id: str
    started_at: dt.datetime
    finished_at: dt.datetime | None = None
    institution_id: str | None = None
    login: str = ""
    password: str = ""
    step: str = "institution"
    item_ids: list[str] = []
    public_tokens: list[str] = []
    exit_status: str | None = None
    error: str | None = None
    events: list[dict[str, Any]] = []
    oauth_state_id: str | None = None


class LinkToken(msgspec.Struct, kw_only=True):
    """One link token with what it was created for."""

    link_token: str
    client_id: str
    created_at: dt.datetime
    expires_at: dt.datetime
    request: dict[str, Any]
    item_id: str | None = None
    """Set in update mode."""
    page: str | None = None
    """Secret part of the Hosted Link address."""
    sessions: list[LinkSession] = []


class PublicToken(msgspec.Struct, kw_only=True):
    """A one-time token for an Item."""

    item_id: str
    expires_at: dt.datetime
    spent: bool = False


class SigningKey(msgspec.Struct, kw_only=True):
    """A key that signs webhooks."""

    kid: str
    pem: str
    created_at: int
    expired_at: int | None = None


class SimpleFINAccess(msgspec.Struct, kw_only=True):
    """What a SimpleFIN setup token stands for: some Items, read with one user and password."""

    claim: str
    user: str
    password: str
    item_ids: list[str]
    is_claimed: bool = False
    is_revoked: bool = False
    needs_payment: bool = False
    is_old: bool = False
    """Speaks version 1 of the protocol, whatever is asked for."""
    asked_at: list[dt.datetime] = []


class State(msgspec.Struct, kw_only=True):
    """Everything that survives a restart."""

    version: int = VERSION
    items: dict[str, ItemState] = {}
    link_tokens: dict[str, LinkToken] = {}
    public_tokens: dict[str, PublicToken] = {}
    keys: list[SigningKey] = []
    simplefin: list[SimpleFINAccess] = []


def load(path: Path | None) -> State:
    """Return what the file holds, or an empty state if there is none.

    Raises:
        ValueError: The file is of another version or damaged; its message says what to do.
    """
    if path is None or not path.exists():
        return State()
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to start afresh") from error
    if state.version != VERSION:
        raise ValueError(f"{path} is of another version; delete it to start afresh")
    return state


def save(state: State, path: Path | None) -> None:
    """Write the state so that a crash leaves the old or the new file, never half of one."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(state))
    fresh.replace(path)
