"""The web application: `uvicorn app.main:app`."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.responses import Response

from app.core import at_once, csrf, database, metrics, replica, reporting, tracing, web
from app.core.config import settings
from app.core.errors import AppError
from app.core.logging import configure_logging
from app.core.problems import RESPONSES, Problems, describe
from app.features.accounts import api as accounts_api
from app.features.accounts import pages as accounts_pages
from app.features.connections import api as connections_api
from app.features.connections import pages as connections_pages
from app.features.connections import providers, webhooks
from app.features.dashboard import pages as dashboard_pages
from app.features.history import api as history_api
from app.features.history import pages as history_pages
from app.features.households import api as households_api
from app.features.households import pages as households_pages
from app.features.imports import api as imports_api
from app.features.imports import pages as imports_pages
from app.features.live import pages as live_pages
from app.features.live.shutdown import streams_end_with_the_server
from app.features.matching import api as matching_api
from app.features.matching import pages as matching_pages
from app.features.operations import api as operations_api
from app.features.operations import operator_pages
from app.features.operations import pages as operations_pages
from app.features.privacy import api as privacy_api
from app.features.privacy import consent_pages, trail_pages
from app.features.privacy import pages as privacy_pages
from app.features.tieout import api as tieout_api
from app.features.tieout import pages as tieout_pages
from app.features.transactions import api as transactions_api
from app.features.transactions import pages as transactions_pages
from app.features.users import (
    address_pages,
    confirm_pages,
    notices_api,
    notices_pages,
    oidc_pages,
    passkey_pages,
    reset_pages,
    tokens_api,
    tokens_pages,
    two_step_pages,
)
from app.features.users import api as users_api
from app.features.users import pages as users_pages
from app.features.users.current import find_current_user
from app.ui import assets, templating

_NEW_OBJECTS = 10_000
"""How many are made before garbage is looked for among them: about those of a page."""
ROUTERS = [
    # Routers are asked in this order whether a path is theirs: the most used first.
    transactions_api.router,
    transactions_pages.router,
    operations_api.router,
    operator_pages.router,
    users_api.router,
    users_pages.router,
    two_step_pages.router,
    passkey_pages.router,
    oidc_pages.router,
    confirm_pages.router,
    households_api.router,
    households_pages.router,
    tokens_api.router,
    tokens_pages.router,
    reset_pages.router,
    address_pages.router,
    notices_api.router,
    notices_pages.router,
    dashboard_pages.router,
    accounts_api.router,
    accounts_pages.router,
    tieout_api.router,
    tieout_pages.router,
    connections_api.router,
    connections_pages.router,
    webhooks.router,
    imports_api.router,
    imports_pages.router,
    matching_api.router,
    matching_pages.router,
    history_api.router,
    history_pages.router,
    privacy_api.router,
    privacy_pages.router,
    consent_pages.router,
    trail_pages.api,
    trail_pages.router,
    live_pages.router,
]
"""Every feature's routes; a router carries its whole prefix itself."""


class Application(FastAPI):
    """FastAPI, with a description of the API that says how problems are told."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return describe(super().openapi())


def create_app() -> FastAPI:
    """Return the web application, with every route and every guard."""
    configure_logging()
    database.limit_to_requests()
    reporting.configure("web")
    tracing.configure("web")
    providers.configure()
    problems = Problems(_render_page, find_current_user)
    app = Application(
        title="Financial Transaction Aggregator",
        version="0.1.0",
        description="Every account, every transaction, every number proven.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.DOCS_ENABLED else None,
        dependencies=[Depends(csrf.check_csrf)],
        responses=RESPONSES,
        generate_unique_id_function=_operation_id,
        lifespan=_lifespan,
        # The outermost first.
        middleware=[
            Middleware(web.ForwardedHeaders),
            Middleware(web.SecurityHeaders),
            Middleware(web.RequestEdge, render_error=problems.respond_unexpected),
            Middleware(web.TrustedHosts, refuse=problems.respond),
            Middleware(web.BodyLimit, refuse=problems.respond),
        ],
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    if settings.DOCS_ENABLED:
        app.include_router(operations_pages.router)
    app.mount(assets.MOUNT_PATH, assets.static_assets)
    return app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    # As many threads as connections: with more, all threads can wait for connections that
    # only a further thread could give back.
    threads = max(1, settings.DATABASE_POOL_SIZE - at_once.CONNECTIONS_MAX)
    anyio.to_thread.current_default_thread_limiter().total_tokens = threads
    metrics.database_connections.labels("max").set(threads)
    _spare_what_stays()
    async with at_once.connections_kept(), streams_end_with_the_server():
        yield
    database.engine.dispose()
    replica.dispose()


def _spare_what_stays() -> None:
    """Keep the search for garbage from what the program loaded, which stays as long as it runs.

    To look through all of it took a tenth of the processor's time, and one request in a hundred
    waited for it.
    """
    if not gc.get_freeze_count():  # once a process, however many applications it starts
        gc.collect()
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS)


def _render_page(request: Request, error: AppError, request_id: str) -> Response:
    return templating.render_problem(
        request,
        status=error.status,
        message=error.message,
        retry_after_seconds=error.retry_after_seconds,
        reference=request_id,
    )


def _operation_id(route: APIRoute) -> str:
    return route.name


app = create_app()
