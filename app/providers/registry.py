"""Which providers this installation offers."""

from app.core.outbound import Allowance
from app.providers.base import Page, Provider
from app.providers.plaid import pages as plaid_pages
from app.providers.plaid.client import PlaidSettings
from app.providers.plaid.provider import PlaidProvider
from app.providers.simplefin import pages as simplefin_pages
from app.providers.simplefin.provider import SimpleFINProvider

_providers: dict[str, Provider] = {}
_decoders = {"plaid": plaid_pages.decode_page, "simplefin": simplefin_pages.decode_page}
"""Pure, so that the journal can be read without keys, and of providers left long ago."""


def configure(plaid: PlaidSettings | None, outbound: Allowance | None = None) -> None:
    """Make the providers, once at start; what came before is forgotten.

    SimpleFIN needs nothing of the operator, only to know what may be reached besides the internet.
    """
    _providers.clear()
    _providers["simplefin"] = SimpleFINProvider(outbound or Allowance())
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


def decode_page(kind: str, payload: bytes, from_cursor: str | None) -> Page:
    """Say again what a journaled page of any provider means; pure.

    Raises:
        LookupError: No provider of ours ever sent this kind of page.
        ProviderError: The page is not what it should be.
    """
    decode = _decoders.get(kind.partition(".")[0])
    if decode is None:
        raise LookupError(f"no provider sends pages of the kind {kind!r}")
    return decode(kind, payload, from_cursor)
