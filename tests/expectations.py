"""Who may call which route: what the verb says, and by name what is different.

The default needs no entry: whoever belongs to the household may GET, and members and owners may
do the rest. A route that behaves otherwise fails `tests/features/test_access.py` until it is
entered here with the reason.
"""

from tests.routes import FOR_STRANGERS, SAFE_METHODS, Route

ONES_OWN = {
    ("DELETE", "/api/v1/auth/tokens/{token_id}"): "one's own token",
    ("DELETE", "/api/v1/me"): "one's own login",
    ("POST", "/api/v1/auth/confirm"): "shows again who one is",
    ("POST", "/api/v1/auth/logout"): "ends one's own session",
    ("POST", "/api/v1/auth/password"): "one's own password",
    ("POST", "/api/v1/auth/tokens"): "one's own token, which may do no more than oneself",
    ("POST", "/api/v1/households/current"): "one's own session goes to another household",
    ("POST", "/api/v1/households/leave"): "anybody may go",
    ("POST", "/api/v1/invitations/accept"): "joins another household",
    ("POST", "/api/v1/notices/read"): "one's own notices",
    ("POST", "/confirm"): "shows again who one is",
    ("POST", "/confirm/passkey"): "shows again who one is",
    ("POST", "/confirm/passkey/begin"): "shows again who one is",
    ("POST", "/household/leave"): "anybody may go",
    ("POST", "/household/open"): "one's own session goes to another household",
    ("POST", "/join"): "joins another household",
    ("POST", "/notices/read"): "one's own notices",
    ("POST", "/settings/address"): "one's own address",
    ("POST", "/settings/appearance"): "one's own theme",
    ("POST", "/settings/oidc/link"): "one's own account at the provider",
    ("POST", "/settings/oidc/unlink"): "one's own account at the provider",
    ("POST", "/settings/passkeys"): "one's own passkey",
    ("POST", "/settings/passkeys/begin"): "one's own passkey",
    ("POST", "/settings/passkeys/remove"): "one's own passkey",
    ("POST", "/settings/passkeys/rename"): "one's own passkey",
    ("POST", "/settings/password"): "one's own password",
    ("POST", "/settings/privacy/delete-login"): "one's own login",
    ("POST", "/settings/profile"): "one's own name; the service refuses the household's to viewers",
    ("POST", "/settings/sessions/end"): "one's own sessions",
    ("POST", "/settings/tokens/new"): "one's own token, which may do no more than oneself",
    ("POST", "/settings/tokens/revoke"): "one's own token",
    ("POST", "/settings/two-step"): "one's own second factor",
    ("POST", "/settings/two-step/confirm"): "one's own second factor",
    ("POST", "/settings/two-step/off"): "one's own second factor",
    ("POST", "/sign-out"): "ends one's own session",
}
"""Unsafe routes for everybody who is signed in: they change the person, not the household."""

READS_BY_POST = {
    ("POST", "/api/v1/household/export"): "takes a copy; POST since it is written down",
    ("POST", "/api/v1/transactions/export"): "takes a copy; POST since it is written down",
    ("POST", "/settings/privacy/export"): "takes a copy; POST since it is written down",
    ("POST", "/transactions/export"): "takes a copy; POST since it is written down",
}
"""Unsafe routes for everybody who belongs to the household: they change nothing but the trail."""

PLANS_A_CHANGE = {
    ("GET", "/api/v1/history/{change_set_id}/preview"): "computes an undo, in tables of its own",
    ("GET", "/connections/link/{link_session_id}"): "leads on to the bank",
    ("GET", "/connections/linked/{link_session_id}"): "comes back from the bank, and finishes",
    ("GET", "/connections/simplefin"): "asks for what links a bank",
    ("GET", "/history/{change_set_id}/preview"): "computes an undo, in tables of its own",
}
"""Safe routes that are a step of a change, and that a viewer has no use for."""

