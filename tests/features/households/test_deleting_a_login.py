"""P6: a person deletes their own login, and leaves households to their other owners."""

import pytest
from sqlalchemy import text

from app.core.database import system_transaction
from tests.cast import Browser, SignedInBrowser
from tests.factories import ledger, people

LEFT = ("memberships", "user_sessions", "api_tokens", "notices", "user_totp", "recovery_codes")


def rows_of(who: SignedInBrowser) -> dict[str, int]:
    """Count what is kept of a person, by table."""
    with system_transaction() as session:
        found = {
            table: session.scalar(
                text(f"SELECT count(*) FROM {table} WHERE user_id = :user"), {"user": who.user_id}
            )
            for table in LEFT
        }
        users = "SELECT count(*) FROM users WHERE id = :user"
        found["users"] = session.scalar(text(users), {"user": who.user_id})
    return {table: int(count or 0) for table, count in found.items()}


@pytest.fixture
def alone(ben: SignedInBrowser) -> SignedInBrowser:
    """Ben, who belongs to Ada's household alone."""
    with system_transaction() as session:
        own = "DELETE FROM memberships WHERE user_id = :user AND household_id <> :household"
        session.execute(text(own), {"user": ben.user_id, "household": ben.household_id})
    return ben


def test_P6_a_member_deletes_all_that_is_kept_of_them_and_the_household_stays(
    ada: SignedInBrowser, alone: SignedInBrowser, app: object
) -> None:
    ledger.api_token(alone.household_id, alone.user_id)

    wrong = alone.post("/settings/privacy/delete-login", data={"email": "eve@example.org"})
    assert wrong.status_code == 422
    assert "exactly as it is shown" in wrong.text
    done = alone.post("/settings/privacy/delete-login", data={"email": alone.person.email.upper()})

    assert (done.status_code, done.headers["location"]) == (303, "/sign-in")
    assert set(rows_of(alone).values()) == {0}
    assert alone.get("/accounts").status_code == 303
    assert ada.get("/accounts").status_code == 200
    assert alone.person.email not in ada.get("/household").text
    trail = ada.get("/settings/audit").text
    assert alone.person.name not in trail.split("</nav>")[-1]


@pytest.mark.parametrize("email", ["", "own"])
def test_the_only_owner_is_told_what_to_do_and_loses_nothing(
    ada: SignedInBrowser, email: str
) -> None:
    typed = ada.person.email if email else ""
    answer = ada.post("/settings/privacy/delete-login", data={"email": typed})

    assert answer.status_code == (409 if email else 422)
    assert ("Hand it over" in answer.text) == bool(email)
    assert rows_of(ada)["users"] == 1
    assert ada.get("/accounts").status_code == 200


def test_an_owner_beside_another_may_go_through_the_api(app: object) -> None:
    first = people.person("Olga")
    second = people.member(first, "Omar", role="owner")
    with system_transaction() as session:
        own = "DELETE FROM memberships WHERE user_id = :user AND household_id <> :household"
        session.execute(text(own), {"user": second.user_id, "household": second.household_id})
    program = Browser(app)  # type: ignore[arg-type]
    headers = {"Authorization": f"Bearer {people.api_session(second).access_token}"}

    body = {"email": second.email}
    answer = program.request("DELETE", "/api/v1/me", json=body, headers=headers)

    assert answer.status_code == 204
    assert program.get("/api/v1/auth/me", headers=headers).status_code == 401
