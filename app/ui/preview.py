"""The pages with invented data, for those who design them: `python -m app.ui.preview`.

Nothing is stored, nobody signs in; never part of the application.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from app.ui import preview_data as data
from app.ui.assets import MOUNT_PATH, static_assets
from app.ui.filters import Formatting
from app.ui.preview_accounts import account_page
from app.ui.preview_dashboard import overview_view
from app.ui.preview_households import household, join
from app.ui.preview_privacy import privacy, trail
from app.ui.templating import (
    Flash,
    PageContext,
    Viewer,
    environment,
    is_fragment_request,
    render,
    render_problem,
)
from app.ui.views.connections import ProgressView
from app.ui.views.transactions import Chip, FilterForm
from app.ui.views.users import (
    CodeView,
    ConfirmView,
    FirstRunView,
    NoticesView,
    PasskeysView,
    ProviderView,
    RegisterView,
    ResetView,
    SignInView,
)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "font-src 'self'; manifest-src 'self'"
)
DEFAULT_PORT = 8790
EVENT_SECONDS = 15
_FILTER_NAMES = (
    "search", "account", "category", "direction", "pending", "date_from", "date_to",
    "amount_min", "amount_max",
)  # fmt: skip

Next = Callable[[Request], Awaitable[Response]]


async def add_shell(request: Request, call_next: Next) -> Response:
    """Sign an invented person in, reload what was edited, and send the real policy."""
    if request.app.state.reload and not request.url.path.startswith(MOUNT_PATH):
        static_assets.reload()
        environment.globals["ui"] = environment.get_template("_macros.html").module
    signed_in = request.url.path not in ("/sign-in", "/register", "/join", "/reset-password")
    flashes = (
        (Flash("Your settings were saved.", "success"),) if "saved" in request.url.query else ()
    )
    request.state.page_context = PageContext(
        viewer=Viewer("Ada Winter", "ada@example.com", "Winter & Sommer") if signed_in else None,
        csrf_token="preview",  # noqa: S106 - nothing to protect here
        formatting=Formatting(request.query_params.get("locale", "en_US"), "Europe/Berlin"),
        flashes=flashes,
        alerts=1,
        notices=2,
    )
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


def home(request: Request) -> Response:
    """List what can be looked at."""
    return render(request, page="preview/home.html")


def components(request: Request) -> Response:
    """Show every macro."""
    return render(request, page="preview/components.html")


def sign_in(request: Request) -> Response:
    """Show the sign-in page, with an error after a POST."""
    error = "E-mail and password do not match." if request.method == "POST" else ""
    view = SignInView("ada@example.com", error=error, demo_email="demo@example.com",
                      demo_password="a sentence you can remember",  # noqa: S106
                      offers_passkeys=True, provider="Example SSO")  # fmt: skip
    return render(request, page="users/sign_in.html", status=422 if error else 200, view=view)


def register(request: Request) -> Response:
    """Show the registration page, with an error after a POST."""
    errors = {"password": "This password is too easy to guess."} if request.method == "POST" else {}
    return render(request, page="users/register.html", view=RegisterView("Ada", "a@b.c", errors))


def code(request: Request) -> Response:
    """Show the second step of signing in, with an error after a POST."""
    error = "This code is not right, or was used already." if request.method == "POST" else ""
    view = CodeView("token", error=error, offers_passkeys=True)
    return render(request, page="users/code.html", status=401 if error else 200, view=view)


def confirm(request: Request) -> Response:
    """Ask for password and code once more, with an error after a POST."""
    errors = {"password": "The current password is not right."} if request.method == "POST" else {}
    view = ConfirmView("ada@example.com", wants_code=True, offers_passkeys=True, errors=errors)
    return render(request, page="users/confirm.html", status=422 if errors else 200, view=view)


def reset(request: Request) -> Response:
    """Ask for a new password, with an error after a POST."""
    errors = {"form": "This link was used."} if request.method == "POST" else {}
    status = 422 if errors else 200
    return render(request, page="users/reset.html", status=status, view=ResetView("token", errors))


def notices(request: Request) -> Response:
    """Show what somebody is told of their account; with `none` nothing."""
    view = data.notices_view() if "none" not in request.query_params else NoticesView()
    return render(request, page="users/notices.html", section="notices", view=view)


def tokens(request: Request) -> Response:
    """Show the API tokens; with `made` one that was just made."""
    view = data.tokens_view(made="made" in request.query_params)
    return render(request, page="users/tokens.html", section="settings", view=view)


def passkeys(request: Request) -> Response:
    """Show the passkeys; with `none` nothing."""
    view = data.passkeys_view() if "none" not in request.query_params else PasskeysView()
    return render(request, page="users/passkeys.html", section="settings", view=view)


def provider(request: Request) -> Response:
    """Lead to an OpenID Connect provider."""
    view = ProviderView("Example SSO", "/settings")
    return render(request, page="users/provider.html", section="settings", view=view)


def new_token(request: Request) -> Response:
    """Ask what a new token may do, with an error after a POST."""
    errors = {"scopes": "Choose from read, edit."} if request.method == "POST" else {}
    view = data.new_token_view(errors)
    page, status = "users/new_token.html", 422 if errors else 200
    return render(request, page=page, section="settings", status=status, view=view)


def two_step(request: Request) -> Response:
    """Show one state of the second factor's settings."""
    view = data.two_step_view(request.path_params["state"])
    return render(request, page="users/two_step.html", section="settings", view=view)


