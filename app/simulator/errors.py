"""Plaid's error model: types, codes, HTTP statuses and messages."""

from typing import Any

_TRY_SOON = "this institution is not currently responding to this request. please try again soon"
_TRY_LATER = "rate limit exceeded for attempts to access this item. please try again later"
_UNREACHABLE = "We could not reach your bank. Please try again soon."
_SIGN_IN = "Please check what you entered and try again."

_Known = tuple[str, int, str, str | None]


def _group(
    kind: str, status: int, messages: dict[str, tuple[str, str | None]]
) -> dict[str, _Known]:
    return {code: (kind, status, *texts) for code, texts in messages.items()}


_ITEM: dict[str, tuple[str, str | None]] = {
    "ACCESS_NOT_GRANTED": (
        "access to this product was not granted for the account",
        "Please allow access to this account.",
    ),
    "INSUFFICIENT_CREDENTIALS": (
        "insufficient authorization was provided to complete the request",
        _SIGN_IN,
    ),
    "INVALID_CREDENTIALS": ("the provided credentials were not correct", _SIGN_IN),
    "INVALID_MFA": ("the provided MFA response(s) were not correct", _SIGN_IN),
    "INVALID_OTP": ("the provided OTP was invalid", _SIGN_IN),
    "INVALID_PHONE_NUMBER": ("the provided phone number was invalid", _SIGN_IN),
    "INVALID_SEND_METHOD": ("the provided MFA send_method was invalid", None),
    "ITEM_CONCURRENTLY_DELETED": (
        "This item was deleted while the operation was in progress",
        None,
    ),
    "ITEM_LOCKED": (
        "the account is locked. prompt the user to visit the institution's site and unlock "
        "their account",
        "Your account is locked. Unlock it at your bank's site, then try again.",
    ),
    "ITEM_LOGIN_REQUIRED": (
        "the login details of this item have changed (credentials, MFA, or required user action) "
        "and a user login is required to update this information. use Link's update mode to "
        "restore the item to a good state",
        None,
    ),
    "ITEM_NOT_FOUND": (
        "The Item you requested cannot be found. This Item does not exist, has been previously "
        "removed via /item/remove, or has had access removed by the user.",
        None,
    ),
    "ITEM_NOT_SUPPORTED": (
        "this account is currently not supported",
        "This account is not supported.",
    ),
    "MFA_NOT_SUPPORTED": (
        "this account requires a MFA type that we do not currently support for the institution",
        "This account's security settings are not supported.",
    ),
    "NO_ACCOUNTS": ("no valid accounts were found for this item", "No accounts were found."),
    "NO_AUTH_ACCOUNTS": (
        "There are no valid checking or savings account(s) associated with this Item.",
        None,
    ),
    "NO_INVESTMENT_ACCOUNTS": (
        "There are no valid investment account(s) associated with this Item.",
        None,
    ),
    "NO_LIABILITY_ACCOUNTS": (
        "There are no valid liability account(s) associated with this Item.",
        None,
    ),
    "PASSWORD_RESET_REQUIRED": (
        "user must reset their password",
        "Reset your password at your bank's site, then try again.",
    ),
    "PRODUCT_NOT_ENABLED": (
        "A requested product was not enabled for the current access token.",
        None,
    ),
    "PRODUCT_NOT_READY": (
        "the requested product is not yet ready. please provide a webhook or try the request "
        "again later",
        None,
    ),
    "PRODUCTS_NOT_SUPPORTED": ("the product is not supported for this item", None),
    "USER_INPUT_TIMEOUT": ("user must retry this operation", "The session timed out."),
    "USER_SETUP_REQUIRED": (
        "the account has not been fully set up. prompt the user to visit the issuing "
        "institution's site and finish the setup process",
        "Finish setting up your account at your bank's site.",
    ),
}

_INSTITUTION: dict[str, tuple[str, str | None]] = {
    "INSTITUTION_DOWN": (_TRY_SOON, _UNREACHABLE),
    "INSTITUTION_NOT_RESPONDING": (_TRY_SOON, _UNREACHABLE),
    "INSTITUTION_NOT_AVAILABLE": (_TRY_SOON, _UNREACHABLE),
    "INSTITUTION_NO_LONGER_SUPPORTED": (
        "this institution is no longer supported",
        "This bank is no longer supported.",
    ),
    "INSTITUTION_NOT_ENABLED_IN_ENVIRONMENT": (
        "Institution not enabled in this environment",
        None,
    ),
    "INSTITUTION_REGISTRATION_REQUIRED": (
        "not yet registered to create items for this institution",
        "This bank is not available yet.",
    ),
    "UNAUTHORIZED_INSTITUTION": (
        "not authorized to create items for this institution",
        "This bank is not available.",
    ),
    "UNSUPPORTED_RESPONSE": (
        "the data returned from the financial institution is not valid",
        _UNREACHABLE,
    ),
}

