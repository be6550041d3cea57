"""Use cases of people: registering, profile, password."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock, database, ratelimit, security, tickets
from app.core.config import settings
from app.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    UnauthorizedError,
)
from app.core.ids import uuid7
from app.core.ratelimit import Limit
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.categories import service as categories
from app.features.notices import service as notices
from app.features.users import addresses, preferences, repository, sessions
from app.features.users.repository import tokens
from app.features.vault import service as vault
from app.models import Household, User

NAME_LENGTH_MAX = 100
EMAIL_LENGTH_MAX = 254
"""RFC 5321, section 4.5.3.1, less the angle brackets."""
THEMES = ("", "light", "dark")
# One @, something on both sides, no spaces or control characters: only a letter can tell more.
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,189}")

REGISTER_BY_ADDRESS = Limit("register:address", burst=20, refill_seconds=180)
PASSWORD_BY_USER = Limit("password:user", burst=10, refill_seconds=60)


@dataclass(frozen=True, slots=True)
class Profile:
    """A person, as they may see themselves."""

    user_id: UUID
    email: str
    name: str
    household_id: UUID


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody whose address, password and name will do."""

    email: str
    password_hash: str
    name: str


@dataclass(frozen=True, slots=True)
class ProfileChanges:
    """What the profile form says."""

    name: str
    household_name: str
    locale: str
    timezone: str
    base_currency: str


def email_key(email: str) -> str:
    """Return what two spellings of one address have in common."""
    return unicodedata.normalize("NFC", email.strip()).casefold()


def register(email: str, password: str, name: str, *, address: str | None = None) -> Profile:
    """Create a person with a household of their own, its key and its categories.

    Opens its own transactions, so that none is held while the password is hashed. An address
    that is taken is refused openly: without mail there is no other way to tell its owner, and
    the limiter keeps anybody from asking about many. It takes the same time as a success.

    Args:
        email: Kept as typed; compared without regard to case.
        password: Checked as `security.check_new_password` says.
        name: How pages address the person; empty: the part of the address before the @.
        address: The client's network address, which limits how often it may register.

    Raises:
        ForbiddenError: REGISTRATION_OPEN is off.
        RateLimitedError: Too many registrations from this network address.
        InvalidInputError: The address, the name or the password will not do.
        ConflictError: The address has an account.
        UnavailableError: Too many passwords are being hashed right now.
    """
    if not settings.REGISTRATION_OPEN:
        raise ForbiddenError(
            "This server does not take new accounts. Ask its operator for one.",
            code="registration_closed",
        )
    new = check_new_person(email, password, name, address=address)
    with database.system_transaction() as session:
        profile = create_user(session, **asdict(new))
        actor = Actor(profile.user_id, None, address)
        audit.record(session, profile.household_id, "user.registered", actor=actor)
    return profile


def ensure_household(session: Session, user_id: UUID) -> UUID:
    """Return a household of a person: the one they worked in last, or a new one of their own.

    For a session that crosses households, after a membership ended.
    """
    household_id = repository.find_last_household(session, user_id)
    if household_id is not None:
        return household_id
    user = repository.find_user(session, user_id)
    assert user is not None  # memberships end with their person
    return create_household(session, user_id, user.name)


def check_own_address(session: Session, user_id: UUID, typed: str) -> None:
    """Let somebody go on who typed their own address to confirm; crosses households.

    Raises:
        InvalidInputError: It is another one.
    """
    user = repository.find_user(session, user_id)
    if user is None or email_key(typed) != user.email_key:
        raise InvalidInputError(
            "Type your e-mail address exactly as it is shown.", code="wrong_address", field="email"
        )


def delete_person(session: Session, user_id: UUID) -> None:
    """Delete a person who belongs to no household any more, with factors, tokens and notices."""
    sessions.end_all(session, user_id)
    repository.delete_user(session, user_id)


