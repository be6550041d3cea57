"""Pages of people: signing in, registering, settings."""

from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core import csrf, database
from app.core import passkeys as webauthn
from app.core.config import settings
from app.core.errors import AppError, NotFoundError, UnauthorizedError
from app.features.users import (
    addresses,
    oidc,
    passkeys,
    passwords,
    preferences,
    service,
    sessions,
    two_step,
)
from app.features.users.current import (
    CurrentPerson,
    CurrentUser,
    RequestClient,
    SignedIn,
    Visitor,
    system_session,
)
from app.features.users.passwords import Changed
from app.features.users.sessions import AwaitsCode, SignedInBrowser
from app.ui import flashes
from app.ui.filters import DEFAULT_FORMATTING
from app.ui.forms import errors_by_field, form_page
from app.ui.templating import THEME_COOKIE
from app.ui.views.users import (
    CodeView,
    RegisterView,
    SessionRow,
    SettingsView,
    SignInView,
)

router = APIRouter(include_in_schema=False)

SystemSession = Annotated[Session, Depends(system_session, scope="function")]
Text = Annotated[str, Form(max_length=1_000)]
_SEE_OTHER = 303
_THEME_SECONDS = 365 * 24 * 3600


class ProfileForm(BaseModel):
    """The profile form of the settings page."""

    name: str = Field("", max_length=1_000)
    household_name: str = Field("", max_length=1_000)
    locale: str = Field("", max_length=100)
    timezone: str = Field("", max_length=100)
    base_currency: str = Field("", max_length=100)


@router.get("/sign-in")
def show_sign_in(request: Request, visitor: Visitor, next: str = "") -> Response:
    """Show the form, or go on if the reader is signed in already."""
    if visitor is not None:
        return RedirectResponse(local_path(next), _SEE_OTHER)
    return sign_in_form(request, next_url=next)


@router.post("/sign-in")
def sign_in(
    request: Request,
    _visitor: Visitor,
    client: RequestClient,
    email: Text = "",
    password: Text = "",
    next: Text = "",
) -> Response:
    """Sign in and go where the reader wanted to go."""
    try:
        opened = sessions.sign_in_browser(email, password, client)
    except AppError as error:
        return sign_in_form(request, next_url=next, email=email, error=error)
    if isinstance(opened, AwaitsCode):
        return code_form(request, opened.pending_token, next_url=next)
    return enter(next, opened)


@router.post("/sign-in/code")
def enter_code(
    request: Request,
    _visitor: Visitor,
    client: RequestClient,
    pending: Annotated[str, Form(max_length=2_000)] = "",
    code: Text = "",
    next: Text = "",
) -> Response:
    """Take the second step: a code of the authenticator app, or a recovery code."""
    try:
        opened = sessions.finish_browser(pending, code, client)
    except AppError as error:
        if error.code == "sign_in_expired":
            return sign_in_form(request, next_url=next, error=error)
        return code_form(request, pending, next_url=next, error=error)
    return enter(next, opened)


@router.get("/register")
def show_register(request: Request, visitor: Visitor) -> Response:
    """Show the form, or go on if the reader is signed in already."""
    if visitor is not None:
        return RedirectResponse("/", _SEE_OTHER)
    return _register_form(request)


@router.post("/register")
def register(
    request: Request,
    _visitor: Visitor,
    client: RequestClient,
    email: Text = "",
    password: Text = "",
    name: Text = "",
) -> Response:
    """Create the account and sign in."""
    try:
        profile = service.register(email, password, name, address=client.address)
    except AppError as error:
        return _register_form(request, email=email, name=name, error=error)
    with database.system_transaction() as session:
        opened = sessions.open_browser_session(session, profile.user_id, client)
    return enter("/", opened)


@router.post("/sign-out")
def sign_out(current: CurrentPerson, session: SystemSession) -> Response:
    """End the session on the server, then take the cookie."""
    sessions.sign_out(session, current.household_id, current.actor)
    return csrf.delete_session_cookie(RedirectResponse("/sign-in", _SEE_OTHER))


@router.get("/settings")
def show_settings(request: Request, current: CurrentUser, session: SystemSession) -> HTMLResponse:
    """Show profile, appearance, password, second factor and sessions."""
    return _settings_page(request, current, session)


@router.post("/settings/profile")
def update_profile(
    request: Request,
    current: CurrentPerson,
    session: SystemSession,
    form: Annotated[ProfileForm, Form()],
) -> Response:
    """Change names, formats and the currency of totals."""
    try:
        changes = service.ProfileChanges(**form.model_dump())
        service.update_profile(session, current.household_id, changes, actor=current.actor)
    except AppError as error:
        return _settings_page(request, current, session, error=error, typed=form)
    return _saved("Your settings were saved.")


@router.post("/settings/password")
def change_password(
    request: Request,
    current: CurrentPerson,
    client: RequestClient,
    current_password: Text = "",
    new_password: Text = "",
    code: Text = "",
) -> Response:
    """Replace the password; all other sessions end, and this one gets another cookie."""
    try:
        opened, done = passwords.change_in_browser(
            current.actor, current_password, new_password, code, client
        )
    except UnauthorizedError:
        raise
    except AppError as error:
        # No transaction is open while a password is hashed, so the page opens its own.
        with database.system_transaction() as session:
            return _settings_page(request, current, session, error=error)
    return flashes.add(enter("/settings", opened), _in_words(done))


