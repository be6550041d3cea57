"""Pages and fragments: one Jinja2 environment for the shell and for every feature's templates."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.core import clock
from app.domain import text
from app.ui import filters
from app.ui.assets import static_assets
from app.ui.filters import DEFAULT_FORMATTING, Formatting

_APP_DIRECTORY = Path(__file__).parent.parent
THEME_COOKIE = "theme"
THEMES = ("light", "dark")
"""The reader's explicit choice; without the cookie the page follows the system."""

HTMX_CONFIG = json.dumps(
    {
        # htmx must add no style of its own, leave our origin, or wait longer than a person does.
        "includeIndicatorCSS": False,
        "mode": "same-origin",
        "defaultTimeout": 20_000,
        "history": "reload",
    }
)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is signed in, as the shell shows it."""

    name: str
    email: str
    household_name: str


@dataclass(frozen=True, slots=True)
class Flash:
    """One message shown once at the top of the next page."""

    message: str
    kind: str = "info"
    """info, success, warning or danger."""


@dataclass(frozen=True, slots=True)
class PageContext:
    """What the shell of every page needs; set as `request.state.page_context` at the edge."""

    viewer: Viewer | None = None
    csrf_token: str = ""
    formatting: Formatting = DEFAULT_FORMATTING
    flashes: tuple[Flash, ...] = ()
    alerts: int = 0
    """How many connections need the user; shown beside Connections."""
    questions: int = 0
    """How many possible duplicates wait for the user; without any, nothing leads to them."""
    may_edit: bool = True
    """Whether the reader may change the household; else pages show no buttons that do."""
    is_guest: bool = False
    """Whether the reader sees only what is shared with them."""
    notices: int = 0
    """How many notices the reader has not read; shown in the account menu."""
    is_operator: bool = False
    """Whether the account menu leads to /operations."""
    live: bool = True
    """Whether the page listens to /events."""


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """One place in the sidebar and the bottom bar."""

    key: str
    label: str
    url: str
    icon: str
    shortcut: str


NAVIGATION = (
    NavigationEntry("overview", "Overview", "/", "house", "o"),
    NavigationEntry("accounts", "Accounts", "/accounts", "landmark", "a"),
    NavigationEntry("transactions", "Transactions", "/transactions", "receipt-text", "t"),
    NavigationEntry("connections", "Connections", "/connections", "plug", "c"),
    NavigationEntry("imports", "Import", "/imports", "upload", "i"),
    NavigationEntry("history", "History", "/history", "clock", "h"),
)
FOR_GUESTS = tuple(entry for entry in NAVIGATION if entry.key in ("accounts", "transactions"))


def icon(name: str, label: str = "", size: int = 16) -> Markup:
    """Return an inline SVG icon, hidden from screen readers unless it has a label.

    Raises:
        KeyError: scripts/fetch_assets.py does not list the icon.
    """
    hidden = Markup('aria-hidden="true"')
    meaning = Markup('role="img" aria-label="{}"').format(label) if label else hidden
    # The shapes were checked to be plain shapes when they were fetched.
    # nosemgrep: markup-of-a-value - said above
    shapes = Markup(static_assets.icons[name])  # noqa: S704  # nosec B704
    return Markup(
        '<svg class="icon" width="{0}" height="{0}" viewBox="0 0 24 24" {1}>{2}</svg>'
    ).format(size, meaning, shapes)


def make_environment(*, auto_reload: bool = False) -> Environment:
    """Return the environment over the shell's templates and those of every feature."""
    directories = [_APP_DIRECTORY / "ui" / "templates"]
    directories += sorted(_APP_DIRECTORY.glob("features/*/templates"))
    made = Environment(
        loader=FileSystemLoader(directories),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_with_hidden_characters_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=auto_reload,
        cache_size=200,
    )
    made.filters.update(filters.ALL)
    made.globals.update(
        asset=static_assets.url,
        icon=icon,
        navigation=NAVIGATION,
        htmx_config=HTMX_CONFIG,
        today=clock.today,
        new_key=partial(secrets.token_urlsafe, 16),
    )
    made.globals["ui"] = made.get_template("_macros.html").module
    return made


