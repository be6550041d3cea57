"""P6: what begins or ends while a household is erased leaves no access at a bank, and no login."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from app.core.encryption import SealError
from app.core.errors import NotFoundError
from app.features.connections.service import link, schedule
from app.features.households.service import invitations
from app.features.privacy.service import erasing
from app.features.users.sessions import Client
from app.features.vault import service as vault
from app.models import LinkSession
from app.providers.base import Exchange, ProviderUnavailableError
from tests.cast import Clock, SignedInBrowser
from tests.factories import people
from tests.features.connections.bank import Bank, linked, open_bank, query, store_item
from tests.features.privacy.test_erasing import due_now, run_to_the_end, traces

SECRET = "access-of-a-late-item"


@pytest.fixture
def bank(ada: SignedInBrowser) -> Iterator[Bank]:
    """A bank that Ada has linked, and that exchanges any token for `SECRET`."""
    bank = open_bank()
    bank.ended = []
    bank.remove_item = bank.ended.append

    def exchange(_token: str) -> Exchange:
        bank._call("exchange")
        return Exchange(SECRET, "late-item")

    bank.exchange = exchange
    with linked(ada.household_id, bank):
        yield bank


def open_flow(who: SignedInBrowser) -> LinkSession:
    with who.session() as session:
        return link.open_session(session, who.household_id, who.user_id)


def state_of(flow: LinkSession) -> str:
    [(state,)] = query(
        flow.household_id, "SELECT state FROM link_sessions WHERE id = :id", id=flow.id
    )
    return state


def test_P6_a_flow_at_a_bank_is_over_when_the_household_is_closed(
    ada: SignedInBrowser, bank: Bank
) -> None:
    flow = open_flow(ada)
    erasing.begin(ada.household_id, "owner")

    assert link.finish_link(ada.household_id, flow.id).state == "abandoned"
    link.exchange(ada.household_id, flow, ("public-1",))

    assert "exchange" not in bank.calls
    run_to_the_end(ada.household_id)
    assert bank.ended == ["access-1"]


def test_P6_a_flow_that_a_request_of_before_opens_is_over_too(
    ada: SignedInBrowser, bank: Bank
) -> None:
    bank.errors["remove"] = ProviderUnavailableError("DOWN", "The bank is closed today.")
    bank.remove_item = lambda _token: bank._call("remove")
    erasing.begin(ada.household_id, "owner")
    flow = open_flow(ada)

    assert erasing.run(ada.household_id) == "waits"

    assert state_of(flow) == "abandoned"


def test_P6_nobody_comes_in_by_an_invitation_of_before(ada: SignedInBrowser, bank: Bank) -> None:
    token = people.invitation(ada.household_id, ada.user_id).token
    erasing.begin(ada.household_id, "owner")

    with pytest.raises(NotFoundError, match="not valid any more"):
        invitations.register(
            token, "eve@example.org", people.PASSWORD, "Eve", Client("203.0.113.9", None)
        )


def test_P6_an_exchange_that_is_under_way_is_waited_for_and_not_for_ever(
    ada: SignedInBrowser, bank: Bank, clock: Clock
) -> None:
    flow = open_flow(ada)
    query(ada.household_id, "UPDATE link_sessions SET state = 'exchanging'")
    erasing.begin(ada.household_id, "owner")

    assert erasing.run(ada.household_id) == "waits"
    assert (state_of(flow), bank.ended) == ("exchanging", [])

    clock.shift(schedule.EXCHANGE_TIMEOUT)
    with due_now(ada.household_id):
        assert erasing.run(ada.household_id) == "erased"


def test_P6_an_item_that_came_after_the_others_were_ended_is_ended_too(
    ada: SignedInBrowser, bank: Bank
) -> None:
    def end_and_link_another(token: str) -> None:
        bank.ended.append(token)
        if len(bank.ended) == 1:
            store_item(ada.household_id, open_bank())

    bank.remove_item = end_and_link_another
    erasing.begin(ada.household_id, "owner")

    assert erasing.run(ada.household_id) == "waits"
    assert traces(str(ada.household_id))["household_keys"] == 1, "the token is still needed"
    assert erasing.run(ada.household_id) == "erased"

    assert len(bank.ended) == 2
    assert erasing.find(ada.household_id).items_removed == 2


def test_P6_an_exchange_that_outlasts_the_key_ends_its_access_itself(
    ada: SignedInBrowser, bank: Bank
) -> None:
    def exchange_late(_token: str) -> Exchange:
        erasing._destroy_key(ada.household_id, None)
        return Exchange(SECRET, "late-item")

    bank.exchange = exchange_late
    flow = open_flow(ada)

    with pytest.raises(SealError, match="it was erased"):
        link.exchange(ada.household_id, flow, ("public-1",))

    assert bank.ended == [SECRET]


def test_P6_without_a_key_no_one_time_token_is_used_up(ada: SignedInBrowser, bank: Bank) -> None:
    flow = open_flow(ada)
    erasing._destroy_key(ada.household_id, None)

    with pytest.raises(SealError, match="it was erased"):
        link.exchange(ada.household_id, flow, ("public-1",))

    assert "exchange" not in bank.calls


def test_P6_who_stores_a_secret_keeps_the_key_from_being_destroyed(
    ada: SignedInBrowser, bank: Bank
) -> None:
    left = [f"plaid:{bank.stream.name}"]
    outcome: list[bool] = []
    destroying = threading.Thread(
        target=lambda: outcome.append(erasing._destroy_key(ada.household_id, left))
    )
    with ada.session() as session:
        vault.get_key(session, ada.household_id, hold=True)
        destroying.start()
        destroying.join(0.3)
        assert outcome == []
        session.execute(
            text("UPDATE items SET item_source_id = 'another' WHERE household_id = :id"),
            {"id": ada.household_id},
        )
    destroying.join()

    assert outcome == [False], "it saw what was stored"
    assert traces(str(ada.household_id))["household_keys"] == 1
