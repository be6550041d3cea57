"""How an Item is: from what the provider says to a state, plain words and the next attempt."""

import datetime as dt
import random

from app.core import clock
from app.providers.base import (
    ConsentRequiredError,
    ItemGoneError,
    ItemRecord,
    Provider,
    ProviderError,
    ProviderUnavailableError,
    ReauthRequiredError,
)

EXPIRING = dt.timedelta(days=7)
"""How long before consent ends we ask for it to be renewed."""
BACKOFF_BASE_SECONDS = 30
BACKOFF_MAX_SECONDS = 3600
FAILURES_MAX = 6
"""Temporary failures after which the Item waits for its regular turn."""


def state_of(error: ProviderError) -> str:
    """Return the state that an error puts an Item into."""
    match error:
        case ReauthRequiredError() | ConsentRequiredError():
            return "needs_user"
        case ItemGoneError():
            return "dead"
        case _:
            return "good"


def of_error(error: ProviderError, *, failures: int, now: dt.datetime) -> dict[str, object]:
    """Return the columns of an Item after a failed sync.

    What only the user can mend is not tried again by itself. The rest is, ever more rarely;
    after FAILURES_MAX times `next_sync_at` is left to the caller's regular interval.
    """
    values: dict[str, object] = {"error_code": error.code, "error_message": error.message}
    state = state_of(error)
    if state != "good":
        return values | {"state": state, "next_sync_at": None}
    values["failures"] = failures + 1
    if isinstance(error, ProviderUnavailableError) and failures < FAILURES_MAX:
        least = error.retry_after_seconds or 0.0
        ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_BASE_SECONDS * 2**failures)
        seconds = least + random.uniform(0, ceiling)  # noqa: S311  # jitter, no secret
        values["next_sync_at"] = now + dt.timedelta(seconds=seconds)
    return values


def of_item_record(provider: Provider, record: ItemRecord | None) -> dict[str, object]:
    """Return the columns of an Item after a sync that went through.

    A sync can go through on data that the provider has already while the institution asks for
    the user: then the Item is not well, and says so.
    """
    values: dict[str, object] = {"state": "good", "error_code": None, "error_message": None}
    if record is None:
        return values
    values["institution_seen_at"] = record.last_successful_update
    values["consent_expires_at"] = record.consent_expires_at
    if record.institution_name:
        values["institution_name"] = record.institution_name
    expires = record.consent_expires_at
    if expires is not None and expires < clock.now() + EXPIRING:
        values["state"] = "expiring"
    if record.error_code:
        values |= of_error_code(provider, record.error_code)
        values["error_message"] = record.error_message or values["error_message"]
        if record.reads_on:
            values.pop("next_sync_at", None)
    return values


def of_error_code(provider: Provider, error_code: str) -> dict[str, object]:
    """Return the columns of an Item for an error code that came without a failed call."""
    error = provider.explain_error(error_code)
    values: dict[str, object] = {"error_code": error_code, "error_message": error.message}
    state = state_of(error)
    if state != "good":
        values |= {"state": state, "next_sync_at": None}
    return values
