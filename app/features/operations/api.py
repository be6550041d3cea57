"""/health and /metrics."""

import hmac
from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from starlette.responses import JSONResponse

from app.core import metrics, web
from app.core.config import settings
from app.core.errors import ForbiddenError, UnauthorizedError
from app.features.connections.service import statistics
from app.features.operations import backups, certificate, queues, service

router = APIRouter(tags=["operations"])
# Once in a web process; workers have no metrics of their own.
metrics.registry.register(statistics.SyncCollector())
metrics.registry.register(backups.BackupCollector())
metrics.registry.register(certificate.CertificateCollector())
metrics.registry.register(queues.QueueCollector())


class Parts(BaseModel):
    """Each part is `ok` or `down`."""

    database: str
    migrations: str
    broker: str


class HealthAnswer(BaseModel):
    """`ok`, or `degraded` with the part that is down."""

    status: str
    parts: Parts


class AliveAnswer(BaseModel):
    """The process runs and answers."""

    status: str = "ok"


@router.get("/health", responses={503: {"model": HealthAnswer}})
def read_health(live: Annotated[str | None, Query(max_length=10)] = None) -> JSONResponse:
    """Tell whether this server can do its work.

    One address serves a balancer's readiness and an orchestrator's liveness probe, as the
    founding deployment files use it: 503 while the database cannot be reached or lacks our
    migrations, since no request could be answered. It costs one look a second however often it
    is asked. A broker that is down degrades only what runs in the background, and what is due
    stands in PostgreSQL: the answer says `degraded` with 200, so that no orchestrator restarts
    web servers that serve people well. Restarting does not mend a database either; where the
    probes can be told apart, let liveness ask `/health?live=1`, which looks at nothing else.
    """
    if live is not None:
        return JSONResponse(AliveAnswer().model_dump())
    return _answer()


@router.get("/health/ready", responses={503: {"model": HealthAnswer}})
def read_readiness() -> JSONResponse:
    """Tell whether requests can be served: as `/health`."""
    return _answer()


@router.get("/metrics", include_in_schema=False)
def read_metrics(request: Request) -> Response:
    """Give Prometheus the metrics of this process.

    Raises:
        UnauthorizedError: METRICS_TOKEN is set and was not sent.
        ForbiddenError: No token is set and the request is not from this machine.
    """
    token = settings.METRICS_TOKEN.get_secret_value()
    if token:
        sent = request.headers.get("authorization", "")
        if not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
            raise UnauthorizedError("Send METRICS_TOKEN as a bearer token.")
    elif not _is_loopback(web.client_address(request.scope)):
        raise ForbiddenError("Set METRICS_TOKEN to read the metrics from another machine.")
    return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _answer() -> JSONResponse:
    health = service.check_health()
    parts = Parts(database=health.database, migrations=health.migrations, broker=health.broker)
    answer = HealthAnswer(status=health.status, parts=parts)
    headers = {} if health.is_ready else {"Retry-After": "5"}
    return JSONResponse(answer.model_dump(), 200 if health.is_ready else 503, headers=headers)


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ip_address(address).is_loopback
    except ValueError:
        return False
