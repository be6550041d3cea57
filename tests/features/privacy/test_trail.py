"""P3: people read who did what, an owner of everybody, the others of themselves."""

import re
from html import unescape

from fastapi import FastAPI

from app.core import database
from app.features.audit import service as audit
from app.features.audit.service import Actor
from tests.cast import Browser, SignedInBrowser, sign_in
from tests.factories import people


def record(who: SignedInBrowser, action: str, **details: object) -> None:
    with database.household_transaction(who.household_id) as session:
        actor = Actor(who.user_id, who.session_id, "203.0.113.7")
        audit.record(session, who.household_id, action, actor=actor, details=details)


def shown(page: str) -> list[str]:
    return [unescape(each) for each in re.findall(r'<p class="strong">([^<]+)</p>', page)]


def test_P3_an_owner_sees_what_everybody_did_and_the_others_what_they_did(
    ada: SignedInBrowser, ben: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    record(ada, "test.by_ada")
    record(ben, "test.by_ben")
    record(cleo, "test.by_cleo")

    of_ada, of_ben = (who.get("/settings/audit").text for who in (ada, ben))

    assert shown(of_ada)[:2] == ["Test: by ben", "Test: by ada"]
    assert shown(of_ben)[0] == "Test: by ben"
    assert "Test: by ada" not in shown(of_ben)
    assert "Test: by cleo" not in shown(of_ada) + shown(of_ben)
    assert "Ben · 203.0.113.7" in of_ada


def test_P3_a_program_reads_the_same(app: FastAPI, ada: SignedInBrowser) -> None:
    record(ada, "test.changed", state={"before": "good", "after": "gone"})

    answer = Browser(app).get("/api/v1/audit/?action=test.changed", headers=ada.bearer()).json()

    [event] = answer["data"]
    assert (event["action"], event["actor_user_id"]) == ("test.changed", str(ada.user_id))
    assert event["details"]["state"] == {"before": "good", "after": "gone"}
    assert answer["next_cursor"] is None
    assert "state: good → gone" in ada.get("/settings/audit?action=test.changed").text


def test_P3_the_trail_is_paged_and_each_event_is_on_one_page(ada: SignedInBrowser) -> None:
    for number in range(7):
        record(ada, f"test.number_{number}")

    seen, cursor = [], None
    while True:
        url = "/api/v1/audit/?limit=3" + (f"&cursor={cursor}" if cursor else "")
        answer = ada.get(url).json()
        seen += [event["action"] for event in answer["data"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break

    assert seen[:7] == [f"test.number_{number}" for number in reversed(range(7))]
    assert len(seen) == len(set(seen)) + seen.count("user.signed_in") - ("user.signed_in" in seen)


def test_P3_the_page_leads_on_to_older_events_of_the_same_kind(ada: SignedInBrowser) -> None:
    for number in range(51):
        record(ada, "test.often", number=number)

    first = ada.get("/settings/audit?action=test.often").text
    older = unescape(re.search(r'href="(/settings/audit\?before=[^"]+)"', first)[1])

    assert shown(first) == ["Test: often"] * 50
    assert shown(ada.get(older).text) == ["Test: often"]
    assert "Older events" not in ada.get(older).text


def test_P3_what_somebody_wrote_is_text(ada: SignedInBrowser) -> None:
    record(ada, "test.injected", note="<script>alert(1)</script>")

    page = ada.get("/settings/audit").text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_P3_a_viewer_who_takes_the_household_out_stands_in_the_trail(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    vera = sign_in(app, people.member(ada.person, "Vera", role="viewer"))

    assert vera.post("/settings/privacy/export").status_code == 200

    [event] = ada.get("/api/v1/audit/?action=household.exported").json()["data"]
    assert event["actor_user_id"] == str(vera.user_id)
