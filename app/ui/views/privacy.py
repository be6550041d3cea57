"""What the page of one's own data shows."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PrivacyView:
    """privacy/privacy.html.

    Its forms: POST /settings/privacy/erase (household_name), /settings/privacy/delete-login
    (email).
    """

    household_name: str
    is_owner: bool
    email: str = ""
    """Of the reader."""
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """Somebody's consent to the reading of a bank."""

    institution_name: str
    who: str
    given_at: dt.datetime
    version: str
    """Empty: given before texts had versions."""
    ended_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class ConsentsView:
    """privacy/consents.html."""

    texts: tuple[tuple[str, tuple[str, ...]], ...]
    """Version and paragraphs, the newest first."""
    rows: tuple[ConsentRow, ...] = ()


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One audit event."""

    at: dt.datetime
    what: str
    who: str
    address: str = ""
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TrailView:
    """privacy/trail.html: GET /settings/audit with action, before."""

    rows: tuple[TrailRow, ...]
    actions: tuple[tuple[str, str], ...]
    """What the filter offers: value and label."""
    action: str = ""
    is_owner: bool = True
    """Sees what everybody did."""
    next_url: str = ""
    """Older events; empty at the end."""