def welcome(request: Request) -> Response:
    """Show the first run."""
    return render(request, page="users/first_run.html", view=FirstRunView(practice_banks=True))


def settings(request: Request) -> Response:
    """Show the settings."""
    view = data.settings_view(request.cookies.get("theme", ""))
    return render(request, page="users/settings.html", section="settings", view=view)


def connections(request: Request) -> Response:
    """Show connections in every state, or none."""
    view = data.connections_view()
    if "empty" in request.query_params:
        view = type(view)((), practice_banks=True)
    return render(request, page="connections/list.html", view=view)


def connection(request: Request) -> Response:
    """Show one connection, or answer its card."""
    wanted = request.path_params["id"]
    cards = {card.connection_id: card for card in data.connections_view().connections}
    if wanted not in cards:
        return render_problem(request, status=404, message="There is no such connection.")
    if not is_fragment_request(request):
        return render(request, page="connections/connection.html", view=data.connection_view())
    return render(request, page="connections/_connection.html", connection=cards[wanted])


def linked(request: Request) -> Response:
    """Show the progress of a first sync."""
    state = request.query_params.get("state", "running")
    view = ProgressView("heron", "First Heron Bank", state, "Reading transactions", 2, 640,
                        "The bank closed the line.", data.all_rows()[-1].date)  # fmt: skip
    return render(
        request, page="connections/linked.html", fragment="connections/_progress.html", view=view
    )


def overview(request: Request) -> Response:
    """Show the overview, or that of a household that has just begun."""
    view = overview_view(new="new" in request.query_params)
    return render(
        request, page="dashboard/overview.html", fragment="dashboard/_overview.html", view=view
    )


def accounts(request: Request) -> Response:
    """Show accounts, or none."""
    view = data.accounts_view(empty="empty" in request.query_params)
    return render(request, page="accounts/list.html", fragment="accounts/_groups.html", view=view)


def account(request: Request) -> Response:
    """Show an account that ties out, one that does not, or one that cannot."""
    view = account_page(request.path_params["id"])
    return render(request, page="tieout/account.html", fragment="tieout/_account.html", view=view)


def transactions(request: Request) -> Response:
    """Show the list, answer a filter with the table and a cursor with rows."""
    values = {name: request.query_params.get(name, "") for name in _FILTER_NAMES}
    used = {name: value for name, value in values.items() if value}
    url = "/transactions" + (f"?{urlencode(used)}" if used else "")
    chips = tuple(
        Chip(f"{name.replace('_', ' ')}: {value}", f"/transactions?{urlencode(rest)}")
        for name, value in used.items()
        for rest in [{other: text for other, text in used.items() if other != name}]
    )
    after = int(request.query_params.get("after", "0"))
    view = data.transactions_view(FilterForm(**values, errors={}), chips, after, url)
    if after and is_fragment_request(request):
        return render(request, page="transactions/_rows.html", rows=view.rows)
    return render(
        request, page="transactions/list.html", fragment="transactions/_table.html", view=view
    )


