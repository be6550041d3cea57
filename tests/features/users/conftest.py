"""What several tests of people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cast import Clock, SignedInBrowser

if TYPE_CHECKING:  # importing it reads the environment
    from tests.features.users.phones import Phone


@pytest.fixture
def phone(ada: SignedInBrowser, clock: Clock) -> Phone:
    """Ada's phone, which signing in asks for."""
    from tests.features.users import phones  # reads the environment

    return phones.set_up(ada)
