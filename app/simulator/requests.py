"""Which fields each endpoint takes, and the check that refuses everything else."""

from typing import Any

from app.simulator.errors import PlaidError, invalid_field

_TEXTS = {"text": str, "number": int, "flag": bool, "list": list, "object": dict}
Fields = dict[str, Any]
"""Name → kind, or a nested `Fields`. `!` after the name: required; `?` after the kind: nullable."""

_ACCESS: Fields = {"access_token!": "text"}
_SOME_ACCOUNTS: Fields = {"account_ids": "list"}
_ROWS: Fields = {
    "include_original_description": "flag?",
    "include_personal_finance_category": "flag",
    "include_logo_and_counterparty_beta": "flag",
    "personal_finance_category_version": "text",
    "days_requested": "number",
}
_METADATA: Fields = {
    "include_optional_metadata": "flag",
    "include_auth_metadata": "flag",
    "include_payment_initiation_metadata": "flag",
}
_SUBTYPES: Fields = {"account_subtypes!": "list", "limited_purpose_types": "list"}

LINK_TOKEN_CREATE: Fields = {
    "client_name!": "text",
    "language!": "text",
    "country_codes!": "list",
    "user": "object",
    "user_id": "text?",
    "user_token": "text?",
    "products": "list?",
    "required_if_supported_products": "list?",
    "optional_products": "list?",
    "additional_consented_products": "list?",
    "webhook": "text?",
    "access_token": "text?",
    "access_tokens": "list?",
    "link_customization_name": "text?",
    "appearance_mode": "text?",
    "redirect_uri": "text?",
    "android_package_name": "text?",
    "account_filters": dict.fromkeys(
        ("depository", "credit", "loan", "investment", "other"), _SUBTYPES
    ),
    "institution_id": "text?",
    "institution_data": "object",
    "update": {
        "account_selection_enabled": "flag",
        "reauthorization_enabled": "flag",
        "user": "flag",
        "item_ids": "list?",
    },
    "investments": "object",
    "hosted_link": {
        "delivery_method": "text?",
        "completion_redirect_uri": "text",
        "url_lifetime_seconds": "number",
        "is_mobile_app": "flag",
    },
    "transactions": {"days_requested": "number"},
    "enable_multi_item_link": "flag",
    "auth": "object",
    "statements": "object",
    "identity": "object",
    "eu_config": "object",
}

REQUESTS: dict[str, Fields] = {
    "/link/token/create": LINK_TOKEN_CREATE,
    "/link/token/get": {"link_token!": "text"},
    "/item/public_token/exchange": {"public_token!": "text"},
    "/item/public_token/create": _ACCESS,
    "/item/get": _ACCESS,
    "/item/remove": _ACCESS | {"reason_code": "text?", "reason_note": "text?"},
    "/item/webhook/update": _ACCESS | {"webhook": "text?"},
    "/item/access_token/invalidate": _ACCESS,
    "/accounts/get": _ACCESS | {"options": _SOME_ACCOUNTS},
    "/accounts/balance/get": _ACCESS
    | {"options": _SOME_ACCOUNTS | {"min_last_updated_datetime": "text"}},
    "/transactions/sync": _ACCESS
    | {"cursor": "text?", "count": "number", "options": _ROWS | {"account_id": "text"}},
    "/transactions/get": _ACCESS
    | {
        "start_date!": "text",
        "end_date!": "text",
        "options": _ROWS
        | _SOME_ACCOUNTS
        | {
            "count": "number",
            "offset": "number",
            "include_personal_finance_category_beta": "flag",
        },
    },
    "/transactions/recurring/get": _ACCESS | {"account_ids": "list", "options": _ROWS},
    "/transactions/refresh": _ACCESS,
    "/investments/holdings/get": _ACCESS | {"options": _SOME_ACCOUNTS},
    "/investments/transactions/get": _ACCESS
    | {
        "start_date!": "text",
        "end_date!": "text",
        "options": _SOME_ACCOUNTS | {"count": "number", "offset": "number", "async_update": "flag"},
    },
    "/investments/refresh": _ACCESS,
    "/liabilities/get": _ACCESS | {"options": _SOME_ACCOUNTS},
    "/institutions/get": {
        "count!": "number",
        "offset!": "number",
        "country_codes!": "list",
        "options": _METADATA | {"products": "list?", "routing_numbers": "list?", "oauth": "flag?"},
    },
    "/institutions/get_by_id": {
        "institution_id!": "text",
        "country_codes!": "list",
        "options": _METADATA | {"include_status": "flag"},
    },
    "/institutions/search": {
        "query!": "text",
        "products": "list?",
        "country_codes!": "list",
        "options": _METADATA | {"oauth": "flag?", "payment_initiation": "object?"},
    },
    "/categories/get": {},
    "/webhook_verification_key/get": {"key_id!": "text"},
    "/sandbox/public_token/create": {
        "institution_id!": "text",
        "initial_products!": "list",
        "options": {
            "webhook": "text",
            "override_username": "text?",
            "override_password": "text?",
            "transactions": "object?",
            "statements": "object?",
            "income_verification": "object?",
        },
        "user_token": "text",
        "user_id": "text",
    },
    "/sandbox/item/reset_login": _ACCESS,
    "/sandbox/item/fire_webhook": _ACCESS
    | {"webhook_code!": "text", "webhook_type": "text", "options": {"new_transactions": "number"}},
    "/sandbox/transactions/create": _ACCESS | {"transactions!": "list"},
    "/sandbox/user/reset_login": {"user_token": "text", "user_id": "text", "item_ids": "list?"},
    "/sandbox/item/set_verification_status": _ACCESS
    | {"account_id!": "text", "verification_status!": "text"},
    "/sandbox/oauth/select_accounts": {"oauth_state_id!": "text", "accounts!": "list"},
}
"""By path; `client_id` and `secret` are taken everywhere."""