@router.post("/settings/appearance")
def update_appearance(
    request: Request, current: CurrentPerson, session: SystemSession, theme: Text = ""
) -> Response:
    """Choose light, dark or what the system says."""
    try:
        service.update_theme(session, current.household_id, theme, actor=current.actor)
    except AppError as error:
        return _settings_page(request, current, session, error=error)
    return _set_theme(_saved("Your choice was saved."), theme)


@router.post("/settings/sessions/end")
def end_session(current: CurrentPerson, session: SystemSession, session_id: Text = "") -> Response:
    """Sign out another browser or program, or all `others`."""
    if session_id == "others":
        sessions.end_others(session, current.household_id, actor=current.actor)
        return _saved("You were signed out everywhere else.")
    sessions.end(session, current.household_id, _read_id(session_id), actor=current.actor)
    return _saved("That session was signed out.")


def sign_in_form(
    request: Request, *, next_url: str, email: str = "", error: AppError | None = None
) -> HTMLResponse:
    """Ask who somebody is, and say what was wrong."""
    view = SignInView(
        email=email,
        next_url=local_path(next_url),
        error=error.message if error else "",
        can_register=settings.REGISTRATION_OPEN,
        offers_passkeys=webauthn.are_possible(),
        provider=_provider(),
    )
    return form_page(request, "users/sign_in.html", view, error)


def code_form(
    request: Request, pending: str, *, next_url: str, error: AppError | None = None
) -> HTMLResponse:
    """Ask for the second step, and say what was wrong."""
    view = CodeView(
        pending,
        local_path(next_url),
        error=error.message if error else "",
        offers_passkeys=passkeys.offers_second_step(pending),
    )
    return form_page(request, "users/code.html", view, error)


def enter(target: str, opened: SignedInBrowser) -> Response:
    """Give the browser its session and lead it on, whoever named the target: not to elsewhere."""
    response = RedirectResponse(local_path(target), _SEE_OTHER)
    return csrf.set_session_cookie(response, opened.cookie, opened.expires_at)


def _register_form(
    request: Request, *, email: str = "", name: str = "", error: AppError | None = None
) -> HTMLResponse:
    view = RegisterView(
        name=name,
        email=email,
        errors=errors_by_field(error),
        password_characters_min=settings.PASSWORD_LENGTH_MIN,
    )
    return form_page(request, "users/register.html", view, error)


def _settings_page(
    request: Request,
    current: SignedIn,
    session: Session,
    *,
    error: AppError | None = None,
    typed: ProfileForm | None = None,
) -> HTMLResponse:
    chosen = current.preferences
    view = SettingsView(
        name=typed.name if typed else current.name,
        email=current.email,
        household_name=typed.household_name if typed else current.household_name,
        locale=typed.locale if typed else str(chosen.get("locale") or DEFAULT_FORMATTING.locale),
        timezone=(
            typed.timezone if typed else str(chosen.get("timezone") or DEFAULT_FORMATTING.timezone)
        ),
        base_currency=typed.base_currency if typed else current.base_currency,
        theme=str(chosen.get("theme") or ""),
        locales=tuple(preferences.LOCALES.items()),
        timezones=tuple((name, name.replace("_", " ")) for name in preferences.list_timezones()),
        currencies=tuple((code, code) for code in preferences.CURRENCIES),
        sessions=tuple(
            SessionRow(
                session_id=str(row.id),
                description=preferences.describe_user_agent(row.user_agent),
                last_seen_at=row.seen_at,
                is_current=row.is_current,
            )
            for row in sessions.list_own(session, actor=current.actor)
        ),
        wants_confirming=addresses.wants_confirming(session, current.user_id),
        has_second_factor=two_step.codes_left(session, current.user_id) is not None,
        passkeys=len(passkeys.list_own(session, current.user_id)),
        provider=_provider(),
        is_linked=oidc.is_linked(session, current.user_id),
        errors=errors_by_field(error),
        password_characters_min=settings.PASSWORD_LENGTH_MIN,
    )
    return form_page(request, "users/settings.html", view, error, section="settings")


def _provider() -> str:
    return settings.OIDC_NAME if settings.OIDC_ISSUER else ""


def _in_words(done: Changed) -> str:
    words = "Your password was changed. You were signed out everywhere else"
    words += f" ({done.sessions_ended})."
    if done.tokens_left:
        words += f" API tokens that go on working: {done.tokens_left}; revoke what you do not need."
    return words


def _saved(message: str) -> RedirectResponse:
    return flashes.add(RedirectResponse("/settings", _SEE_OTHER), message)


def _set_theme(response: RedirectResponse, theme: str) -> RedirectResponse:
    if not theme:
        response.delete_cookie(THEME_COOKIE, samesite="lax")
        return response
    # Readable by our script, which offers the same choice in the menu.
    response.set_cookie(
        THEME_COOKIE, theme, max_age=_THEME_SECONDS, secure=settings.is_https, samesite="lax"
    )
    return response


def _read_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError("There is no such session.") from None


def local_path(target: str) -> str:
    """Return where to go after signing in: a path of this server, never another one.

    Browsers read a backslash as a slash and skip control characters, so both are refused.
    """
    is_plain = target.isprintable() and "\\" not in target
    if not is_plain or not target.startswith("/") or target.startswith("//"):
        return "/"
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or parts.path.startswith(("/sign-", "/confirm")):
        return "/"
    return target
