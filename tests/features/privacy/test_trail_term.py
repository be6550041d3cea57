"""P7: an audit trail may have a term, and what is left of it is as proven as before."""

import datetime as dt
from uuid import UUID

import pytest
from pydantic import ValidationError

from app.core import clock, database
from app.core.config import Settings, settings
from app.core.ids import uuid7
from app.features.audit import repository
from app.features.audit import service as audit
from app.features.privacy.service import retention
from app.features.proof import service as proof
from tests.cast import SignedInBrowser
from tests.features.connections.bank import query
from tests.features.proof.ledgers import break_it


def test_P7_an_old_trail_is_shortened_and_the_rest_stays_proven(
    ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = settings.model_copy(update={"AUDIT_RETENTION_DAYS": 400})
    monkeypatch.setattr(retention, "settings", changed)
    write_of(ada, 500, "test.old", "item.linked")
    write_of(ada, 380, "test.young")

    assert retention.run()["audit_events"] >= 1
    assert retention.run()["audit_events"] == 0

    left = actions(ada)
    assert "test.old" not in left
    assert {"item.linked", "test.young", "audit.shortened"} <= left
    assert broken(ada) == []

    break_it(ada.household_id, "DELETE FROM audit_events WHERE action = 'test.young'")
    [words] = broken(ada)
    assert words.endswith("was deleted")


def test_P7_without_a_term_the_trail_stays(ada: SignedInBrowser) -> None:
    write_of(ada, 5_000, "test.old")

    assert "audit_events" not in retention.run()
    assert "test.old" in actions(ada)


def test_P7_the_database_keeps_the_last_year_of_the_trail(ada: SignedInBrowser) -> None:
    write_of(ada, 360, "test.young")

    with database.system_transaction() as session:
        audit.shorten(session, clock.now(), (), 5_000)

    assert "test.young" in actions(ada)
    assert "audit.shortened" not in actions(ada)


def test_P7_a_trail_that_was_brought_here_late_has_its_term_from_then_on(
    ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import links old events on the day it runs, as the migration did that made the chains."""
    changed = settings.model_copy(update={"AUDIT_RETENTION_DAYS": 400})
    monkeypatch.setattr(retention, "settings", changed)
    write_of(ada, 900, "test.imported", linked_days=30)

    retention.run()

    assert "test.imported" in actions(ada)
    assert "audit.shortened" not in actions(ada)


def test_P7_a_term_of_less_than_a_year_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be at least 366"):
        Settings(AUDIT_RETENTION_DAYS=365)


def write_of(who: SignedInBrowser, days: int, *names: str, linked_days: int | None = None) -> None:
    """Write events as they were written so many days ago, and linked then or after so many."""
    for name in names:
        at = clock.now() - dt.timedelta(days=days)
        with who.session() as session:
            event_id = UUID(int=int(at.timestamp() * 1000) << 80 | uuid7().int & (1 << 80) - 1)
            values = {"id": event_id, "at": at, "action": name, "details": {}}
            repository.insert_event(session, who.household_id, values)
        break_it(
            who.household_id,
            "UPDATE audit_links SET linked_at = :at WHERE event_id = :id",
            at=at if linked_days is None else clock.now() - dt.timedelta(days=linked_days),
            id=event_id,
        )


def actions(who: SignedInBrowser) -> set[str]:
    return {row[0] for row in query(who.household_id, "SELECT action FROM audit_events")}


def broken(who: SignedInBrowser) -> list[str]:
    found = [each for each in proof.verify(who.household_id) if each.invariant == "audit"]
    return [words for each in found for words in each.examples]
