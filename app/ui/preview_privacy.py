"""The preview's pages of one's own data."""

from starlette.requests import Request
from starlette.responses import Response

from app.core import clock
from app.ui.templating import render
from app.ui.views.privacy import PrivacyView, TrailRow, TrailView


def privacy(request: Request) -> Response:
    """Show what one may ask of one's own data; `?viewer` as somebody who is no owner."""
    view = PrivacyView("Winter & Sommer", is_owner="viewer" not in request.query_params)
    return render(request, page="privacy/privacy.html", view=view, section="settings")


def trail(request: Request) -> Response:
    """Show who did what."""
    now, address = clock.now(), "203.0.113.7"
    rows = (
        TrailRow(now, "User: signed in", "Ada Winter", address, (("kind", "browser"),)),
        TrailRow(now, "Item: linked", "Ben Sommer", "2001:db8:85a3::8a2e:370:7334"),
        TrailRow(now, "User: theme changed", "Ada Winter", address, (("theme", "nothing → dark"),)),
        TrailRow(now, "Tieout: account stopped tying out", "The program"),
    )
    actions = (("", "Everything"), ("item.linked", "Item: linked"))
    view = TrailView(rows, actions, next_url="/settings/audit?before=1")
    return render(request, page="privacy/trail.html", view=view, section="settings")
