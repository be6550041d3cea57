"""What the pages of people show: sign-in, registration, first run, settings."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

Errors = Mapping[str, str]
"""A message for each field that is wrong; the key `form` is for what no field is to blame for."""

Options = tuple[tuple[str, str], ...]
"""What a select offers: value and label."""


@dataclass(frozen=True, slots=True)
class SignInView:
    """users/sign_in.html: POST /sign-in with email, password, next."""

    email: str = ""
    next_url: str = "/"
    error: str = ""
    can_register: bool = True
    offers_passkeys: bool = False
    """Then also POST /sign-in/passkey, by its script."""
    provider: str = ""
    """What the OpenID Connect provider is called; then also GET /sign-in/oidc. Empty: none."""
    demo_email: str = ""
    """Shown as a hint on a demo installation, else empty."""
    demo_password: str = ""


@dataclass(frozen=True, slots=True)
class CodeView:
    """users/code.html: POST /sign-in/code with pending, code, next."""

    pending: str
    """Says whose password was right; opens nothing by itself."""
    next_url: str = "/"
    error: str = ""
    offers_passkeys: bool = False
    """Then also POST /sign-in/code/passkey, by its script."""


@dataclass(frozen=True, slots=True)
class ConfirmView:
    """users/confirm.html: POST /confirm with password, code, next, again."""

    email: str
    wants_code: bool = False
    """The second factor is on."""
    offers_passkeys: bool = False
    """Then also POST /confirm/passkey, by its script."""
    next_url: str = "/"
    again: bool = False
    """A form led here, whose button has to be pressed once more."""
    errors: Errors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResetView:
    """users/reset.html: POST /reset-password with token, new_password."""

    token: str
    errors: Errors = field(default_factory=dict)
    password_characters_min: int = 12


@dataclass(frozen=True, slots=True)
class ConfirmAddressView:
    """users/confirm_address.html: POST /confirm-address with token."""

    token: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class QrCode:
    """A QR code as an SVG path of unit squares, quiet zone included."""

    size: int
    path: str


@dataclass(frozen=True, slots=True)
class TwoStepView:
    """users/two_step.html.

    Its forms: POST /settings/two-step (password) makes a secret, /settings/two-step/confirm
    (code) turns it on, /settings/two-step/off (password, code).
    """

    state: str
    """`off`, `setup` (an app is being set up), `codes` (just turned on), or `on`."""
    email: str = ""
    secret: str = ""
    """In groups of four; like `uri` and `qr` empty unless it was just made."""
    uri: str = ""
    qr: QrCode | None = None
    codes: tuple[str, ...] = ()
    """The recovery codes, shown once."""
    codes_left: int = 0
    errors: Errors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PasskeyRow:
    """One passkey of the reader."""

    passkey_id: str
    name: str
    created_at: dt.datetime
    used_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class PasskeysView:
    """users/passkeys.html.

    Its forms: POST /settings/passkeys (name) by its script, /settings/passkeys/rename
    (passkey_id, name), /settings/passkeys/remove (passkey_id).
    """

    passkeys: tuple[PasskeyRow, ...] = ()
    suggested_name: str = ""
    are_possible: bool = True
    """Browsers make passkeys for this server."""
    errors: Errors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderView:
    """users/provider.html: leads to an OpenID Connect provider."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One API token that works."""

    token_id: str
    name: str
    hint: str
    """Its last characters."""
    scopes: tuple[str, ...]
    household_name: str
    expires_at: dt.datetime
    used_at: dt.datetime | None = None
    used_from: str = ""


@dataclass(frozen=True, slots=True)
class TokensView:
    """users/tokens.html: POST /settings/tokens/revoke (token_id)."""

    tokens: tuple[TokenRow, ...] = ()
    token: str = ""
    """One that was just made, shown once."""


@dataclass(frozen=True, slots=True)
class NewTokenView:
    """users/new_token.html: POST /settings/tokens/new with name, scopes, days."""

    scopes: Options
    """Each with what it allows."""
    expiries: Options
    name: str = ""
    chosen: tuple[str, ...] = ()
    days: str = "90"
    errors: Errors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountNotice:
    """One thing that the reader is told of."""

    title: str
    at: dt.datetime
    place: str
    """Device and network address."""
    advice: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class NoticesView:
    """users/notices.html: POST /notices/read (up_to)."""

    notices: tuple[AccountNotice, ...] = ()
    unread: int = 0
    up_to: str = ""
    older_url: str = ""


@dataclass(frozen=True, slots=True)
class RegisterView:
    """users/register.html: POST /register with name, email, password."""

    name: str = ""
    email: str = ""
    errors: Errors = field(default_factory=dict)
    password_characters_min: int = 12


@dataclass(frozen=True, slots=True)
class FirstRunView:
    """users/first_run.html: what to do with an empty household."""

    practice_banks: bool
    """No provider keys are set: linking opens the simulator."""
    bytes_max: int = 20_000_000


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One signed-in browser or program."""

    session_id: str
    description: str
    """Such as "Firefox on Linux"."""
    last_seen_at: dt.datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class SettingsView:
    """users/settings.html.

    Its forms: POST /settings/profile (name, household_name, locale, timezone, base_currency),
    /settings/appearance (theme: "", light, dark), /settings/password (current_password,
    new_password, code), /settings/sessions/end (session_id, or `others`), /settings/address.
    """

    name: str
    email: str
    household_name: str
    locale: str
    timezone: str
    base_currency: str
    theme: str
    locales: Options
    timezones: Options
    currencies: Options
    sessions: tuple[SessionRow, ...] = ()
    has_second_factor: bool = False
    passkeys: int = 0
    """How many the reader has."""
    wants_confirming: bool = False
    """The address is still to be confirmed."""
    provider: str = ""
    """What the OpenID Connect provider is called: then also POST /settings/oidc/link, or
    /settings/oidc/unlink if the reader is linked. Empty: none."""
    is_linked: bool = False
    errors: Errors = field(default_factory=dict)
    password_characters_min: int = 12