_LIMITS = (
    "ACCOUNTS_LIMIT ACCOUNTS_BALANCE_GET_LIMIT AUTH_LIMIT BALANCE_LIMIT IDENTITY_LIMIT "
    "INSTITUTIONS_GET_LIMIT INSTITUTIONS_GET_BY_ID_LIMIT INSTITUTION_RATE_LIMIT "
    "INVESTMENT_HOLDINGS_GET_LIMIT INVESTMENT_TRANSACTIONS_LIMIT ITEM_GET_LIMIT RATE_LIMIT "
    "TRANSACTIONS_LIMIT TRANSACTIONS_SYNC_LIMIT TRANSACTIONS_REFRESH_LIMIT ADDITION_LIMIT"
).split()

_INPUT: dict[str, tuple[str, str | None]] = {
    "ADDITIONAL_CONSENT_REQUIRED": (
        "client does not have user consent to access the product",
        None,
    ),
    "INVALID_ACCESS_TOKEN": ("could not find matching access token", None),
    "INVALID_ACCOUNT_ID": ("failed to find requested account ID for requested item", None),
    "INVALID_API_KEYS": ("invalid client_id or secret provided", None),
    "INVALID_INSTITUTION": ("invalid institution_id provided", None),
    "INVALID_LINK_TOKEN": ("invalid link_token provided", None),
    "INVALID_PRODUCT": ("client is not authorized to access the following products", None),
    "INVALID_PUBLIC_TOKEN": ("could not find matching public token", None),
    "INVALID_USER_TOKEN": ("could not find matching user token", None),
    "INVALID_WEBHOOK_VERIFICATION_KEY_ID": (
        "invalid key_id provided. note that key_ids are specific to Plaid environments, and "
        "verification requests must be made to the same environment that the webhook was sent "
        "from",
        None,
    ),
    "UNAUTHORIZED_ENVIRONMENT": (
        "you are not authorized to create items in this api environment.",
        None,
    ),
    "USER_PERMISSION_REVOKED": (
        "the holder of this account has revoked their permission for your application to access it",
        None,
    ),
}

_REQUEST: dict[str, tuple[str, str | None]] = {
    "INVALID_BODY": ("body could not be parsed as JSON", None),
    "INVALID_CONFIGURATION": ("please ensure that the request body is formatted correctly", None),
    "INVALID_FIELD": ("a field is invalid", None),
    "MISSING_FIELDS": ("the following required fields are missing", None),
    "NOT_FOUND": ("not found", None),
    "UNKNOWN_FIELDS": ("the following fields are not recognized by this endpoint", None),
}

ERRORS: dict[str, _Known] = {
    **_group("ITEM_ERROR", 400, _ITEM),
    **_group("INSTITUTION_ERROR", 400, _INSTITUTION),
    **_group("RATE_LIMIT_EXCEEDED", 429, dict.fromkeys(_LIMITS, (_TRY_LATER, None))),
    **_group("INVALID_INPUT", 400, _INPUT),
    **_group("INVALID_REQUEST", 400, _REQUEST),
    "INTERNAL_SERVER_ERROR": ("API_ERROR", 500, "an unexpected error occurred", None),
    "PLANNED_MAINTENANCE": (
        "API_ERROR",
        503,
        "the Plaid API is temporarily unavailable due to planned maintenance. visit "
        "https://status.plaid.com/ for more information",
        None,
    ),
    "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION": (
        "TRANSACTIONS_ERROR",
        400,
        "Underlying transaction data changed since last page was fetched. Please restart "
        "pagination from last update.",
        None,
    ),
    "OAUTH_STATE_ID_NOT_FOUND": (
        "OAUTH_ERROR",
        404,
        "the provided oauth_state_id wasn't found",
        None,
    ),
    "SANDBOX_PRODUCT_NOT_ENABLED": (
        "SANDBOX_ERROR",
        400,
        "The product is not enabled on this item",
        None,
    ),
    "SANDBOX_WEBHOOK_INVALID": (
        "SANDBOX_ERROR",
        400,
        "Webhook for this item is either not set up, or invalid. Please update the item's "
        "webhook and try again.",
        None,
    ),
}
"""By code: type, HTTP status, message, message for the user."""


class PlaidError(Exception):
    """An answer with Plaid's error body."""

    def __init__(self, code: str, message: str | None = None, display: str | None = None) -> None:
        """Take the code's documented type, status and texts, or these texts instead."""
        kind, status, known_message, known_display = ERRORS.get(
            code, ("API_ERROR", 500, code.lower(), None)
        )
        super().__init__(code)
        self.code = code
        self.kind = kind
        self.status = status
        self.message = message or known_message
        self.display = display or known_display

    def body(self) -> dict[str, Any]:
        """Return the error's fields without a request id."""
        return {
            "error_type": self.kind,
            "error_code": self.code,
            "error_message": self.message,
            "display_message": self.display,
            "error_code_reason": None,
            "documentation_url": "https://plaid.com/docs/errors/",
            "suggested_action": None,
        }


def invalid_field(message: str) -> PlaidError:
    """Return the error for a field with a wrong value."""
    return PlaidError("INVALID_FIELD", message)
