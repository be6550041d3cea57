"""Registering and signing in, on pages and by API."""

from tests.cast import Browser
from tests.factories.people import PASSWORD, person


def test_a_stranger_registers_and_is_signed_in(client: Browser) -> None:
    client.greet("/register")

    answer = client.post(
        "/register", data={"email": "Grace@Example.com", "password": PASSWORD, "name": "Grace"}
    )

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    start = client.get("/")
    assert start.status_code == 200
    assert "Welcome, Grace" in start.text


def test_a_program_registers_logs_in_and_reads_who_it_is(client: Browser) -> None:
    body = {"email": "hedy@example.com", "password": PASSWORD, "name": "Hedy"}
    assert client.post("/api/v1/auth/register", json=body).status_code == 201

    form = {"username": "HEDY@example.com", "password": PASSWORD}
    tokens = client.post("/api/v1/auth/login", data=form).json()

    assert tokens["token_type"] == "bearer"
    assert tokens["expires_in"] == 1800
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = client.get("/api/v1/auth/me", headers=bearer).json()
    assert (me["email"], me["name"], me["role"]) == ("hedy@example.com", "Hedy", "owner")


def test_signing_in_leads_to_where_the_reader_wanted_to_go(client: Browser) -> None:
    ada = person("Ada")
    asked = client.get("/settings?tab=1")
    assert asked.headers["location"] == "/sign-in?next=/settings%3Ftab%3D1"
    client.greet(asked.headers["location"])

    answer = client.post(
        "/sign-in", data={"email": ada.email, "password": PASSWORD, "next": "/settings?tab=1"}
    )

    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?tab=1")
    assert ada.email in client.get("/settings").text
