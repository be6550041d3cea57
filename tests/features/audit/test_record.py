"""P1: a change and its audit row stand or fall together, and nobody rewrites the trail."""

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import ProgrammingError

from app.core import database
from app.features.audit import service
from app.features.audit.service import Actor
from app.models import AuditEvent
from tests.cast import SignedInBrowser


def names(who: SignedInBrowser) -> list[str]:
    with who.session() as session:
        return [event.action for event in service.list_events(session, who.household_id)]


def test_P1_a_change_that_rolls_back_leaves_no_row(ada: SignedInBrowser) -> None:
    before = names(ada)

    with ada.session() as session:
        service.record(session, ada.household_id, "test.changed")
        session.rollback()

    assert names(ada) == before


def test_P1_an_event_says_who_did_what_to_what(ada: SignedInBrowser) -> None:
    actor = Actor(ada.user_id, ada.session_id, "203.0.113.1")
    with ada.session() as session:
        service.record(
            session,
            ada.household_id,
            "item.unlinked",
            actor=actor,
            object_id=ada.user_id,
            details={"state": {"before": "good", "after": "gone"}},
        )
        [event] = service.list_events(session, ada.household_id, action="item.unlinked")

    assert (event.actor, event.object_id) == (actor, str(ada.user_id))
    assert event.details == {"state": {"before": "good", "after": "gone"}}


def test_a_household_sees_and_writes_its_own_trail_alone(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    with ada.session() as session:
        service.record(session, ada.household_id, "test.secret")

    assert "test.secret" not in names(cleo)
    with cleo.session() as session:
        assert service.list_events(session, ada.household_id) == []
    with pytest.raises(ProgrammingError, match="row-level security"), cleo.session() as session:
        service.record(session, ada.household_id, "test.forged")


def test_no_role_of_the_application_changes_the_trail(ada: SignedInBrowser) -> None:
    for transaction in (ada.session(), database.system_transaction()):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction as session:
            session.execute(update(AuditEvent).values(action="x"))


def test_a_tenant_deletes_nothing_of_the_trail_and_the_system_nothing_of_this_year(
    ada: SignedInBrowser,
) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), ada.session() as session:
        session.execute(delete(AuditEvent))

    before = names(ada)
    with database.system_transaction() as session:
        session.execute(delete(AuditEvent))
    assert names(ada) == before != []
