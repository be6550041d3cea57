"""Going to the OpenID Connect provider of these tests, and coming back."""

import re

from tests.cast import Browser, SignedInBrowser
from tests.features.users.oidc_provider import Provider

BEGIN, BACK = "/sign-in/oidc", "/sign-in/oidc/callback"


def sign_in(browser: Browser, provider: Provider, subject: str, **claims: object) -> int:
    """Go to the provider, sign in there, come back; return how that was answered."""
    return come_back(browser, begun(browser, provider, subject, **claims))


def begun(browser: Browser, provider: Provider, subject: str, **claims: object) -> dict[str, str]:
    """Go to the provider and sign in there; return what the browser brings back."""
    return provider.authorize(browser.get(BEGIN).headers["location"], subject, **claims)


def come_back(browser: Browser, came: dict[str, str]) -> int:
    return browser.get(BACK, params=came).status_code


def link(ada: SignedInBrowser, provider: Provider, subject: str) -> None:
    page = ada.post("/settings/oidc/link").text
    [address] = re.findall(r'href="(http[^"]+/authorize[^"]+)"', page)
    came = provider.authorize(address.replace("&amp;", "&"), subject)
    assert ada.get(BACK, params=came).headers["location"] == "/settings"
