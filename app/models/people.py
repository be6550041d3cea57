"""People, households, and the sessions by which we know who asks."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, Id, Instant, belongs_to, owned_by_household

_ROLES = "role IN ('owner', 'member', 'viewer', 'guest')"


class Household(Base):
    """The tenant: the people who look at the same money."""

    __tablename__ = "households"

    id: Mapped[Id]
    name: Mapped[str]
    base_currency: Mapped[str] = mapped_column(server_default="USD")
    """Totals over several currencies are shown in this one."""
    created_at: Mapped[CreatedAt]


class HouseholdKey(Base):
    """The household's data key, wrapped; without this row its sealed values never open again."""

    __tablename__ = "household_keys"
    __table_args__ = (owned_by_household(),)

    household_id: Mapped[Id]
    wrapped_key: Mapped[bytes]
    key_id: Mapped[str]
    """Which key of ENCRYPTION_KEYS wraps it."""
    created_at: Mapped[CreatedAt]


class User(Base):
    """A person who can sign in."""

    __tablename__ = "users"

    id: Mapped[Id]
    email: Mapped[str]
    """As typed; for showing and for mail."""
    email_key: Mapped[str] = mapped_column(unique=True)
    """Case-folded; what signing in compares."""
    email_confirmed_at: Mapped[Instant | None]
    """When somebody who reads its mail said that it is theirs; None: nobody did yet."""
    name: Mapped[str]
    password_hash: Mapped[str]
    preferences: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")
    """Theme, locale, time zone."""
    is_operator: Mapped[bool] = mapped_column(server_default="false")
    """May see how the server is; nobody else's money."""
    disabled_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]


class Membership(Base):
    """A user's role in a household."""

    __tablename__ = "memberships"
    __table_args__ = (
        owned_by_household(),
        CheckConstraint(_ROLES, name="role"),
        Index(None, "user_id"),
    )

    household_id: Mapped[Id]
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role: Mapped[str]
    created_at: Mapped[CreatedAt]


class AccountShare(Base):
    """An account that a guest of the household sees; without one they see nothing of it."""

    __tablename__ = "account_shares"
    __table_args__ = (
        owned_by_household(),
        ForeignKeyConstraint(
            ["household_id", "user_id"],
            ["memberships.household_id", "memberships.user_id"],
            ondelete="CASCADE",
        ),
        belongs_to("accounts", "account_id"),
    )

    household_id: Mapped[Id]
    user_id: Mapped[Id]
    account_id: Mapped[Id]
    created_at: Mapped[CreatedAt]


class Invitation(Base):
    """An open door into a household: whoever brings its link first comes in, with this role."""

    __tablename__ = "invitations"
    __table_args__ = (
        owned_by_household(),
        CheckConstraint(_ROLES, name="role"),
        Index(None, "token_hash"),
    )

    household_id: Mapped[Id]
    id: Mapped[Id]
    token_hash: Mapped[bytes]
    """SHA-256 of what the link carries."""
    role: Mapped[str]
    label: Mapped[str]
    """Whom it is for, in the words of who invited; may be empty."""
    invited_by: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]
    used_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    revoked_at: Mapped[Instant | None]


class UserSession(Base):
    """One signed-in browser or API client; ending it ends every token that names it."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    household_id: Mapped[UUID] = mapped_column(ForeignKey("households.id", ondelete="CASCADE"))
    """The household it works in."""
    kind: Mapped[str]
    """`browser` or `api`."""
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of a browser's cookie; None for API clients."""
    created_at: Mapped[CreatedAt]
    proven_at: Mapped[Instant | None]
    """When the person last showed who they are; None: when it was opened."""
    seen_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    ended_at: Mapped[Instant | None]
    address: Mapped[str | None]
    user_agent: Mapped[str | None]


class ApiToken(Base):
    """What a program shows that acts for a person, within scopes, in one household."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    household_id: Mapped[UUID] = mapped_column(ForeignKey("households.id", ondelete="CASCADE"))
    """The only one that it sees."""
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    """SHA-256: nobody can guess 190 random bits."""
    hint: Mapped[str]
    """Its last characters, for people to know it by."""
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]
    """To the minute."""
    used_from: Mapped[str | None]
    """Network address of the last use."""
    revoked_at: Mapped[Instant | None]


class IdempotencyKey(Base):
    """A request that may be sent again, by a hash of its key, and what it was answered."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (owned_by_household(), Index(None, "created_at"))

    household_id: Mapped[Id]
    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    """Keyed hash of person, route and key."""
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    claim_id: Mapped[UUID]
    """The request that acts, or has acted: no other one may write the answer."""
    request_hash: Mapped[bytes]
    """Keyed hash of address and body."""
    created_at: Mapped[Instant]
    running_until: Mapped[Instant]
    """From then on a request without an answer is taken for dead, and another may act."""
    status: Mapped[int | None] = mapped_column(BigInteger)
    """Of the answer; None: it is not there yet."""
    answer: Mapped[bytes | None]
    """Headers and body, compressed and sealed: it may hold a secret that is shown once."""


