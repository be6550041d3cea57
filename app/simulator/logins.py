"""Who may sign in at the simulated banks, and the life behind each login."""

import datetime as dt

from app.simulator.errors import ERRORS, PlaidError
from app.simulator.life import Life, life_of
from app.simulator.people import HOUSEHOLDS
from app.simulator.scripted import custom_life, dynamic_life, quirks_life

FAULT_PREFIX = "fault_"
"""`fault_mutation` and the like: the student's life with that fault armed."""


def life_for(login: str, password: str, linked_on: dt.date) -> Life:
    """Return the life behind a login; it starts in a January some years before the link.

    Raises:
        PlaidError: INVALID_CREDENTIALS for an unknown login, or INVALID_FIELD for a custom
            user whose JSON makes no sense.
    """
    if login == "user_custom":
        return custom_life(password, linked_on)
    if login == "user_transactions_dynamic":
        return dynamic_life(linked_on)
    if login == "sim_quirks":
        return quirks_life(linked_on)
    name = "demo_student" if login.startswith(FAULT_PREFIX) else login
    household = HOUSEHOLDS.get(name)
    if household is None:
        raise PlaidError("INVALID_CREDENTIALS")
    return life_of(household, linked_on.year - household.years)


def forced_error(login: str, password: str) -> PlaidError | None:
    """Return the error that the password asks for: `error_ITEM_LOCKED` and the like."""
    if not login.startswith("user_") or not password.startswith("error_"):
        return None
    code = password.removeprefix("error_").upper()
    return PlaidError(code) if code in ERRORS else PlaidError("INVALID_CREDENTIALS")
