"""Invented households for the preview."""

import datetime as dt

from starlette.requests import Request
from starlette.responses import Response

from app.core import clock
from app.ui.templating import render
from app.ui.views.households import (
    HouseholdRow,
    HouseholdView,
    InvitationRow,
    JoinView,
    MemberRow,
    SharedRow,
)

_ROLES = (("owner", "Owner"), ("member", "Member"), ("viewer", "Viewer"), ("guest", "Guest"))


def household(request: Request) -> Response:
    """Show a household as its owner sees it, or as a viewer does."""
    is_owner = "viewer" not in request.query_params
    view = HouseholdView(
        name="Winter & Sommer",
        is_owner=is_owner,
        members=(
            MemberRow("1", "Ada Winter", "ada@example.com", "owner", "Owner", is_self=is_owner),
            MemberRow(
                "2", "Ben Sommer", "ben.sommer@example.com", "member", "Member", is_self=False
            ),
            MemberRow(
                "3", "Maximiliane Oberhuber-Sommer", "m@example.com", "owner", "Owner",
                is_self=False,
            ),
            MemberRow("4", "Vera", "vera@example.com", "viewer", "Viewer", is_self=not is_owner),
            MemberRow(
                "5", "Gus", "gus@example.com", "guest", "Guest", is_self=False,
                shared=(
                    SharedRow("1", "Everyday ··0001", "First Platypus Bank", is_shared=True),
                    SharedRow("2", "Savings ··0002", "First Platypus Bank", is_shared=False),
                    SharedRow("3", "Wallet", "", is_shared=False),
                ),
            ),
        ),
        invitations=(
            InvitationRow("1", "Viewer", "Our tax adviser", clock.now() + dt.timedelta(days=6)),
        ),
        households=(
            HouseholdRow("1", "Winter & Sommer", _ROLES[2 * (not is_owner)][1], is_current=True),
            HouseholdRow("2", "Household of Ada", "Owner", is_current=False),
        ),
        roles=_ROLES,
        link="http://localhost:8000/join?invitation=lbR4Sgv2FhLAH1l0bq5nJ3C0dVd0rXzX1J7e8mA0Q2c"
        if is_owner
        else "",
    )  # fmt: skip
    return render(request, page="households/household.html", section="settings", view=view)


def join(request: Request) -> Response:
    """Show what an invitation offers to a stranger, with an error after a POST."""
    errors = {"email": "This is not an e-mail address."} if request.method == "POST" else {}
    view = JoinView(
        "token", "Winter & Sommer", "Ada Winter", "Viewer",
        "You will see everything and change nothing.", "/sign-in", errors=errors,
    )  # fmt: skip
    return render(request, page="households/join.html", view=view)