def check_new_person(
    email: str, password: str, name: str, *, address: str | None = None
) -> NewPerson:
    """Return a person as they are stored; opens its own transaction to count the attempt.

    Raises:
        RateLimitedError: Too many registrations from this network address.
        InvalidInputError: The address, the name or the password will not do.
        UnavailableError: Too many passwords are being hashed right now.
    """
    email, name = check_email(email), check_name(name or email.partition("@")[0])
    security.check_new_password(password, (email, name))
    if address is not None:
        with database.system_transaction() as session:
            take_attempt(session, REGISTER_BY_ADDRESS, address)
    return NewPerson(email, security.hash_password(password), name)


def create_user(session: Session, *, email: str, password_hash: str, name: str) -> Profile:
    """Store a person and a household of their own; for a session that crosses households.

    Raises:
        ConflictError: The address has an account.
    """
    user_id = create_person(session, email=email, password_hash=password_hash, name=name)
    household_id = create_household(session, user_id, name)
    return Profile(user_id=user_id, email=email, name=name, household_id=household_id)


def create_person(session: Session, *, email: str, password_hash: str, name: str) -> UUID:
    """Store a person, who has to get a household in the same transaction.

    Raises:
        ConflictError: The address has an account.
    """
    user_id = uuid7()
    values = {
        "id": user_id,
        "email": email,
        "email_key": email_key(email),
        "name": name,
        "password_hash": password_hash,
    }
    if not repository.insert_user(session, values):
        raise ConflictError(
            "There is an account with this e-mail address. Sign in instead.",
            code="email_taken",
            field="email",
        )
    addresses.want_link(session, user_id)
    return user_id


def create_household(session: Session, owner_id: UUID, owner_name: str) -> UUID:
    """Store a household of one person, with its key and its categories; crosses households."""
    household_id = uuid7()
    repository.insert_household(session, household_id, f"Household of {owner_name}", owner_id)
    vault.create_key(session, household_id)
    categories.seed(session, household_id)
    return household_id


def confirm_password(user_id: UUID, password: str, *, field: str) -> User:
    """Return the person whose password was asked for again; opens its own transactions.

    Raises:
        InvalidInputError: It is wrong; `field` is where it was typed.
        RateLimitedError: Too many wrong tries.
    """
    with database.system_transaction() as session:
        take_attempt(session, PASSWORD_BY_USER, str(user_id))
        user = repository.find_user(session, user_id)
    if user is None or not security.verify_password(password, user.password_hash):
        raise InvalidInputError(
            "The current password is not right.", code="wrong_password", field=field
        )
    with database.system_transaction() as session:
        ratelimit.give_back(session, PASSWORD_BY_USER, str(user_id))
    return user


def update_profile(
    session: Session, household_id: UUID, changes: ProfileChanges, *, actor: Actor
) -> None:
    """Change how a person is called and sees numbers, and their household's name and currency.

    For a session that crosses households.

    Raises:
        InvalidInputError: A value will not do.
        ForbiddenError: A viewer tried to change the household.
    """
    name = check_name(changes.name)
    household_name = check_name(changes.household_name, "household_name")
    locale = preferences.check_locale(changes.locale)
    timezone = preferences.check_timezone(changes.timezone)
    currency = preferences.check_currency(changes.base_currency)
    user = _get_user(session, actor)
    household = repository.get_household(session, household_id)
    role = repository.get_role(session, household_id, user.id)
    chosen = {**user.preferences, "locale": locale, "timezone": timezone}
    of_user = {"name": name, "preferences": chosen}
    of_household = {"name": household_name, "base_currency": currency}
    if role in ("viewer", "guest") and not _is_same(household, of_household):
        raise ForbiddenError("You may look at this household, but not change it.")
    changed = []
    if not _is_same(user, of_user):
        repository.update_user(session, user.id, of_user)
        changed.append("user")
    if not _is_same(household, of_household):
        repository.update_household(session, household_id, of_household)
        changed.append("household")
    if changed:
        sessions.forget_household(session, household_id)
        audit.record(
            session,
            household_id,
            "user.profile_changed",
            actor=actor,
            object_id=user.id,
            # What, not how it reads: the trail outlives the person's account.
            details={"changed": changed, "base_currency": currency, **chosen},
        )


