"""Plaid's error codes: what each means for us, and what we tell the user."""

from dataclasses import dataclass

import msgspec

from app.providers.base import (
    ConsentRequiredError,
    CursorRefusedError,
    ItemGoneError,
    PaginationChangedError,
    ProductUnavailableError,
    ProviderContractError,
    ProviderError,
    ProviderSetupError,
    ProviderUnavailableError,
    ReauthRequiredError,
)
from app.providers.decoding import DECODE_ERRORS, without_nul
from app.providers.plaid.structs import Error

RATE_LIMIT_SECONDS = 60.0
"""Plaid counts per minute and says no more than "later"."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a code means: the error to raise, and words for the user."""

    error: type[ProviderError]
    message: str
    retry_now: bool = False
    """The same call may succeed within seconds."""
    retry_after_seconds: float | None = None


_SIGN_IN = "Please sign in to your bank again to repair this connection."
_CHECK_SITE = "Your bank wants you to do something on its own site first. Then sign in again here."
_RELINK = "This connection has ended at the bank. Please link the bank again."
_ALLOW = "Your bank shares none of these accounts with us yet. Please choose what to share."
_BANK_DOWN = "Your bank is not answering at the moment. We will try again by ourselves."
_SERVICE_DOWN = "The bank data service is not answering at the moment. We will try again."
_LIMITED = "We asked the bank data service too often. We will try again by ourselves."
_NOT_YET = "The bank data service is still collecting your data. We will try again."
_NO_DATA = "This bank connection has no data of this kind."
_OPERATOR = (
    "This needs the operator of this installation: the bank data service refused our set-up."
)
_BUG = "We asked the bank data service something it did not accept. The operator has been told."
_READ_AGAIN = "The bank data service asks us to read everything again."
_LINKING = "Linking did not work. Please start again."

_CODES: dict[Rule, str] = {
    Rule(ReauthRequiredError, _SIGN_IN): """
        ITEM_LOGIN_REQUIRED INVALID_CREDENTIALS INSUFFICIENT_CREDENTIALS INVALID_MFA
        INVALID_UPDATED_USERNAME USER_INPUT_TIMEOUT PENDING_EXPIRATION PENDING_DISCONNECT""",
    Rule(ReauthRequiredError, _CHECK_SITE): """
        ITEM_LOCKED PASSWORD_RESET_REQUIRED USER_SETUP_REQUIRED""",
    Rule(ConsentRequiredError, _ALLOW): """
        ACCESS_NOT_GRANTED NO_ACCOUNTS ADDITIONAL_CONSENT_REQUIRED""",
    Rule(ItemGoneError, _RELINK): """
        ITEM_CONCURRENTLY_DELETED ITEM_NOT_FOUND INVALID_ACCESS_TOKEN USER_PERMISSION_REVOKED
        ACCESS_REVOKED""",
    Rule(ItemGoneError, "This bank cannot be read through the bank data service any more."): """
        ITEM_NOT_SUPPORTED MFA_NOT_SUPPORTED INSTITUTION_NO_LONGER_SUPPORTED""",
    Rule(ProductUnavailableError, _NO_DATA): """
        NO_AUTH_ACCOUNTS NO_INVESTMENT_ACCOUNTS NO_INVESTMENT_AUTH_ACCOUNTS
        NO_LIABILITY_ACCOUNTS PRODUCT_NOT_ENABLED PRODUCTS_NOT_SUPPORTED""",
    Rule(ProviderUnavailableError, _NOT_YET, retry_after_seconds=30): "PRODUCT_NOT_READY",
    Rule(ProviderUnavailableError, _BANK_DOWN, retry_after_seconds=300): """
        INSTITUTION_DOWN INSTITUTION_NOT_RESPONDING INSTITUTION_NOT_AVAILABLE
        UNSUPPORTED_RESPONSE""",
    Rule(ProviderUnavailableError, _SERVICE_DOWN, retry_now=True): "INTERNAL_SERVER_ERROR",
    Rule(ProviderUnavailableError, _SERVICE_DOWN, retry_after_seconds=300): "PLANNED_MAINTENANCE",
    Rule(ProviderUnavailableError, _LIMITED, retry_after_seconds=RATE_LIMIT_SECONDS): """
        ACCOUNTS_LIMIT ACCOUNTS_BALANCE_GET_LIMIT AUTH_LIMIT BALANCE_LIMIT IDENTITY_LIMIT
        INSTITUTIONS_GET_LIMIT INSTITUTIONS_GET_BY_ID_LIMIT INVESTMENT_HOLDINGS_GET_LIMIT
        INVESTMENT_TRANSACTIONS_LIMIT ITEM_GET_LIMIT RATE_LIMIT TRANSACTIONS_LIMIT
        TRANSACTIONS_SYNC_LIMIT TRANSACTIONS_REFRESH_LIMIT INSTITUTION_RATE_LIMIT""",
    Rule(PaginationChangedError, _NOT_YET): "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION",
    Rule(ProviderSetupError, _OPERATOR): """
        CREDITS_EXHAUSTED INSTITUTION_NOT_ENABLED_IN_ENVIRONMENT UNAUTHORIZED_INSTITUTION
        INSTITUTION_REGISTRATION_REQUIRED INVALID_API_KEYS INVALID_PRODUCT PRODUCT_UNAVAILABLE
        UNAUTHORIZED_ENVIRONMENT UNAUTHORIZED_ROUTE_ACCESS""",
    Rule(ProviderContractError, _LINKING): """
        INSTANT_MATCH_FAILED INVALID_SEND_METHOD INVALID_PHONE_NUMBER INVALID_OTP
        INVALID_LINK_TOKEN INVALID_PUBLIC_TOKEN INCORRECT_OAUTH_NONCE INCORRECT_LINK_TOKEN
        OAUTH_STATE_ID_ALREADY_PROCESSED OAUTH_STATE_ID_NOT_FOUND""",
    Rule(ProviderContractError, _BUG): """
        DIRECT_INTEGRATION_NOT_ENABLED INCORRECT_DEPOSIT_VERIFICATION INVALID_ACCOUNT_ID
        INVALID_AUDIT_COPY_TOKEN INVALID_INSTITUTION INVALID_LINK_CUSTOMIZATION
        INVALID_PROCESSOR_TOKEN INVALID_PRODUCTS INVALID_STRIPE_ACCOUNT INVALID_USER_TOKEN
        INVALID_WEBHOOK_VERIFICATION_KEY_ID TOO_MANY_VERIFICATION_ATTEMPTS
        INCOMPATIBLE_API_VERSION INVALID_ACCOUNT_NUMBER INVALID_BODY INVALID_CONFIGURATION
        INVALID_FIELD INVALID_HEADERS MISSING_FIELDS NO_LONGER_AVAILABLE NOT_FOUND SANDBOX_ONLY
        UNKNOWN_FIELDS SANDBOX_PRODUCT_NOT_ENABLED SANDBOX_WEBHOOK_INVALID
        SANDBOX_TRANSFER_EVENT_TRANSITION_INVALID""",
}

