"""What several tests of people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from tests.cast import Browser, Clock, SignedInBrowser

if TYPE_CHECKING:  # importing it reads the environment
    from tests.features.users.authenticators import Device
    from tests.features.users.phones import Phone


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