def check_fields(path: str, body: dict[str, Any]) -> None:
    """Refuse a body with missing, unknown or wrongly typed fields.

    Raises:
        PlaidError: MISSING_FIELDS, UNKNOWN_FIELDS or INVALID_FIELD, naming the fields.
    """
    fields = REQUESTS[path] | {"client_id": "text?", "secret": "text?"}
    missing = _missing(fields, body, "")
    if missing:
        names = ", ".join(missing)
        raise PlaidError("MISSING_FIELDS", f"the following required fields are missing: {names}")
    unknown = _unknown(fields, body, "")
    if unknown:
        names = ", ".join(unknown)
        raise PlaidError(
            "UNKNOWN_FIELDS", f"the following fields are not recognized by this endpoint: {names}"
        )
    _check_kinds(fields, body, "")


def _missing(fields: Fields, body: dict[str, Any], prefix: str) -> list[str]:
    names = [
        prefix + name[:-1] for name in fields if name.endswith("!") and body.get(name[:-1]) is None
    ]
    for name, kind in fields.items():
        inner = body.get(name.rstrip("!"))
        if isinstance(kind, dict) and isinstance(inner, dict):
            names += _missing(kind, inner, f"{prefix}{name}.")
    return names


def _unknown(fields: Fields, body: dict[str, Any], prefix: str) -> list[str]:
    known = {name.rstrip("!"): kind for name, kind in fields.items()}
    names = [prefix + name for name in body if name not in known]
    for name, inner in body.items():
        kind = known.get(name)
        if isinstance(kind, dict) and isinstance(inner, dict):
            names += _unknown(kind, inner, f"{prefix}{name}.")
    return names


def _check_kinds(fields: Fields, body: dict[str, Any], prefix: str) -> None:
    for marked, kind in fields.items():
        name = marked.rstrip("!")
        if name not in body:
            continue
        value = body[name]
        if isinstance(kind, dict):
            if not isinstance(value, dict):
                raise invalid_field(f"{prefix}{name} must be an object, and not null")
            _check_kinds(kind, value, f"{prefix}{name}.")
            continue
        wanted = _TEXTS[kind.rstrip("?")]
        is_null = value is None and kind.endswith("?")
        # A bool is an int in Python, but not in JSON.
        is_odd_flag = wanted is int and isinstance(value, bool)
        if not is_null and (not isinstance(value, wanted) or is_odd_flag):
            raise invalid_field(f"{prefix}{name} must be a {kind.rstrip('?')}")
