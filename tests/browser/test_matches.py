"""Possible duplicates: seen side by side, decided, in both themes and at both sizes."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignedIn

AXE = Path(__file__).parents[2] / ".tools" / "axe" / "axe.min.js"
PICTURES = os.environ.get("FINTECH_PICTURES")
"""A folder to leave pictures of the page in, to be looked at."""


def ask_two_questions(email: str) -> None:
    """Let two files tell round amounts under other names, which nobody can be certain of."""
    from sqlalchemy import select

    from app.core.database import system_transaction
    from app.features.imports.service.book import book
    from app.features.imports.service.look import Choices, look, set_layout
    from app.features.imports.service.upload import preview
    from app.models import Membership, User
    from tests.factories.files import csv, ofx

    with system_transaction() as session:
        household_id, user_id = session.execute(
            select(Membership.household_id, User.id)
            .join(User, User.id == Membership.user_id)
            .where(User.email == email)
        ).one()
    rows = [(f"202611{n:02}", f"-{n}.13", f"r{n}", f"SHOP {n} MAIN ST") for n in range(1, 16)]
    rows += [
        ("20261107", "-60.00", "a1", "ATM WITHDRAWAL 0042"),
        ("20261109", "-20.00", "a2", "ANA"),
    ]
    statement = ofx(rows, start="20261101", end="20261120")
    told = book(household_id, user_id, preview(household_id, user_id, "november.ofx", statement))
    lines = [f"2026-11-{n:02},Shop {n} Main St,-{n}.13" for n in range(1, 16) if n not in (5, 6)]
    lines += ["2026-11-05,Shop 5 Main St,-5.99", "2026-11-07,CASH,-60.00", "2026-11-09,GIFT,-20.00"]
    again = preview(household_id, user_id, "november.csv", csv(*lines))
    key = look(household_id, again).accounts[0].key
    set_layout(household_id, again, Choices(targets={key: str(told.account_ids[0])}))
    book(household_id, user_id, again)


def complaints(page: Page) -> list[str]:
    """Return what axe finds wrong with the page."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["violations"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_may_be_told_twice_is_decided_side_by_side(ada: SignedIn, theme: str) -> None:
    page = ada.page
    ask_two_questions(ada.email)
    page.context.add_cookies([{"name": "theme", "value": theme, "url": ada.installation.url}])
    page.goto("/transactions")
    page.get_by_role("link", name="2 possible duplicates").click()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_text("what its sources disagree on")).to_be_visible()
    for width, height in ((1440, 900), (375, 812)):
        page.set_viewport_size({"width": width, "height": height})
        assert complaints(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/matches-{theme}-{width}.png", full_page=True)

    page.get_by_role("button", name="Merge").first.click()
    expect(page.get_by_text("counts no more")).to_be_visible()
    page.get_by_role("button", name="Not the same").first.click()
    expect(page.get_by_text("We do not ask again")).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing to decide")).to_be_visible()
