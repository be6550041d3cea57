import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers import base
from app.providers.plaid.errors import RULES, message_of, rule_and_error, rule_of


@pytest.mark.parametrize(
    ("error", "codes"),
    [
        (
            base.ReauthRequiredError,
            "ITEM_LOGIN_REQUIRED INVALID_CREDENTIALS INSUFFICIENT_CREDENTIALS INVALID_MFA "
            "INVALID_UPDATED_USERNAME ITEM_LOCKED PASSWORD_RESET_REQUIRED USER_SETUP_REQUIRED "
            "USER_INPUT_TIMEOUT",
        ),
        (base.ConsentRequiredError, "ACCESS_NOT_GRANTED NO_ACCOUNTS ADDITIONAL_CONSENT_REQUIRED"),
        (
            base.ItemGoneError,
            "ITEM_NOT_FOUND ITEM_NOT_SUPPORTED MFA_NOT_SUPPORTED ITEM_CONCURRENTLY_DELETED "
            "INSTITUTION_NO_LONGER_SUPPORTED INVALID_ACCESS_TOKEN USER_PERMISSION_REVOKED",
        ),
        (
            base.ProductUnavailableError,
            "NO_AUTH_ACCOUNTS NO_INVESTMENT_ACCOUNTS NO_INVESTMENT_AUTH_ACCOUNTS "
            "NO_LIABILITY_ACCOUNTS PRODUCT_NOT_ENABLED PRODUCTS_NOT_SUPPORTED",
        ),
        (
            base.ProviderUnavailableError,
            "PRODUCT_NOT_READY INSTITUTION_DOWN INSTITUTION_NOT_RESPONDING "
            "INSTITUTION_NOT_AVAILABLE UNSUPPORTED_RESPONSE INTERNAL_SERVER_ERROR "
            "PLANNED_MAINTENANCE RATE_LIMIT TRANSACTIONS_SYNC_LIMIT ITEM_GET_LIMIT",
        ),
        (base.PaginationChangedError, "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION"),
        (
            base.ProviderSetupError,
            "INVALID_API_KEYS INVALID_PRODUCT CREDITS_EXHAUSTED UNAUTHORIZED_ENVIRONMENT "
            "UNAUTHORIZED_ROUTE_ACCESS UNAUTHORIZED_INSTITUTION PRODUCT_UNAVAILABLE "
            "INSTITUTION_NOT_ENABLED_IN_ENVIRONMENT INSTITUTION_REGISTRATION_REQUIRED",
        ),
        (
            base.ProviderContractError,
            "UNKNOWN_FIELDS MISSING_FIELDS INVALID_FIELD INVALID_BODY INVALID_PUBLIC_TOKEN "
            "INVALID_LINK_TOKEN INVALID_WEBHOOK_VERIFICATION_KEY_ID SANDBOX_ONLY",
        ),
    ],
)
def test_each_code_means_what_the_contract_says(error, codes):
    for code in codes.split():
        assert RULES[code].error is error, code


def test_every_message_is_a_sentence_for_people():
    for code, rule in RULES.items():
        assert rule.message[0].isupper(), code
        assert rule.message.endswith("."), code
        assert "_" not in rule.message, code
        assert "Plaid" not in rule.message, code


@pytest.mark.parametrize(
    ("error_type", "error"),
    [
        ("ITEM_ERROR", base.ReauthRequiredError),
        ("INSTITUTION_ERROR", base.ProviderUnavailableError),
        ("API_ERROR", base.ProviderUnavailableError),
        ("RATE_LIMIT_EXCEEDED", base.ProviderUnavailableError),
        ("INVALID_INPUT", base.ProviderContractError),
        ("A_TYPE_OF_2027", base.ProviderContractError),
    ],
)
def test_an_unknown_code_means_what_its_type_means(error_type, error):
    assert rule_of(error_type, "A_CODE_OF_2027").error is error
    assert message_of(error_type, "A_CODE_OF_2027")


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (502, b"<html>Bad Gateway</html>", base.ProviderUnavailableError, "HTTP_502"),
        (500, b"", base.ProviderUnavailableError, "HTTP_500"),
        (503, b'{"error_type": "API', base.ProviderUnavailableError, "HTTP_503"),
        (302, b"", base.ProviderUnavailableError, "HTTP_302"),
        (429, b"slow down", base.ProviderUnavailableError, "HTTP_429"),
        (408, b"", base.ProviderUnavailableError, "HTTP_408"),
        (404, b"<html>", base.ProviderContractError, "HTTP_404"),
        (400, b"{}", base.ProviderContractError, "HTTP_400"),
        (400, b"[" * 100_000, base.ProviderContractError, "HTTP_400"),
        (400, b'{"error_code": 7}', base.ProviderContractError, "HTTP_400"),
    ],
)
def test_an_answer_without_plaids_error_object_is_judged_by_its_status(status, body, error, code):
    _, raised = rule_and_error(status, body)

    assert type(raised) is error
    assert raised.code == code


def test_an_error_carries_code_request_and_our_words_but_not_theirs():
    body = json.dumps(
        {
            "error_type": "ITEM_ERROR",
            "error_code": "ITEM_LOGIN_REQUIRED",
            "error_message": "secret foreign words",
            "display_message": "<script>",
            "request_id": "HNTDNrA8F1shFEW",
        }
    ).encode()

    _, error = rule_and_error(400, body)

    assert type(error) is base.ReauthRequiredError
    assert (error.code, error.request_id) == ("ITEM_LOGIN_REQUIRED", "HNTDNrA8F1shFEW")
    assert "foreign" not in str(error)
    assert "script" not in str(error)


@given(st.integers(300, 599), st.binary(max_size=200))
def test_whatever_comes_back_is_a_provider_error(status, body):
    _, error = rule_and_error(status, body)

    assert isinstance(error, base.ProviderError)
    assert error.message


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("cursor not associated with access_token", base.CursorRefusedError),
        ("Cursor is invalid: it belongs to another Item", base.CursorRefusedError),
        ("count must be at most 500", base.ProviderContractError),
        (None, base.ProviderContractError),
    ],
)
def test_XN6_a_refused_cursor_is_known_by_its_words(message, error):
    body = {"error_code": "INVALID_FIELD", "error_message": message}

    _, raised = rule_and_error(400, json.dumps(body).encode())

    assert type(raised) is error
    assert raised.code == "INVALID_FIELD"
