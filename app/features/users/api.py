"""/api/v1/auth: register, sign in, refresh, sign out, change the password."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.core import csrf
from app.features.users import confirmation, passwords, service, sessions
from app.features.users.current import CurrentPerson, CurrentUser, RequestClient, system_session
from app.features.users.second_factor import CODE_LENGTH_MAX
from app.features.users.sessions import TokenPair

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])

SystemSession = Annotated[Session, Depends(system_session, scope="function")]
Password = Annotated[str, Field(min_length=1, max_length=1_000)]


class Body(BaseModel):
    """What a client sends; fields that nobody declared are refused."""

    model_config = ConfigDict(extra="forbid")


class RegisterBody(Body):
    """A new person."""

    email: Annotated[str, Field(max_length=service.EMAIL_LENGTH_MAX)]
    password: Password
    name: Annotated[str, Field(max_length=service.NAME_LENGTH_MAX)] = ""


class RefreshBody(Body):
    """A refresh token that was not used yet."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=200)]


class ConfirmBody(Body):
    """What shows that it is you."""

    password: Password
    totp_code: Annotated[str, Field(max_length=CODE_LENGTH_MAX)] = ""
    """Of the app, or a recovery code; with two-step sign-in on."""


class PasswordBody(Body):
    """The password that is right now, and the one that shall be."""

    current_password: Password
    new_password: Password
    totp_code: Annotated[str, Field(max_length=CODE_LENGTH_MAX)] = ""
    """Of the app, or a recovery code; with two-step sign-in on."""


class Person(BaseModel):
    """A person, as they may see themselves."""

    user_id: UUID
    household_id: UUID
    email: str
    name: str


class Me(Person):
    """The signed-in person and the household they work in."""

    role: str
    household_name: str
    base_currency: str


class Tokens(BaseModel):
    """A pair of tokens (RFC 6749, section 5.1)."""

    access_token: str
    refresh_token: str
    token_type: str = "bearer"  # noqa: S105  # the type's name
    expires_in: int
    """Seconds until the access token expires."""


class PasswordChanged(BaseModel):
    """What else happened when the password was replaced."""

    sessions_ended: int
    """Other ones, of browsers and programs."""
    api_tokens_left: int
    """They go on working."""
    tokens: Tokens | None
    """To go on with; null in a browser, which gets another cookie."""


@router.post("/register", status_code=201)
def register(body: RegisterBody, client: RequestClient) -> Person:
    """Create a person with a household of their own."""
    profile = service.register(body.email, body.password, body.name, address=client.address)
    return Person(
        user_id=profile.user_id,
        household_id=profile.household_id,
        email=profile.email,
        name=profile.name,
    )


@router.post("/login")
def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    client: RequestClient,
    totp_code: Annotated[str, Form(max_length=CODE_LENGTH_MAX)] = "",
) -> Tokens:
    """Exchange an e-mail address (as `username`) and a password for tokens.

    With two-step sign-in also the code of the app, or a recovery code, as `totp_code`.
    """
    return _tokens(sessions.sign_in_api(form.username, form.password, client, totp_code))


@router.post("/refresh")
def refresh(body: RefreshBody, client: RequestClient) -> Tokens:
    """Exchange a refresh token for a new pair; a token that comes twice ends its session."""
    return _tokens(sessions.refresh(body.refresh_token, client))


@router.post("/confirm")
def confirm(body: ConfirmBody, current: CurrentPerson, client: RequestClient) -> Tokens:
    """Show again that it is you, for what answered 403 with `recent_sign_in_needed`.

    The tokens that asked are void: go on with these.
    """
    return _tokens(
        confirmation.confirm_api(current.actor, current.kind, body.password, body.totp_code, client)
    )


@router.post("/logout", status_code=204)
def logout(current: CurrentPerson, session: SystemSession) -> None:
    """End the session: its access and refresh tokens are refused from now on."""
    sessions.sign_out(session, current.household_id, current.actor)


@router.post("/password")
def change_password(
    body: PasswordBody, current: CurrentPerson, client: RequestClient, response: Response
) -> PasswordChanged:
    """Replace the password; all other sessions end, and this one goes on under new tokens.

    API tokens go on working: revoke those that should not.
    """
    given = (current.actor, body.current_password, body.new_password, body.totp_code, client)
    if current.kind == sessions.BROWSER:
        opened, done = passwords.change_in_browser(*given)
        csrf.set_session_cookie(response, opened.cookie, opened.expires_at)
        tokens = None
    else:
        pair, done = passwords.change_in_program(*given)
        tokens = _tokens(pair)
    return PasswordChanged(
        sessions_ended=done.sessions_ended, api_tokens_left=done.tokens_left, tokens=tokens
    )


@router.get("/me")
def read_me(current: CurrentUser) -> Me:
    """Return the signed-in person and their household."""
    return Me(
        user_id=current.user_id,
        household_id=current.household_id,
        email=current.email,
        name=current.name,
        role=current.role,
        household_name=current.household_name,
        base_currency=current.base_currency,
    )


def _tokens(pair: TokenPair) -> Tokens:
    return Tokens(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in=pair.expires_in_seconds,
    )
