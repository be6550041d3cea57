"""Every route of the application, so that tests cover those which do not exist yet."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

FOR_STRANGERS = {
    ("GET", "/confirm-address"),
    ("GET", "/docs"),
    ("GET", "/health"),
    ("GET", "/health/ready"),
    ("GET", "/join"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/redoc"),
    ("GET", "/register"),
    ("GET", "/reset-password"),
    ("GET", "/sign-in"),
    ("GET", "/sign-in/oidc"),
    ("GET", "/sign-in/oidc/callback"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/register"),
    ("POST", "/api/v1/invitations/register"),
    ("POST", "/confirm-address"),
    ("POST", "/join/register"),
    ("POST", "/register"),
    ("POST", "/reset-password"),
    ("POST", "/sign-in"),
    ("POST", "/sign-in/code"),
    ("POST", "/sign-in/code/passkey"),
    ("POST", "/sign-in/code/passkey/begin"),
    ("POST", "/sign-in/passkey"),
    ("POST", "/sign-in/passkey/begin"),
    ("POST", "/webhooks/plaid"),
}
"""Routes that need no signing in; a new one has to be entered here on purpose."""

NO_CSRF_TOKEN = {
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/register"),
    ("POST", "/webhooks/plaid"),
}
"""Unsafe routes whose body proves itself and that never look at a cookie."""

PROVEN = {
    ("DELETE", "/api/v1/connections/{item_id}"),
    ("DELETE", "/api/v1/me"),
    ("GET", "/connections/simplefin"),
    ("GET", "/settings/tokens/new"),
    ("POST", "/api/v1/auth/tokens"),
    ("POST", "/api/v1/household/erase"),
    ("POST", "/api/v1/household/export"),
    ("POST", "/api/v1/invitations"),
    ("POST", "/api/v1/members/{user_id}/transfer"),
    ("POST", "/api/v1/plaid/exchange-token"),
    ("POST", "/api/v1/plaid/link-token"),
    ("POST", "/api/v1/simplefin/claim-token"),
    ("POST", "/api/v1/transactions/export"),
    ("GET", "/connections/simplefin"),
    ("POST", "/connections/link"),
    ("POST", "/connections/simplefin"),
    ("POST", "/connections/{item_id}/unlink"),
    ("POST", "/household/invitations"),
    ("POST", "/household/members/{user_id}/accounts"),
    ("POST", "/household/members/{user_id}/role"),
    ("POST", "/household/members/{user_id}/transfer"),
    ("POST", "/settings/oidc/link"),
    ("POST", "/settings/oidc/unlink"),
    ("POST", "/settings/passkeys"),
    ("POST", "/settings/passkeys/begin"),
    ("POST", "/settings/passkeys/remove"),
    ("POST", "/settings/privacy/delete-login"),
    ("POST", "/settings/privacy/erase"),
    ("POST", "/settings/privacy/export"),
    ("POST", "/settings/tokens/new"),
    ("POST", "/transactions/export"),
    ("PUT", "/api/v1/members/{user_id}"),
    ("PUT", "/api/v1/members/{user_id}/accounts"),
}
"""Routes that want a recent sign-in (A8): export, deletion, banks, factors, tokens, who
belongs to the household."""

NOBODY = "00000000-0000-7000-8000-000000000000"
"""An id that nothing has."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one route."""

    method: str
    path: str
    """The template: `/accounts/{account_id}`."""
    parameters: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Method and template."""
        return (self.method, self.path)

    @property
    def is_api(self) -> bool:
        """Whether programs use it."""
        return self.path.startswith("/api/")

    def url(self, **ids: str) -> str:
        """Return the path with ids filled in; nobody's id where none is given."""
        return self.path.format(**{name: ids.get(name, NOBODY) for name in self.parameters})

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def every_route(app: FastAPI) -> list[Route]:
    """Return every method of every route but the static files."""
    found = []
    for context in iter_route_contexts(app.routes):
        if context.methods is None:
            continue
        assert context.path is not None
        convertors = getattr(context, "param_convertors", {})
        template = context.path
        for name in convertors:
            # `{name:path}` and its like
            start = template.index("{" + name)
            end = template.index("}", start)
            template = template[:start] + "{" + name + template[end:]
        found += [Route(method, template, tuple(convertors)) for method in sorted(context.methods)]
    assert len(found) > 15
    return found


def queries(app: FastAPI) -> dict[tuple[str, str], list[str]]:
    """Return the names that each route takes in its query, by method and template."""
    found = {}
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute) and context.path is not None:
            names = sorted(set(_query_names(context.original_route.dependant)))
            found |= {(method, context.path): names for method in context.methods or ()}
    return found


def _query_names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        model = field.field_info.annotation
        fields = getattr(model, "model_fields", None)
        yield from fields or [field.alias]
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def module_of(app: FastAPI, route: Route) -> str:
    """Return the module that answers a route."""
    return next(
        context.endpoint.__module__
        for context in iter_route_contexts(app.routes)
        if context.path == route.path and route.method in (context.methods or ())
    )


def unsafe_routes(app: FastAPI) -> list[Route]:
    """Return the routes that change something."""
    return [route for route in every_route(app) if route.method not in SAFE_METHODS]
