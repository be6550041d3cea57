"""Signing in at an OpenID Connect provider, which to the browser is another site."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Installation, SignedIn


def test_an_account_elsewhere_is_linked_signs_in_and_is_unlinked(
    page: Page, ada: SignedIn, tolerated: list[str]
) -> None:
    tolerated.append("403")  # the last one: they are linked no more
    page.goto("/settings")
    card = page.get_by_role("region", name="Sign in with Example SSO")
    card.get_by_role("button", name="Link").click()
    page.get_by_role("link", name="Go on to Example SSO").click()
    expect(page).to_have_title("Example SSO")
    page.get_by_role("link", name="Go on as Grace").click()
    expect(page.get_by_text("You can sign in with Example SSO from now on")).to_be_visible()
    expect(card.get_by_text("Linked", exact=True)).to_be_visible()

    forget_us(page)
    go_to_provider(page, ada.installation)
    page.get_by_role("link", name="Go on as Grace").click()
    expect(page).to_have_url(f"{ada.installation.url}/")
    page.goto("/settings")
    expect(card.get_by_text("Linked", exact=True)).to_be_visible()

    card.get_by_role("button", name="Unlink", exact=True).click()
    page.get_by_role("button", name="Unlink it").click()
    expect(page.get_by_text("It signs you in no more")).to_be_visible()
    forget_us(page)
    go_to_provider(page, ada.installation)
    page.get_by_role("link", name="Go on as Grace").click()
    expect(page.get_by_text("No account here is linked to yours")).to_be_visible()


def test_who_leaves_it_at_the_provider_is_back_at_the_sign_in(
    page: Page, installation: Installation, tolerated: list[str]
) -> None:
    tolerated.append("401")
    go_to_provider(page, installation)
    page.get_by_role("link", name="Leave it").click()

    expect(page.get_by_text("Example SSO did not let you in here")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in with Example SSO")).to_be_visible()


def forget_us(page: Page) -> None:
    page.goto("about:blank")  # else the stream of events would ask without its cookie
    page.context.clear_cookies()


def go_to_provider(page: Page, installation: Installation) -> None:
    page.goto("/sign-in")
    page.get_by_role("link", name="Sign in with Example SSO").click()
    expect(page).to_have_title("Example SSO")
    assert page.url.startswith(installation.provider.url)