def transaction(request: Request) -> Response:
    """Show the drawer, and say that it was saved after a POST."""
    view = data.detail(request.path_params["id"], saved=request.method == "POST")
    if view is None:
        return render_problem(request, status=404, message="There is no such transaction.")
    return render(
        request, page="transactions/detail.html", fragment="transactions/_drawer.html", view=view
    )


def imports(request: Request) -> Response:
    """Show the start of an import; a POST goes on to the preview."""
    if request.method == "POST":
        return RedirectResponse("/imports/preview", status_code=303)
    return render(request, page="imports/start.html", view=data.start_view())


def import_preview(request: Request) -> Response:
    """Show the preview of a file."""
    view = data.preview_view()
    return render(request, page="imports/preview.html", fragment="imports/_preview.html", view=view)


def import_result(request: Request) -> Response:
    """Show the result of an import."""
    return render(request, page="imports/result.html", view=data.result_view())


def problem(request: Request) -> Response:
    """Show an error page."""
    status = int(request.path_params["status"])
    return render_problem(
        request,
        status=status,
        message="The page you asked for is not here, or not yours to see.",
        retry_after_seconds=30 if status in (429, 503) else None,
        reference="0198c3f2",
    )


async def events(_request: Request) -> Response:
    """Send an invented event now and then, until the reader leaves."""

    async def stream() -> AsyncIterator[str]:
        yield "retry: 3000\n\n"
        while True:
            await asyncio.sleep(EVENT_SECONDS)
            for event in ({"name": "transactions"}, {"name": "sync", "id": "tern"}):
                yield f"data: {json.dumps(event)}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


def back(request: Request) -> Response:
    """Take any other form and go back."""
    # nosemgrep: redirect-to-another-server - for developers; the browser names the page it is on
    return RedirectResponse(request.headers.get("referer", "/"), status_code=303)


def create_app(*, reload: bool = False) -> Starlette:
    """Return the preview; with `reload` templates and styles are read anew for each page."""
    both = ["GET", "POST"]
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/components", components),
            Route("/sign-in", sign_in, methods=both),
            Route("/register", register, methods=both),
            Route("/welcome", welcome),
            Route("/sign-in/code", code, methods=both),
            Route("/confirm", confirm, methods=both),
            Route("/settings", settings),
            Route("/reset-password", reset, methods=both),
            Route("/notices", notices),
            Route("/settings/passkeys", passkeys),
            Route("/settings/oidc/link", provider, methods=both),
            Route("/settings/tokens", tokens),
            Route("/settings/tokens/new", new_token, methods=both),
            Route("/settings/two-step/{state}", two_step),
            Route("/household", household),
            Route("/settings/privacy", privacy),
            Route("/settings/audit", trail),
            Route("/join", join),
            Route("/join/register", join, methods=["POST"]),
            Route("/connections", connections),
            Route("/connections/{id}", connection),
            Route("/connections/{id}/progress", linked),
            Route("/connections/{id}/sync", connection, methods=["POST"]),
            Route("/overview", overview),
            Route("/accounts", accounts),
            Route("/accounts/{id}", account),
            Route("/transactions", transactions),
            Route("/transactions/{id}", transaction, methods=both),
            Route("/imports", imports, methods=both),
            Route("/imports/preview", import_preview),
            Route("/imports/1/layout", import_preview, methods=["POST"]),
            Route("/imports/{id}", import_result),
            Route("/problems/{status:int}", problem),
            Route("/events", events),
            Route("/{rest:path}", back, methods=["POST"]),
            Mount(MOUNT_PATH, static_assets),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=add_shell)],
    )
    app.state.reload = reload
    environment.auto_reload = reload
    return app


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PORT
    uvicorn.run(create_app(reload=True), host="127.0.0.1", port=port, log_level="warning")