def update_theme(session: Session, household_id: UUID, theme: str, *, actor: Actor) -> None:
    """Choose light or dark; empty follows the system. For a session that crosses households.

    Raises:
        InvalidInputError: There is no such theme.
    """
    if theme not in THEMES:
        raise InvalidInputError("Choose system, light or dark.", field="theme")
    user = _get_user(session, actor)
    if user.preferences.get("theme", "") == theme:
        return
    repository.update_user(session, user.id, {"preferences": {**user.preferences, "theme": theme}})
    sessions.forget_household(session, household_id)
    audit.record(
        session,
        household_id,
        "user.theme_changed",
        actor=actor,
        object_id=user.id,
        details={"theme": {"before": user.preferences.get("theme"), "after": theme}},
    )


def has_account(session: Session, household_id: UUID) -> bool:
    """Tell whether the household has any account yet, or is at its first run."""
    return repository.has_account(session, household_id)


def check_email(email: str) -> str:
    """Return the address without surrounding space.

    Raises:
        InvalidInputError: It cannot be an e-mail address.
    """
    email = unicodedata.normalize("NFC", email.strip())
    if len(email) > EMAIL_LENGTH_MAX or not _EMAIL.fullmatch(email):
        raise InvalidInputError(
            "This is not an e-mail address.", code="invalid_email", field="email"
        )
    return email


def check_name(name: str, field: str = "name") -> str:
    """Return the name without surrounding space and invisible characters.

    Raises:
        InvalidInputError: Nothing is left of it, or it is too long.
    """
    visible = "".join(letter for letter in name if unicodedata.category(letter)[0] != "C")
    name = unicodedata.normalize("NFC", " ".join(visible.split()))
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise InvalidInputError(
            f"A name has 1 to {NAME_LENGTH_MAX} characters.", code="invalid_name", field=field
        )
    return name


def take_attempt(session: Session, limit: Limit, key: str) -> None:
    """Take an attempt from a bucket.

    Raises:
        RateLimitedError: The bucket is empty.
    """
    wait_seconds = ratelimit.take(session, limit, key)
    if wait_seconds is not None:
        raise RateLimitedError(
            f"Too many attempts. Try again in {_in_words(wait_seconds)}.",
            retry_after_seconds=wait_seconds,
        )


def admit(limit: Limit, key: str) -> None:
    """Count an attempt of somebody, in a transaction of its own: it counts however it ends.

    Raises:
        RateLimitedError: There were as many as there may be.
    """
    with database.system_transaction() as session:
        wait_seconds = ratelimit.take(session, limit, key)
    if wait_seconds is not None:
        raise RateLimitedError(
            f"That was asked as often as it may be. Try again in {_in_words(wait_seconds)}.",
            retry_after_seconds=wait_seconds,
        )


def forget_old(session: Session) -> int:
    """Delete sessions, tokens and limiter buckets that no longer matter; return how many rows."""
    before = clock.now() - sessions.KEPT_AFTER_END
    deleted = repository.delete_ended(session, before) + tokens.delete_old_tokens(session, before)
    deleted += tokens.delete_old_resets(session, clock.now()) + notices.forget_old(session)
    return deleted + ratelimit.forget_old(session) + tickets.forget_old(session)


def _get_user(session: Session, actor: Actor) -> User:
    if actor.user_id is None:
        raise UnauthorizedError("Sign in first.")
    user = repository.find_user(session, actor.user_id)
    if user is None:
        raise NotFoundError("There is no such person.")
    return user


def _is_same(row: User | Household, values: Mapping[str, object]) -> bool:
    return all(getattr(row, column) == value for column, value in values.items())


def _in_words(seconds: int) -> str:
    if seconds < 60:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    minutes = -(-seconds // 60)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"
