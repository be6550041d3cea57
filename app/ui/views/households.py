"""What the pages of households show."""

import datetime as dt
from dataclasses import dataclass, field

from app.ui.views.users import Errors, Options


@dataclass(frozen=True, slots=True)
class SharedRow:
    """An account that an owner may share with a guest."""

    account_id: str
    name: str
    institution_name: str
    is_shared: bool


@dataclass(frozen=True, slots=True)
class MemberRow:
    """Somebody who belongs to the household."""

    user_id: str
    name: str
    email: str
    role: str
    role_name: str
    is_self: bool
    shared: tuple[SharedRow, ...] = ()
    """Of a guest: the household's accounts, and which of them they see."""

    @property
    def shared_count(self) -> int:
        """How many accounts a guest sees."""
        return sum(each.is_shared for each in self.shared)


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An invitation that may still be used."""

    invitation_id: str
    role_name: str
    label: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class HouseholdRow:
    """A household of the reader."""

    household_id: str
    name: str
    role_name: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class HouseholdView:
    """households/household.html.

    Its forms: POST /household/invitations (role, label), /household/invitations/{id}/revoke,
    /household/members/{id}/role (role), /accounts (account_ids), /remove, /transfer,
    /household/leave, /household/open (household_id).
    """

    name: str
    is_owner: bool
    members: tuple[MemberRow, ...]
    invitations: tuple[InvitationRow, ...]
    households: tuple[HouseholdRow, ...]
    roles: Options
    link: str = ""
    """Of the invitation that was just made; shown once."""
    role: str = "member"
    label: str = ""
    errors: Errors = field(default_factory=dict)

    @property
    def may_leave(self) -> bool:
        """Whether the household has an owner without the reader."""
        is_owner = any(member.is_self and member.role == "owner" for member in self.members)
        return not is_owner or any(
            member.role == "owner" and not member.is_self for member in self.members
        )


@dataclass(frozen=True, slots=True)
class JoinView:
    """households/join.html.

    Its forms: POST /join (invitation), for strangers POST /join/register (invitation, name,
    email, password).
    """

    invitation: str
    household_name: str
    invited_by: str
    role_name: str
    what_it_may: str
    sign_in_url: str
    reader: str = ""
    """Name of who is signed in; empty for strangers."""
    name: str = ""
    email: str = ""
    errors: Errors = field(default_factory=dict)
    password_characters_min: int = 12
