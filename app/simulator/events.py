"""What can happen to the transactions of an Item, and how untidily it may be told."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.simulator.rows import Row

COUNT_MAX = 500
"""Plaid's largest page of /transactions/sync."""


@dataclass(frozen=True, slots=True)
class Added:
    """A new transaction, pending or posted."""

    row: Row


@dataclass(frozen=True, slots=True)
class Backfilled:
    """Older transactions arrive; they were in the stated balance already."""

    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Posted:
    """A pending transaction is removed and a posted one, with another id, is added.

    `removal` says where the removal lies in the log: `before` or `after` the posted row, or
    `none` when an earlier event has removed the pending row already.
    The row's own `pending_transaction_id` is used as it is when `linked` is false.
    """

    pending_id: str
    row: Row
    linked: bool = True
    removal: str = "before"


@dataclass(frozen=True, slots=True)
class Modified:
    """A transaction with a known id changes in any other field."""

    row: Row


@dataclass(frozen=True, slots=True)
class Removed:
    """A transaction vanishes: a hold that lapsed, or a correction of the bank."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class Churned:
    """The old transaction is removed and the same movement added under a new id, unlinked."""

    transaction_id: str
    row: Row


@dataclass(frozen=True, slots=True)
class AccountChurned:
    """The account gets a new id, and so does every transaction on it."""

    account_id: str
    new_account_id: str


Event = Added | Backfilled | Posted | Modified | Removed | Churned | AccountChurned


@dataclass(slots=True)
class Noise:
    """What Plaid allows itself and a careful reader must survive; all off by default."""

    split_pairs: bool = False
    """End the page between the removal of a pending row and its posted row."""
    repeat_rows: int = 0
    """Later pages of a loop repeat this many rows of the page before."""
    swap_added_modified: bool = False
    """Every other row is listed under the other of `added` and `modified`."""
    unknown_removals: bool = False
    """Each page also removes a transaction that never was."""
    raw_log: bool = False
    """Do not fold: a loop with a cursor shows each step, so an id may be on several pages."""
    page_rows_max: int = COUNT_MAX
    """Pages are no longer than this, whatever `count` asks for."""