def _with_hidden_characters_shown(value: object) -> object:
    """Write out what hides in a text that a template puts out; markup is our own."""
    return text.shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


class MacrosForViewers:
    """The macros for somebody who may only look: buttons that change something are left out.

    Except those that call themselves the reader's `own`, such as ending one's session.
    """

    HIDDEN = ("action", "confirm_action", "undo_now")

    def __getattr__(self, name: str) -> object:
        """Return a macro."""
        macro = getattr(environment.globals["ui"], name)
        return partial(_if_own, macro) if name in self.HIDDEN else macro


def _if_own(
    macro: Callable[..., str], *arguments: object, own: bool = False, **named: object
) -> str:
    return macro(*arguments, **named) if own else ""


environment = make_environment()


def is_fragment_request(request: Request) -> bool:
    """Tell whether htmx asks for a part of the page; links, forms and reloads ask for it whole."""
    return request.headers.get("HX-Request-Type") == "partial"


def render(
    request: Request,
    *,
    page: str,
    fragment: str | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: object,
) -> HTMLResponse:
    """Render the page, or only its fragment when htmx asks for a part.

    Answers are never kept by caches: every page is somebody's own.
    """
    template = fragment if fragment is not None and is_fragment_request(request) else page
    html = render_text(request, template, **context)
    return HTMLResponse(html, status, headers={**_HEADERS, **(headers or {})})


def render_text(request: Request, template: str, **context: object) -> str:
    """Render one template with the shell's context, as `render` does."""
    shell = page_context(request)
    with filters.formatting(shell.formatting):
        return environment.get_template(template).render(
            **{
                "shell": shell,
                "ui": environment.globals["ui"] if shell.may_edit else MacrosForViewers(),
                "navigation": FOR_GUESTS if shell.is_guest else NAVIGATION,
                "viewer": shell.viewer,
                "csrf_token": shell.csrf_token,
                "theme": _theme(request),
                "path": request.url.path,
                "section": "",
                **context,
            }
        )


def render_problem(
    request: Request,
    *,
    status: int,
    message: str,
    retry_after_seconds: int | None = None,
    reference: str = "",
) -> HTMLResponse:
    """Render an error as a page, or as a toast when htmx asked for a part of a page.

    Args:
        request: The request that failed.
        status: The HTTP status; pages exist for 403, 404, 429, 503 and 507; others use 400's or
            500's.
        message: What happened and what to do next, in the user's words.
        retry_after_seconds: When to come back, for 429 and 503.
        reference: The request id, which finds the error in the logs.
    """
    headers = dict(_HEADERS)
    if retry_after_seconds is not None:
        headers["Retry-After"] = str(retry_after_seconds)
    context = {
        "status": status,
        "message": message,
        "retry_after_seconds": retry_after_seconds,
        "reference": reference,
    }
    if is_fragment_request(request):
        headers |= {"HX-Retarget": "#toasts", "HX-Reswap": "beforeend"}
        html = render_text(request, "errors/_toast.html", **context)
    else:
        own = status in (403, 404, 429, 503, 507)
        name = status if own else 400 if status < 500 else 500
        html = render_text(request, f"errors/{name}.html", **context)
    return HTMLResponse(html, status, headers=headers)


def page_context(request: Request) -> PageContext:
    """Return what the edge knows of the reader, or a stranger's context."""
    context = getattr(request.state, "page_context", None)
    return context if isinstance(context, PageContext) else PageContext()


def _theme(request: Request) -> str:
    theme = request.cookies.get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""


_HEADERS = {"Vary": "HX-Request-Type", "Cache-Control": "no-store"}