OWNERS_ONLY = {
    ("DELETE", "/api/v1/invitations/{invitation_id}"): "who is let in",
    ("DELETE", "/api/v1/members/{user_id}"): "who belongs",
    ("GET", "/api/v1/members/{user_id}/accounts"): "who sees what",
    ("PUT", "/api/v1/members/{user_id}/accounts"): "who sees what",
    ("POST", "/household/members/{user_id}/accounts"): "who sees what",
    ("POST", "/api/v1/household/erase"): "takes it away from everybody",
    ("POST", "/api/v1/invitations"): "who is let in",
    ("POST", "/api/v1/members/{user_id}/transfer"): "who belongs",
    ("POST", "/household/invitations"): "who is let in",
    ("POST", "/household/invitations/{invitation_id}/revoke"): "who is let in",
    ("POST", "/household/members/{user_id}/remove"): "who belongs",
    ("POST", "/household/members/{user_id}/role"): "who belongs",
    ("POST", "/household/members/{user_id}/transfer"): "who belongs",
    ("POST", "/settings/privacy/erase"): "takes it away from everybody",
    ("PUT", "/api/v1/members/{user_id}"): "who belongs",
}
"""Routes that a member is refused."""

OPERATORS_ONLY = {
    ("GET", "/operations"): "how the server is; nobody else learns that it is there",
    ("POST", "/operations/try-again"): "how the server is",
}
"""Routes that answer 404 to everybody but who runs the server, whatever their role."""

FOR_GUESTS = {
    ("GET", "/"): "leads to the accounts",
    ("GET", "/accounts"): "those that are shared with them",
    ("GET", "/api/v1/accounts/"): "those that are shared with them",
    ("GET", "/api/v1/accounts/summary/overview"): "of what is shared with them",
    ("GET", "/api/v1/auth/me"): "who they are",
    ("GET", "/api/v1/auth/tokens"): "one's own",
    ("GET", "/api/v1/households"): "one's own",
    ("GET", "/api/v1/notices"): "one's own",
    ("GET", "/api/v1/transactions/"): "of what is shared with them",
    ("GET", "/api/v1/transactions/analytics"): "of what is shared with them",
    ("GET", "/api/v1/transactions/totals"): "of what is shared with them",
    ("GET", "/confirm"): "shows again who one is",
    ("GET", "/household"): "themselves, and the way out",
    ("GET", "/notices"): "one's own",
    ("GET", "/settings"): "one's own",
    ("GET", "/settings/passkeys"): "one's own",
    ("GET", "/settings/privacy"): "what one may ask",
    ("GET", "/settings/tokens"): "one's own",
    ("GET", "/settings/tokens/new"): "one's own",
    ("GET", "/settings/two-step"): "one's own",
    ("GET", "/transactions"): "of what is shared with them",
    ("GET", "/transactions/totals"): "of what is shared with them",
    ("POST", "/api/v1/transactions/export"): "takes a copy of what is shared with them",
    ("POST", "/transactions/export"): "takes a copy of what is shared with them",
}
"""What a guest may, beside what is one's own: PostgreSQL lets their role read nothing else."""

NAMED = (OPERATORS_ONLY, ONES_OWN, READS_BY_POST, PLANS_A_CHANGE, OWNERS_ONLY, FOR_GUESTS)


def may(role: str, route: Route) -> bool:
    """Tell whether somebody with this role in a household may call this route there."""
    if role == "guest":
        return route.key in ONES_OWN or route.key in FOR_STRANGERS or route.key in FOR_GUESTS
    if route.key in ONES_OWN or route.key in READS_BY_POST or route.key in FOR_STRANGERS:
        return True
    if route.key in OWNERS_ONLY:
        return role == "owner"
    is_read = route.method in SAFE_METHODS and route.key not in PLANS_A_CHANGE
    return is_read or role != "viewer"


BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("PUT", "/api/v1/transactions/{transaction_id}"): {"json": {"note": "taken over"}},
    ("PUT", "/api/v1/imports/{import_id}/layout"): {"json": {"currency": "EUR"}},
    ("POST", "/api/v1/accounts/{account_id}/tie-out/accept"): {
        "json": {"gap": "1.00", "reason": "A fee that nobody listed."}
    },
    ("PUT", "/api/v1/members/{user_id}"): {"json": {"role": "viewer"}},
    ("PUT", "/api/v1/members/{user_id}/accounts"): {"json": {"account_ids": []}},
    ("POST", "/api/v1/household/erase"): {"json": {"household_name": "Another one"}},
    ("POST", "/api/v1/invitations"): {"json": {}},
    ("DELETE", "/api/v1/me"): {"json": {"email": "another@example.org"}},
}
"""What a route needs to get past the shape of its body."""

IDS_ELSEWHERE: dict[tuple[str, str], list[dict[str, object]]] = {
    ("PATCH", "/api/v1/transactions/"): [
        {"json": {"ids": ["{transaction_id}"], "note": "taken over"}},
        {"json": {"category_id": "{category_id}", "all": True}},
        {"json": {"all": True, "note": "taken over"}, "params": {"account": "{account_id}"}},
        {"json": {"all": True, "note": "taken over"}, "params": {"category": "{category_id}"}},
    ],
    ("PUT", "/api/v1/transactions/{transaction_id}"): [
        {"json": {"category_id": "{category_id}"}},
    ],
    ("POST", "/api/v1/households/current"): [{"json": {"household_id": "{household_id}"}}],
    ("POST", "/api/v1/plaid/link-token"): [{"json": {"item_id": "{item_id}"}}],
    ("POST", "/api/v1/simplefin/claim-token"): [
        {"json": {"setup_token": "none", "item_id": "{item_id}"}}
    ],
    ("POST", "/api/v1/imports/"): [
        {
            "data": {"account_id": "{account_id}", "book": "true"},
            "files": {"file": ("a.csv", b"Date,Description,Amount\n2026-03-02,A,-1\n")},
        }
    ],
    ("GET", "/api/v1/audit/"): [{"params": {"cursor": "{transaction_id}"}}],
    ("GET", "/api/v1/notices"): [{"params": {"cursor": "{transaction_id}"}}],
    ("POST", "/api/v1/notices/read"): [{"json": {"up_to": "{transaction_id}"}}],
    ("POST", "/notices/read"): [{"data": {"up_to": "{transaction_id}"}}],
    ("GET", "/api/v1/history/"): [{"params": {"account": "{account_id}"}}],
    ("GET", "/api/v1/transactions/"): [
        {"params": {"account": "{account_id}"}},
        {"params": {"category": "{category_id}"}},
    ],
    ("GET", "/api/v1/transactions/totals"): [
        {"params": {"account": "{account_id}"}},
        {"params": {"category": "{category_id}"}},
    ],
    ("GET", "/transactions"): [{"params": {"account": "{account_id}"}}],
    ("GET", "/transactions/totals"): [{"params": {"account": "{account_id}"}}],
    ("GET", "/history"): [{"params": {"account": "{account_id}"}}],
    ("PUT", "/api/v1/members/{user_id}/accounts"): [{"json": {"account_ids": ["{account_id}"]}}],
    ("POST", "/household/open"): [{"data": {"household_id": "{household_id}"}}],
    ("POST", "/settings/sessions/end"): [{"data": {"session_id": "{session_id}"}}],
    ("POST", "/settings/tokens/revoke"): [{"data": {"token_id": "{token_id}"}}],
    ("POST", "/transactions/edit"): [{"data": {"ids": "{transaction_id}", "note": "taken over"}}],
    ("POST", "/transactions/export"): [{"params": {"account": "{account_id}"}}],
    ("POST", "/api/v1/transactions/export"): [
        {"params": {"account": "{account_id}"}},
        {"params": {"category": "{category_id}"}},
    ],
}
"""Ids that come in bodies and queries: `{account_id}` stands for Ada's, or for nobody's."""
