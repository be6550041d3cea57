"""Sets up the providers from the settings; the web, the workers and commands call it once."""

from app.core.config import settings
from app.core.outbound import Allowance
from app.providers import registry
from app.providers.plaid.client import PlaidSettings

SIMULATOR_KEYS = ("simulator", "simulator")
"""The bank simulator takes any keys; it is used when the operator has set none of Plaid's."""


def configure() -> None:
    """Offer SimpleFIN, and Plaid or the bank simulator in its place.

    The simulator stands in when its address is set without keys.
    """
    outbound = Allowance(settings.outbound_hosts, settings.outbound_networks)
    client_id, secret = settings.PLAID_CLIENT_ID, settings.PLAID_SECRET.get_secret_value()
    if not client_id and settings.PLAID_BASE_URL:
        client_id, secret = SIMULATOR_KEYS
    if not client_id or not secret:
        registry.configure(None, outbound)
        return
    registry.configure(
        PlaidSettings(
            client_id=client_id,
            secret=secret,
            base_url=settings.plaid_url,
            environment=settings.PLAID_ENV,
            pool_size=settings.DATABASE_POOL_SIZE,
        ),
        outbound,
    )