class RefreshToken(Base):
    """A one-time token for a new access token; using it twice ends its session."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index(None, "session_id"),)

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("user_sessions.id", ondelete="CASCADE"))
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]


class PasswordReset(Base):
    """A link by which a person who forgot their password sets another; gone once it was used."""

    __tablename__ = "password_resets"
    __table_args__ = (Index(None, "user_id"),)

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    """SHA-256 of what the link carries."""
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Instant]


class UserTotp(Base):
    """A person's authenticator app, which signing in asks once it is confirmed."""

    __tablename__ = "user_totp"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    secret: Mapped[bytes]
    """Sealed under the person's key."""
    key_id: Mapped[str]
    """Which key of ENCRYPTION_KEYS the person's key is derived from."""
    last_step: Mapped[int] = mapped_column(BigInteger)
    """The step of the last code that counted; none up to it counts again."""
    created_at: Mapped[CreatedAt]
    confirmed_at: Mapped[Instant | None]
    """None while the app is being set up: it guards nothing yet."""


class RecoveryCode(Base):
    """A code that replaces the authenticator app's, once."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    """SHA-256: nobody can guess 80 random bits."""
    created_at: Mapped[CreatedAt]
    used_at: Mapped[Instant | None]


class Passkey(Base):
    """A key pair of which a person's device or password manager keeps the private half."""

    __tablename__ = "passkeys"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    """By which browsers know it."""
    public_key: Mapped[bytes]
    """COSE (RFC 9052)."""
    sign_count: Mapped[int] = mapped_column(BigInteger)
    """Of the last use; a copy of the key would count from somewhere else. 0: it does not count."""
    name: Mapped[str]
    created_at: Mapped[CreatedAt]
    used_at: Mapped[Instant | None]


class UserIdentity(Base):
    """Who a person is at an OpenID Connect provider, where they may sign in."""

    __tablename__ = "user_identities"
    __table_args__ = (Index(None, "user_id"),)

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    """How the issuer calls them, for good."""
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[CreatedAt]
    used_at: Mapped[Instant | None]


class SpentTicket(Base):
    """A ticket that was redeemed, kept until it is too old to come again."""

    __tablename__ = "spent_tickets"
    __table_args__ = (Index(None, "expires_at"),)

    ticket_hash: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[Instant]


class AttemptBucket(Base):
    """A token bucket of attempts (signing in, registering), keyed by a hash of who tries."""

    __tablename__ = "attempt_buckets"

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    tokens: Mapped[float]
    """Attempts left; a count, not money."""
    updated_at: Mapped[Instant]


class AuditEvent(Base):
    """Who did what, written in the transaction that did it."""

    __tablename__ = "audit_events"
    __table_args__ = (owned_by_household(),)

    household_id: Mapped[Id]
    id: Mapped[Id]
    at: Mapped[CreatedAt]
    actor_user_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    address: Mapped[str | None]
    action: Mapped[str]
    """A constant such as `item.unlinked`."""
    object_id: Mapped[str | None]
    details: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")


class Notice(Base):
    """What a person is told of their account, written with the event that it is about."""

    __tablename__ = "notices"
    __table_args__ = (
        owned_by_household(),
        Index(None, "user_id", "id"),
        Index("ix_notices_unread", "user_id", postgresql_where="read_at IS NULL"),
    )

    household_id: Mapped[Id]
    """In whose trail the event stands."""
    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    """Who is told."""
    at: Mapped[Instant]
    action: Mapped[str]
    """Of the event."""
    address: Mapped[str | None]
    """Network address from which it was done."""
    device: Mapped[str | None]
    """Browser or program, such as `Firefox on Linux`."""
    read_at: Mapped[Instant | None]
    mailed_at: Mapped[Instant | None]
    """When it was sent by mail as well; None: it was not, or not yet."""


class NoticeMail(Base):
    """A notice that is still to be sent by mail; gone once it was, or was given up."""

    __tablename__ = "notice_mails"
    __table_args__ = (
        owned_by_household(),
        ForeignKeyConstraint(
            ["household_id", "notice_id"],
            ["notices.household_id", "notices.id"],
            ondelete="CASCADE",
        ),
        Index(None, "due_at"),
    )

    household_id: Mapped[Id]
    notice_id: Mapped[Id]
    due_at: Mapped[Instant]
    """No worker tries before."""
    attempts: Mapped[int] = mapped_column(BigInteger, server_default="0")


class AuditLink(Base):
    """A link of the household's chain of audit events, forged at the commit of its event."""

    __tablename__ = "audit_links"
    __table_args__ = (
        owned_by_household(),
        Index("uq_audit_links_household_id_event_id", "household_id", "event_id", unique=True),
        Index(None, "linked_at"),
    )

    household_id: Mapped[Id]
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """From 1, without gaps, in the order of the commits."""
    event_id: Mapped[UUID]
    """No foreign key: the link outlives the event, which is how a deletion shows."""
    hash: Mapped[bytes]
    """SHA-256 of the hash before it and of all that the event says; see ADR 21."""
    linked_at: Mapped[CreatedAt]
