"""Webhooks: verified, kept, and taken for hints; what they claim is read from the provider."""

import hashlib
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core import events, jobs
from app.core.database import household_transaction, system_transaction
from app.core.ids import uuid7
from app.features.connections import repository, system
from app.features.connections.service import health, link
from app.features.journal import service as journal
from app.providers import registry
from app.providers.base import WebhookHint

log = structlog.get_logger(__name__)
FINISH_LINK_TASK = "connections.finish_link"

_SYNC = {
    ("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE"),
    ("TRANSACTIONS", "INITIAL_UPDATE"),
    ("TRANSACTIONS", "HISTORICAL_UPDATE"),
    ("TRANSACTIONS", "DEFAULT_UPDATE"),
    ("TRANSACTIONS", "TRANSACTIONS_REMOVED"),
    ("INVESTMENTS_TRANSACTIONS", "DEFAULT_UPDATE"),
    ("INVESTMENTS_TRANSACTIONS", "HISTORICAL_UPDATE"),
    ("HOLDINGS", "DEFAULT_UPDATE"),
}
_EXPIRING = {("ITEM", "PENDING_DISCONNECT"), ("ITEM", "PENDING_EXPIRATION")}
_REVOKED = {("ITEM", "USER_PERMISSION_REVOKED")}
_LINK = {("LINK", "SESSION_FINISHED"), ("LINK", "ITEM_ADD_RESULT")}

_EXPIRING_MESSAGE = "Your bank's permission ends soon. Renew it before then to stay up to date."
_NEW_ACCOUNTS_MESSAGE = "Your bank has accounts that you have not shared yet."


def receive(provider: str, body: bytes, signature: str, hint: WebhookHint) -> str:
    """Keep a verified webhook and act on it; return `done`, `repeated` or `unknown_item`.

    Safe to repeat. Calls no provider, so that the answer leaves at once.
    """
    with system_transaction() as session:
        owner = _owner(session, provider, hint)
        is_new = system.insert_webhook(
            session,
            {
                "id": uuid7(),
                "provider": provider,
                "signature_hash": hashlib.sha256(signature.encode()).digest(),
                "webhook_type": hint.webhook_type[:100],
                "webhook_code": hint.webhook_code[:100],
                "item_source_id": hint.item_source_id,
                "household_id": owner[0] if owner else None,
            },
        )
    if owner is None:
        return "unknown_item"
    if not is_new:
        return "repeated"
    household_id, thing_id = owner
    with household_transaction(household_id) as session:
        is_link = (hint.webhook_type, hint.webhook_code) in _LINK
        journal.write(
            session,
            household_id,
            kind=f"{provider}.webhook",
            payload=body,
            item_id=None if is_link else thing_id,
        )
        if is_link:
            jobs.enqueue(session, FINISH_LINK_TASK, str(household_id), str(thing_id))
        else:
            _act(session, household_id, thing_id, provider, hint)
    return "done"


def _owner(session: Session, provider: str, hint: WebhookHint) -> tuple[UUID, UUID] | None:
    """Return the household, and its Item or link session, that a webhook is about."""
    row = None
    if hint.item_source_id is not None:
        row = system.find_item(session, provider, hint.item_source_id)
    elif hint.link_token is not None:
        row = system.find_link_session(session, hint.link_token)
    return (row[0], row[1]) if row is not None else None


def _act(
    session: Session, household_id: UUID, item_id: UUID, provider: str, hint: WebhookHint
) -> None:
    code = (hint.webhook_type, hint.webhook_code)
    values: dict[str, object] = {}
    if code in _SYNC:
        link.want_sync(session, household_id, item_id, "webhook")
    elif code == ("ITEM", "LOGIN_REPAIRED"):
        link.mark_repaired(session, household_id, item_id)
    elif code == ("ITEM", "ERROR") and hint.error_code:
        values = health.of_error_code(registry.get(provider), hint.error_code)
    elif code in _REVOKED:
        values = health.of_error_code(registry.get(provider), "USER_PERMISSION_REVOKED")
    elif code in _EXPIRING:
        values = {"state": "expiring", "error_code": hint.webhook_code}
        values |= {"error_message": _EXPIRING_MESSAGE}
        values |= {"consent_expires_at": hint.expires_at} if hint.expires_at else {}
    elif code == ("ITEM", "NEW_ACCOUNTS_AVAILABLE"):
        values = {"error_code": hint.webhook_code, "error_message": _NEW_ACCOUNTS_MESSAGE}
    if values:
        repository.update_item(session, household_id, item_id, values)
        log.info("item_state_hinted", item_id=str(item_id), code=hint.webhook_code)
        jobs.tell_after_commit(
            session,
            lambda: events.publish(household_id, "item_changed", item_id=str(item_id)),
        )
