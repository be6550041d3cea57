"""Signing in at an OpenID Connect provider, with a real browser's cookies and policies.

The provider is at another site (127.0.0.1) than the pages (localhost).
"""

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import SignedIn


def test_an_account_elsewhere_is_linked_signs_in_and_is_unlinked(
    page: Page, context: BrowserContext, ada: SignedIn
) -> None:
    ada.installation.provider.guest = ada.email
    page.goto("/settings")
    card = page.get_by_role("region", name="Sign in with Example SSO")
    card.get_by_role("button", name="Link").click()
    page.get_by_role("link", name="Go on to Example SSO").click()
    expect(page.get_by_text("You can sign in with Example SSO from now on")).to_be_visible()
    expect(card.get_by_text("Linked", exact=True)).to_be_visible()

    context.clear_cookies()
    page.goto("/sign-in")
    page.get_by_role("link", name="Sign in with Example SSO").click()
    page.wait_for_url("/")
    page.goto("/settings")

    card.get_by_role("button", name="Unlink").click()
    page.get_by_role("dialog").get_by_role("button", name="Unlink it").click()
    expect(page.get_by_text("Example SSO was unlinked")).to_be_visible()
    expect(card.get_by_role("button", name="Link")).to_be_visible()
