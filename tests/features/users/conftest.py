"""What several tests of people use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from tests.cast import Browser, Clock, SignedInBrowser

if TYPE_CHECKING:  # importing it reads the environment
    from tests.features.users.authenticators import Device
    from tests.features.users.oidc_provider import Provider
    from tests.features.users.phones import Phone

SetOidc = Callable[..., None]
_numbers = count(1)


@pytest.fixture
def phone(ada: SignedInBrowser, clock: Clock) -> Phone:
    """Ada's phone, which signing in asks for."""
    from tests.features.users import phones  # reads the environment

    return phones.set_up(ada)


@pytest.fixture
def key(ada: SignedInBrowser) -> Device:
    """Ada's device, whose passkey she has added."""
    from tests.features.users import authenticators  # reads the environment

    return authenticators.add(ada)


@pytest.fixture
def door(app: FastAPI) -> Browser:
    """Another browser, at the sign-in page."""
    from tests.features.users import authenticators  # reads the environment

    return authenticators.arrive(app)


@pytest.fixture
def set_oidc(monkeypatch: pytest.MonkeyPatch) -> SetOidc:
    """Sets OIDC_… for the test."""
    from app.core import oidc as protocol
    from app.core.config import Settings
    from app.features.users import oidc, oidc_pages, pages

    def change(**values: object) -> None:
        named = {f"OIDC_{name.upper()}": value for name, value in values.items()}
        # Not `model_copy` of the last copy: what is cached in it would be copied as well.
        changed = Settings.model_construct(**{**protocol.settings.model_dump(), **named})
        for module in (protocol, oidc, oidc_pages, pages):
            monkeypatch.setattr(module, "settings", changed)

    return change


@pytest.fixture
def provider(set_oidc: SetOidc) -> Iterator[Provider]:
    """An OpenID Connect provider that the server knows."""
    from pydantic import SecretStr

    from app.core import oidc as protocol
    from tests.features.users import oidc_provider

    protocol._documents.forget()
    with oidc_provider.running() as provider:
        set_oidc(
            issuer=provider.url,
            client_id=oidc_provider.CLIENT_ID,
            client_secret=SecretStr(oidc_provider.CLIENT_SECRET),
            name="Example SSO",
        )
        yield provider
    protocol._documents.forget()


@pytest.fixture
def subject() -> str:
    """Somebody at the provider."""
    return f"subject-{next(_numbers)}"