RULES: dict[str, Rule] = {code: rule for rule, codes in _CODES.items() for code in codes.split()}

_BY_TYPE: dict[str, Rule] = {
    "ITEM_ERROR": Rule(ReauthRequiredError, _SIGN_IN),
    "INSTITUTION_ERROR": Rule(ProviderUnavailableError, _BANK_DOWN, retry_after_seconds=300),
    "API_ERROR": Rule(ProviderUnavailableError, _SERVICE_DOWN, retry_now=True),
    "RATE_LIMIT_EXCEEDED": RULES["RATE_LIMIT"],
    "INVALID_RESULT": Rule(ProviderUnavailableError, _BANK_DOWN, retry_after_seconds=300),
    "TRANSACTIONS_ERROR": Rule(ProviderUnavailableError, _NOT_YET, retry_after_seconds=60),
    "OAUTH_ERROR": RULES["INVALID_PUBLIC_TOKEN"],
}
_UNKNOWN = Rule(ProviderContractError, _BUG)
_CURSOR_REFUSED = Rule(CursorRefusedError, _READ_AGAIN)
_OUTAGE = Rule(ProviderUnavailableError, _SERVICE_DOWN, retry_now=True)


def rule_of(error_type: str, error_code: str) -> Rule:
    """Return what a code means; one that we do not know means what its type usually does."""
    return RULES.get(error_code) or _BY_TYPE.get(error_type, _UNKNOWN)


def message_of(error_type: str, error_code: str) -> str:
    """Return the words for the user; never Plaid's, which are for developers."""
    return rule_of(error_type, error_code).message


def rule_and_error(
    status: int, body: bytes, retry_after_seconds: float | None = None
) -> tuple[Rule, ProviderError]:
    """Return the error to raise for an answer that is not a success, and its rule.

    An answer without Plaid's error object comes from something between us: an outage, except
    that a status of 4xx other than 408 and 429 says that we are at fault.
    """
    error = _parsed(body)
    if error is not None and error.error_code:
        rule = (
            _CURSOR_REFUSED
            if _refuses_cursor(error)
            else rule_of(error.error_type, error.error_code)
        )
        code, request_id = error.error_code[:100], error.request_id
    else:
        at_fault = 400 <= status < 500 and status not in (408, 429)
        rule = RULES["RATE_LIMIT"] if status == 429 else _UNKNOWN if at_fault else _OUTAGE
        code, request_id = f"HTTP_{status}", None
    return rule, raised(rule, code, request_id, retry_after_seconds)


def _refuses_cursor(error: Error) -> bool:
    """Tell whether it is our cursor that is wrong: Plaid has no code for that, only words."""
    return error.error_code == "INVALID_FIELD" and "cursor" in (error.error_message or "").lower()


def raised(
    rule: Rule, code: str, request_id: str | None = None, retry_after_seconds: float | None = None
) -> ProviderError:
    """Make the exception of a rule."""
    if rule.error is ProviderUnavailableError:
        return ProviderUnavailableError(
            code,
            rule.message,
            request_id=request_id,
            retry_after_seconds=(
                rule.retry_after_seconds if retry_after_seconds is None else retry_after_seconds
            ),
        )
    return rule.error(code, rule.message, request_id=request_id)


def outage(code: str) -> ProviderUnavailableError:
    """Return the error for "no usable answer"."""
    return ProviderUnavailableError(code, _SERVICE_DOWN)


def limited(retry_after_seconds: float) -> ProviderUnavailableError:
    """Return the error for a limit of Plaid's that we keep by ourselves."""
    return ProviderUnavailableError(
        "OWN_RATE_LIMIT", _LIMITED, retry_after_seconds=retry_after_seconds
    )


def _parsed(body: bytes) -> Error | None:
    try:
        return msgspec.json.decode(without_nul(body), type=Error)
    except DECODE_ERRORS:
        return None
