"""A bank that was read once."""

import pytest


@pytest.fixture
def bank(ada):
    """Return a bank that was read on its first day, and the Item's id."""
    # They read the environment, which is not made yet when this file is loaded.
    from tests.features.connections.bank import linked, open_bank
    from tests.features.tieout.days import sync_on

    bank = open_bank(rows=5)
    with linked(ada.household_id, bank) as item_id:
        sync_on(bank, item_id, ada.household_id, 0)
        yield bank, item_id
