"""T9: who may only look, at the places where looking and changing lie close together."""

import contextvars
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.cli.import_files import command as import_command
from app.core import database
from app.features.audit import service as audit
from app.features.households.service import invitations
from app.features.users.sessions import Client
from tests.cast import SignedInBrowser, sign_in
from tests.factories import ledger, people


@pytest.fixture
def vera(app: FastAPI, ada: SignedInBrowser) -> SignedInBrowser:
    """Vera looks at Ada's household."""
    return sign_in(app, people.member(ada.person, "Vera", role="viewer"))


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE households SET name = 'Taken over'",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT nextval('pg_temp.nothing')",
        "CREATE TEMPORARY TABLE mine (id int)",
    ],
)
def test_T9_the_database_itself_lets_a_viewers_request_only_read(
    ada: SignedInBrowser, attempt: str
) -> None:
    def as_viewer() -> None:
        database.only_reads.set(True)
        with ada.session() as session:
            assert session.scalar(text("SELECT count(*) FROM households")) == 1
        with pytest.raises(DBAPIError), ada.session() as session:
            session.execute(text(attempt))

    contextvars.copy_context().run(as_viewer)
    with ada.session() as session:
        session.execute(text("UPDATE households SET name = name"))


def test_T9_a_viewer_is_refused_in_words(ada: SignedInBrowser, vera: SignedInBrowser) -> None:
    owned = ledger.everything(ada.household_id, ada.user_id)
    path = f"transactions/{owned.transaction_id}"

    refused = vera.put(f"/api/v1/{path}", json={"note": "mine"})
    page = vera.post(f"/{path}", data={"note": "mine"})

    assert (refused.status_code, refused.json()["code"]) == (403, "viewer")
    assert refused.json()["detail"] == "You may look at this household, but not change it."
    assert page.status_code == 403
    assert "You may look at this household, but not change it." in page.text


def test_T9_what_a_viewer_takes_away_is_written_down(
    ada: SignedInBrowser, vera: SignedInBrowser
) -> None:
    ledger.everything(ada.household_id, ada.user_id, description="COFFEE")

    file = vera.post("/api/v1/transactions/export?format=csv")

    assert (file.status_code, "COFFEE" in file.text) == (200, True)
    with ada.session() as session:
        [event, *_] = audit.list_events(session, ada.household_id, action="transactions.exported")
    assert event.actor.user_id == vera.user_id


def test_T9_a_viewer_changes_their_own_name_and_not_the_households(
    ada: SignedInBrowser, vera: SignedInBrowser
) -> None:
    page = vera.get("/settings").text
    assert 'name="household_name" type="text"' not in page
    form = {
        "name": "Vera V.",
        "household_name": "Household of Ada",
        "base_currency": "USD",
        "locale": "en_US",
        "timezone": "UTC",
    }

    assert vera.post("/settings/profile", data=form).status_code == 303
    taken = vera.post("/settings/profile", data={**form, "household_name": "Mine"})

    assert taken.status_code == 403
    assert "Vera V." in vera.get("/settings").text
    assert ada.get("/api/v1/auth/me").json()["household_name"] == "Household of Ada"


def test_T9_a_viewers_role_in_one_household_says_nothing_of_another(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    token = people.invitation(ada.household_id, ada.user_id, "viewer").token
    own = str(cleo.household_id)
    cleo.post("/join", data={"invitation": token})
    assert cleo.post("/api/v1/invitations", json={}).status_code == 403

    cleo.post("/household/open", data={"household_id": own})

    assert cleo.post("/api/v1/invitations", json={}).status_code == 201


def test_T9_the_command_line_imports_nothing_for_a_viewer(
    ada: SignedInBrowser, tmp_path: Path
) -> None:
    token = people.invitation(ada.household_id, ada.user_id, "viewer").token
    email = f"looks-{ada.person.email}"
    invitations.register(token, email, people.PASSWORD, "Vera", Client())
    file = tmp_path / "march.csv"
    file.write_text("Date,Description,Amount\n2026-03-02,COFFEE,-4.50\n")

    done = CliRunner().invoke(import_command, [str(file), "--user", email, "--yes"])

    assert done.exit_code == 1
    assert "may look at the household, but not change it" in done.output
