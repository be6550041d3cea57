"""/webhooks/plaid: verified hints from the provider."""

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import Counter
from starlette.concurrency import run_in_threadpool

from app.core import metrics
from app.core.errors import UnauthorizedError, UnavailableError
from app.features.connections.service import hints
from app.providers import registry
from app.providers.base import ProviderError, WebhookRefusedError

router = APIRouter(tags=["webhooks"])
log = structlog.get_logger(__name__)

WEBHOOKS = Counter(
    "fta_webhooks_total", "Webhooks received.", ["provider", "outcome"], registry=metrics.registry
)


@router.post("/webhooks/plaid", include_in_schema=False)
async def receive_plaid_webhook(request: Request) -> Response:
    """Keep a webhook that Plaid signed; answer 200 once it is stored, 401 if it is not Plaid's."""
    body = await request.body()
    signature = request.headers.get("plaid-verification", "")
    outcome = await run_in_threadpool(_receive, body, signature)
    return Response(outcome, media_type="text/plain")


def _receive(body: bytes, signature: str) -> str:
    if "plaid" not in registry.names():
        raise UnavailableError("This installation has no bank data provider set up.")
    provider = registry.get("plaid")
    try:
        hint = provider.verify_webhook(body, signature)
    except WebhookRefusedError as error:
        WEBHOOKS.labels("plaid", "forged").inc()
        log.warning("webhook_refused", reason=str(error))
        raise UnauthorizedError("The webhook is not signed by Plaid.") from error
    except ProviderError as error:
        raise UnavailableError("The webhook cannot be verified now; send it again.") from error
    outcome = hints.receive("plaid", body, signature, hint)
    WEBHOOKS.labels("plaid", outcome).inc()
    return outcome
