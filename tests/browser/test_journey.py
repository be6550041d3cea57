"""From signing up to unlinking, as one person lives it."""

import re
import time

from playwright.sync_api import Page, expect

from tests.browser.conftest import Installation, SignedIn

PASSWORD = "violet-harbor-lantern-7"


def rows(page: Page):
    return page.locator("tr[data-row]")


def connect(page: Page, bank: str, person: str) -> None:
    """Go through the simulator's Hosted Link page."""
    page.get_by_role("button", name=re.compile(bank)).click()
    page.get_by_role("button", name=re.compile(person)).click()
    page.get_by_role("button", name="Connect").click()


def test_somebody_signs_up_connects_a_bank_and_finds_their_coffee(
    page: Page, installation: Installation
) -> None:
    page.goto("/register")
    page.get_by_label("Name").fill("Grace")
    page.get_by_label("E-mail").fill(f"grace-{time.time_ns()}@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Welcome, Grace")).to_be_visible()

    page.get_by_role("button", name="Connect a bank").first.click()
    expect(page.get_by_role("heading", name="Select your bank")).to_be_visible()
    connect(page, "First Platypus Bank", "demo_freelancer")

    expect(page.get_by_role("heading", name="First Platypus Bank")).to_be_visible()
    expect(page.locator("#progress").get_by_text("Done")).to_be_visible(timeout=30_000)

    page.get_by_role("link", name="See the transactions").click()
    expect(rows(page)).to_have_count(50)
    page.get_by_role("searchbox", name="Search transactions").press_sequentially("coffee", delay=20)
    expect(page).to_have_url(re.compile(r"search=coffee$"))
    expect(rows(page).first).to_contain_text(re.compile("coffee", re.IGNORECASE))
    found = rows(page).count()
    page.reload()
    expect(page.get_by_role("searchbox", name="Search transactions")).to_have_value("coffee")
    expect(rows(page)).to_have_count(found)


def test_rows_arrive_in_an_open_list_while_the_bank_reports_them(ada: SignedIn) -> None:
    item = ada.link("user_good")
    ada.page.goto("/transactions")
    expect(rows(ada.page).first).to_be_visible()

    ada.installation.bank(
        "/simulator/events",
        {
            "item_id": item["item_id"],
            "event": "add",
            "transaction_id": f"live-{time.time_ns()}",
            "account_id": ada.installation.account_of(item),
            "amount": "12.34",
            "name": "LIVE COFFEE BAR",
        },
    )

    expect(rows(ada.page).first).to_contain_text("LIVE COFFEE BAR")
    expect(rows(ada.page).first).to_contain_text("\N{MINUS SIGN}$12.34")


def test_a_first_sync_fills_an_open_page_of_accounts(ada: SignedIn) -> None:
    ada.page.goto("/accounts")
    expect(ada.page.get_by_text("No accounts yet")).to_be_visible()

    ada.link("user_good")

    expect(ada.page.get_by_role("heading", name="Assets")).to_be_visible()


def test_a_connection_that_needs_its_person_is_fixed_and_unlinked(ada: SignedIn) -> None:
    item = ada.link("user_good")
    page = ada.page
    page.goto("/connections")
    card = page.get_by_role("article", name="First Platypus Bank")
    expect(card.get_by_text("Up to date", exact=True)).to_be_visible()

    ada.installation.bank(
        "/simulator/break", {"item_id": item["item_id"], "code": "ITEM_LOGIN_REQUIRED"}
    )
    expect(card.get_by_text("Needs you")).to_be_visible()
    page.goto("/accounts")
    expect(page.get_by_text("1 connection needs you")).to_be_visible()
    page.get_by_role("link", name="See what to do").click()

    card.get_by_role("button", name="Fix").click()
    expect(page.get_by_role("heading", name="Sign in again")).to_be_visible()
    page.get_by_label("Password").fill("pass_good")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Thank you. We are reading what you missed.")).to_be_visible()
    expect(card.get_by_text("Up to date", exact=True)).to_be_visible()

    card.get_by_role("button", name="Unlink").click()
    card.get_by_role("dialog").get_by_role("button", name="Unlink").click()
    expect(page.get_by_text("The bank is disconnected.")).to_be_visible()
    expect(page.get_by_text("No bank is connected")).to_be_visible()
    page.goto("/transactions")
    expect(rows(page).first).to_be_visible()


def test_who_stops_at_the_bank_can_go_on_later(ada: SignedIn) -> None:
    page = ada.page
    page.goto("/connections")
    page.get_by_role("button", name="Connect a bank").click()
    expect(page.get_by_role("heading", name="Select your bank")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("heading", name="You are not connected yet")).to_be_visible()
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_role("heading", name="Select your bank")).to_be_visible()
