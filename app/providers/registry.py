"""Which providers this installation offers."""

from app.providers.base import Provider
from app.providers.plaid.client import PlaidSettings
from app.providers.plaid.provider import PlaidProvider

_providers: dict[str, Provider] = {}


def configure(plaid: PlaidSettings | None) -> None:
    """Make the providers, once at start; what came before is forgotten."""
    _providers.clear()
    if plaid is not None:
        _providers["plaid"] = PlaidProvider(plaid)


def get(name: str) -> Provider:
    """Return the provider of that name.

    Raises:
        LookupError: This installation has no such provider.
    """
    try:
        return _providers[name]
    except KeyError:
        raise LookupError(f"the provider {name!r} is not configured") from None


def names() -> tuple[str, ...]:
    """Return the names of the configured providers."""
    return tuple(_providers)
