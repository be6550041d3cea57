"""A6 in Chromium, whose own virtual device keeps the passkey."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, expect

from tests.browser.conftest import Installation, SignedIn

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def device(context: BrowserContext, page: Page) -> Iterator[CDPSession]:
    """A device beside the page, without passkeys; it needs no touch."""
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    yield session
    session.send("WebAuthn.removeVirtualAuthenticator", made)


def test_A6_a_passkey_is_added_signs_in_and_is_removed(
    page: Page, context: BrowserContext, ada: SignedIn, device: CDPSession
) -> None:
    page.goto("/settings/passkeys")
    page.get_by_label("Name", exact=True).fill("This laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("The passkey was added")).to_be_visible()
    expect(page.get_by_text("Never used")).to_be_visible()

    context.clear_cookies()
    page.goto("/sign-in?next=/settings/passkeys")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/settings/passkeys$"))
    expect(page.get_by_text("Last used")).to_be_visible()

    page.get_by_role("button", name="Rename This laptop").click()
    page.get_by_role("dialog").get_by_label("Name", exact=True).fill("The old laptop")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The old laptop", exact=True)).to_be_visible()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("It opens nothing any more")).to_be_visible()

    context.clear_cookies()
    page.goto("/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("This passkey does not work here")).to_be_visible()


@pytest.fixture
def tolerated() -> list[str]:
    """The refused sign-in at the end is answered with 401."""
    return ["401"]


def test_A6_a_device_has_one_passkey_for_a_person(
    page: Page, ada: SignedIn, device: CDPSession, installation: Installation
) -> None:
    for words in ("The passkey was added", "This device has a passkey for your account already"):
        page.goto("/settings/passkeys")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.get_by_text(words)).to_be_visible()
