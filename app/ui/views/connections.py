"""What the pages of connections show."""

import datetime as dt
from dataclasses import dataclass

from app.domain.money import Money


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """One account of a connection."""

    name: str
    mask: str
    url: str
    tied_through: dt.date | None = None
    """The last day whose stated balance the transactions come to."""
    gap: Money | None = None
    """Stated balance less the transactions; None where it cannot be told, zero when tied out."""
    is_accepted: bool = False
    """Whether a person accepted the gap."""


@dataclass(frozen=True, slots=True)
class SyncRunRow:
    """One attempt to bring a connection up to date."""

    started_at: dt.datetime
    finished_at: dt.datetime | None
    trigger: str
    """In plain words: "Bank's notice", "Schedule", "You"."""
    state: str
    """running, done, failed or lost."""
    added: int = 0
    modified: int = 0
    removed: int = 0
    rejected: int = 0
    error_message: str = ""
    pages: int = 0
    reading: str = ""
    """How long reading at the bank took, such as "340 ms"."""
    booking: str = ""
    trace_id: str = ""
    """Finds its lines in the logs."""


@dataclass(frozen=True, slots=True)
class ConnectionCard:
    """connections/_connection.html, also answered alone by GET /connections/{id}.

    Its forms: POST /connections/{id}/sync, /connections/{id}/repair, /connections/{id}/accept,
    /connections/{id}/unlink.
    It asks for itself again on the live event `sync` with this id.
    """

    connection_id: str
    institution_name: str
    provider_name: str
    state: str
    """good, syncing, stale, expiring, needs_user, held, parked or dead."""
    headline: str
    """The state in a word or two, as programs are told it too."""
    state_words: str
    """One sentence: what is the matter and what to do, or that all is well."""
    institution_seen_at: dt.datetime | None
    """When the provider last reached the bank: how fresh the data are."""
    synced_at: dt.datetime | None
    next_sync_at: dt.datetime | None
    accounts: tuple[LinkedAccount, ...] = ()
    rows_so_far: int = 0
    """While syncing: transactions read in this run."""
    transactions: int = 0
    """In the ledger from this connection; named when unlinking."""
    can_share_accounts: bool = False
    """The bank has accounts that were not shared yet: repairing offers them."""

    @property
    def url(self) -> str:
        """Its page."""
        return f"/connections/{self.connection_id}"


@dataclass(frozen=True, slots=True)
class ConnectionsView:
    """connections/list.html; linking is POST /connections/link, answered by a redirect."""

    connections: tuple[ConnectionCard, ...]
    practice_banks: bool = False
    """No provider keys are set: linking opens the simulator."""
    has_flow: bool = True
    """Linking leads to a provider's page; else to the form for setup tokens, the only way."""


@dataclass(frozen=True, slots=True)
class SetAsideRow:
    """A row of the bank's that could not be booked."""

    what: str
    reason: str
    page: int
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A webhook, in plain words."""

    words: str
    code: str
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """connections/connection.html: one connection, with all that happened to it."""

    connection: ConnectionCard
    runs: tuple[SyncRunRow, ...] = ()
    older_url: str = ""
    """The runs before those; "" at the end."""
    is_first_page: bool = True
    set_aside: tuple[SetAsideRow, ...] = ()
    notices: tuple[NoticeRow, ...] = ()


@dataclass(frozen=True, slots=True)
class ProgressView:
    """connections/linked.html and its fragment connections/_progress.html.

    GET /connections/{id}/progress answers the fragment; it asks again every two seconds and on
    the live event `sync` with this id, until `state` is done or failed.
    """

    connection_id: str
    institution_name: str
    state: str
    """waiting, running, done or failed."""
    stage_words: str
    """Such as "Reading transactions"."""
    accounts: int = 0
    transactions: int = 0
    error_message: str = ""
    oldest: dt.date | None = None
    """The day of the oldest transaction read so far."""


@dataclass(frozen=True, slots=True)
class SetupTokenView:
    """connections/simplefin.html.

    Its forms: POST /connections/simplefin (`setup_token`, `item`), and for a connection POST
    /connections/{id}/settled.
    """

    server_url: str
    """Where setup tokens are made."""
    is_practice: bool = False
    """That is the bank simulator."""
    connection_id: str = ""
    """The connection that needs its person; "" for a new one."""
    institution_name: str = ""
    state_words: str = ""
    error: str = ""
    """What was wrong with the token."""


@dataclass(frozen=True, slots=True)
class GoOnView:
    """connections/link.html, which leads on to the provider's own page.

    A form may not be redirected to another origin (form-action 'self'), a page may.
    """

    url: str
    host: str
    """Where it leads, for the reader to see."""


@dataclass(frozen=True, slots=True)
class ReturnView:
    """connections/returned.html: back from the provider, and not connected (yet)."""

    state: str
    """open (not finished), finishing (being connected this moment) or ended."""
    finish_url: str = ""
    """Where the page posts to while finishing: asking changes something, so it is no link."""
    is_waiting: bool = False
    """Somebody else is just exchanging the token: ask again in a moment."""
    message: str = ""
    """What the provider told the user, if anything went wrong there."""
    continue_url: str = ""
    """Where to go on; "" when only starting anew helps."""
