import datetime as dt
import threading

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from app.core.http import HttpClient
from app.providers import registry
from app.providers.base import (
    ConsentRequiredError,
    ItemGoneError,
    PaginationChangedError,
    Provider,
    ProviderContractError,
    ProviderError,
    ProviderSetupError,
    ProviderUnavailableError,
    ReauthRequiredError,
    WebhookRefusedError,
)
from app.providers.plaid.client import PlaidClient, PlaidSettings
from app.providers.plaid.limits import PRODUCTION, SANDBOX, RateLimiter
from app.providers.plaid.provider import PlaidProvider
from tests.providers.local_server import (
    as_json,
    endless,
    html,
    plaid_error,
    raw,
    reset,
    silence,
    truncated,
    zipped,
)
from tests.providers.plaid.bodies import account, encode, realistic_page, sync_body, transaction

LINK_TOKEN = as_json(
    {
        "link_token": "link-1",
        "expiration": "2026-11-23T16:00:00Z",
        "hosted_link_url": "https://secure.plaid.com/link/lp9o",
    }
)
OUTAGE = plaid_error("API_ERROR", "INTERNAL_SERVER_ERROR", 500)


class Clock:
    """Passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.seconds += seconds
        self.pauses.append(seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(server, clock):
    settings = PlaidSettings("client-1", "secret-1", server.url, "sandbox")
    http = HttpClient(read_timeout_seconds=0.3, answer_bytes_max=2_000_000)
    yield PlaidProvider(
        settings,
        PlaidClient(settings, http=http, sleep=clock.sleep, monotonic=clock.monotonic),
    )
    http.close()


def sent(server) -> dict:
    [request] = server.requests
    return request.json


def test_it_is_a_provider(provider):
    checked: Provider = provider
    assert (checked.name, checked.webhook_header) == ("plaid", "Plaid-Verification")


def test_the_keys_travel_in_headers_and_nowhere_else(server, provider):
    server.answers = [zipped(sync_body())]
    provider.fetch_transactions("access-1", None)

    [request] = server.requests
    assert request.headers["plaid-client-id"] == "client-1"
    assert request.headers["plaid-secret"] == "secret-1"
    assert request.headers["plaid-version"] == "2020-09-14"
    assert request.headers["accept-encoding"] == "gzip"
    assert b"secret-1" not in request.body
    assert "secret-1" not in request.path + repr(provider._settings)


def test_a_page_of_transactions_is_asked_for_in_full(server, provider):
    body = realistic_page(20)
    server.answers = [zipped(body)]

    page = provider.fetch_transactions("access-1", "cursor-0")

    assert server.requests[0].path == "/transactions/sync"
    assert sent(server) == {
        "access_token": "access-1",
        "cursor": "cursor-0",
        "count": 500,
        "options": {
            "include_original_description": True,
            "personal_finance_category_version": "v2",
        },
    }
    assert page.payload == body
    assert page == provider.decode_page(page.kind, page.payload, "cursor-0")
    assert len(page.changes.upserts) == 20
    first = page.changes.upserts[0]
    assert provider.find_transaction(page.kind, page.payload, first.source_id)["location"]


def test_the_first_page_is_asked_for_without_a_cursor(server, provider):
    server.answers = [as_json({"next_cursor": "", "added": [], "modified": [], "removed": [],
                               "transactions_update_status": "NOT_READY"})]  # fmt: skip

    page = provider.fetch_transactions("access-1", None)

    assert "cursor" not in sent(server)
    assert (page.ready, page.changes.to_cursor) == (False, None)


def test_a_new_link_asks_for_two_years_and_optional_products(server, provider):
    server.answers = [LINK_TOKEN]

    start = provider.start_link(
        user_reference="u-1", webhook_url="https://me/hook", return_url="https://me/back"
    )

    assert sent(server) == {
        "client_name": "Transaction Aggregator",
        "language": "en",
        "country_codes": ["US"],
        "user": {"client_user_id": "u-1"},
        "products": ["transactions"],
        "optional_products": ["investments"],
        "transactions": {"days_requested": 730},
        "webhook": "https://me/hook",
        "hosted_link": {"completion_redirect_uri": "https://me/back"},
    }
    assert (start.link_token, start.url) == ("link-1", "https://secure.plaid.com/link/lp9o")
    assert start.expires_at == dt.datetime(2026, 11, 23, 16, tzinfo=dt.UTC)


def test_a_repair_names_the_item_and_no_products(server, provider):
    server.answers = [LINK_TOKEN]

    provider.start_link(
        user_reference="u-1",
        webhook_url="https://me/hook",
        return_url="https://me/back",
        access_token="access-1",
        select_accounts=True,
    )

    body = sent(server)
    assert body["access_token"] == "access-1"
    assert body["update"] == {"account_selection_enabled": True}
    assert not body.keys() & {"products", "optional_products", "transactions", "webhook"}


def test_keys_without_hosted_link_are_the_operators_business(server, provider):
    server.answers = [as_json({"link_token": "link-1", "expiration": "2026-11-23T16:00:00Z"})]

    with pytest.raises(ProviderSetupError):
        provider.start_link(user_reference="u", webhook_url=None, return_url="https://me/")


FINISHED = {"started_at": "2026-11-23T10:00:00Z", "finished_at": "2026-11-23T10:05:00.330312653Z"}


@pytest.mark.parametrize(
    ("answer", "finished", "tokens", "message"),
    [
        ({}, False, (), None),
        ({"link_sessions": []}, False, (), None),
        ({"link_sessions": [{"started_at": "2026-11-23T10:00:00Z"}]}, False, (), None),
        (
            {"link_sessions": [FINISHED | {"results": {"item_add_results": [
                {"public_token": "p-1", "accounts": []}, {"public_token": "p-2"}]},
                "on_success": {"public_token": "p-1"}}]},
            True, ("p-1", "p-2"), None,
        ),
        ({"link_sessions": [FINISHED | {"on_success": {"public_token": "p-1"}}]},
         True, ("p-1",), None),
        (
            {"link_sessions": [FINISHED | {"on_success": {"public_token": "p-1"}}],
             "metadata": {"initial_products": []}},
            True, (), None,
        ),
        ({"link_sessions": [FINISHED]}, True, (), "You left before the bank was linked."),
        (
            {"link_sessions": [FINISHED | {"on_exit": {"error": {
                "error_type": "INSTITUTION_ERROR", "error_code": "INSTITUTION_DOWN",
                "error_message": "x", "display_message": None}}}]},
            True, (), "Your bank is not answering at the moment. We will try again by ourselves.",
        ),
        (
            {"link_sessions": [FINISHED, {"started_at": "2026-11-23T11:00:00Z"}]},
            False, (), None,
        ),
    ],
)  # fmt: skip
def test_how_a_link_flow_stands(server, provider, answer, finished, tokens, message):
    server.answers = [as_json({"link_token": "link-1", "request_id": "r"} | answer)]

    result = provider.fetch_link("link-1")

    assert (result.finished, result.public_tokens, result.exit_message) == (
        finished, tokens, message,
    )  # fmt: skip


def test_accounts_item_investments_refresh_and_removal(server, provider):
    item = {"item_id": "i", "institution_id": "ins_1"}
    empty = {"investment_transactions": [], "total_investment_transactions": 0}
    server.routes = {
        "/accounts/get": raw(encode({"accounts": [account()], "item": item})),
        "/item/get": as_json({"item": item, "status": None}),
        "/investments/holdings/get": as_json({"holdings": [], "securities": []}),
        "/investments/transactions/get": as_json(empty),
        "/transactions/refresh": as_json({"request_id": "r"}),
        "/item/remove": plaid_error("ITEM_ERROR", "ITEM_NOT_FOUND"),
        "/item/public_token/exchange": as_json({"access_token": "access-1", "item_id": "i"}),
    }

    assert provider.fetch_accounts("a").changes.accounts[0].source_id == "acc"
    assert provider.fetch_item("a").item.institution_id == "ins_1"
    assert provider.fetch_holdings("a").holdings == ()
    start, end = dt.date(2026, 1, 1), dt.date(2026, 2, 1)
    page = provider.fetch_investment_transactions("a", start, end, 500)
    assert (page.changes.from_cursor, page.changes.to_cursor) == ("500", "500")
    assert server.requests[-1].json["options"] == {"count": 500, "offset": 500}
    provider.refresh("a")
    provider.remove_item("a")  # already gone: fine
    assert provider.exchange("public-1").access_token == "access-1"


BAD_ANSWERS = {
    "HTML 502": html(502),
    "HTML 200": html(200),
    "empty 200": raw(b""),
    "truncated JSON": raw(sync_body()[:-5]),
    "truncated body": truncated(sync_body()),
    "reset": reset,
    "silence": silence(1),
    "500": OUTAGE,
    "503": html(503),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_an_outage_is_temporary_and_tried_a_few_times(server, provider, clock, answer):
    server.answers = [BAD_ANSWERS[answer]]

    with pytest.raises(ProviderUnavailableError):
        provider.fetch_transactions("access-1", None)

    assert 1 <= len(server.requests) <= 4
    assert clock.seconds < 60


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(zipped(b" " * 2_000_001), id="gzip bomb"),
        pytest.param(endless, id="endless"),
        pytest.param(raw(b"[" * 100_000), id="deep"),
        pytest.param(as_json({"next_cursor": 7}), id="wrong types"),
        pytest.param(as_json({"hello": "world"}), id="something else"),
    ],
)
def test_an_answer_that_would_be_the_same_again_is_not_asked_for_again(server, provider, answer):
    server.answers = [answer]

    with pytest.raises(ProviderError):
        provider.fetch_transactions("access-1", None)

    assert len(server.requests) == 1


def test_the_second_attempt_may_succeed(server, provider, clock):
    server.answers = [html(502), reset, as_json({"item": {"item_id": "i"}})]

    assert provider.fetch_item("access-1").item is not None
    assert len(server.requests) == 3
    assert len(clock.pauses) == 2
    assert all(pause <= 1 for pause in clock.pauses)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ITEM_LOGIN_REQUIRED", ReauthRequiredError),
        ("ACCESS_NOT_GRANTED", ConsentRequiredError),
        ("ITEM_NOT_FOUND", ItemGoneError),
        ("INVALID_API_KEYS", ProviderSetupError),
        ("UNKNOWN_FIELDS", ProviderContractError),
        ("TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION", PaginationChangedError),
        ("INSTITUTION_DOWN", ProviderUnavailableError),
        ("PRODUCT_NOT_READY", ProviderUnavailableError),
    ],
)
def test_what_only_time_or_people_can_mend_is_asked_once(server, provider, clock, code, error):
    server.answers = [plaid_error("SOME_TYPE", code)]

    with pytest.raises(error):
        provider.fetch_transactions("access-1", None)

    assert (len(server.requests), clock.pauses) == (1, [])


def test_a_limit_of_plaids_is_handed_to_the_scheduler(server, provider, clock):
    server.answers = [plaid_error("RATE_LIMIT_EXCEEDED", "TRANSACTIONS_SYNC_LIMIT", 429)]

    with pytest.raises(ProviderUnavailableError) as caught:
        provider.fetch_transactions("access-1", None)

    assert caught.value.retry_after_seconds == 60
    assert (len(server.requests), clock.pauses) == (1, [])


@pytest.mark.parametrize(("asked", "requests"), [("2", 2), ("600", 1), ("soon", 1), ("999999", 1)])
def test_retry_after_is_obeyed(server, provider, clock, asked, requests):
    server.answers = [
        plaid_error("RATE_LIMIT_EXCEEDED", "ITEM_GET_LIMIT", 429, Retry_After=asked),
        as_json({"item": {"item_id": "i"}}),
    ]

    if requests == 2:
        provider.fetch_item("access-1")
        assert clock.pauses[0] >= 2
    else:
        with pytest.raises(ProviderUnavailableError) as caught:
            provider.fetch_item("access-1")
        assert caught.value.retry_after_seconds in (600, 60, 3_600)
    assert len(server.requests) == requests


def test_a_public_token_is_not_offered_a_third_time(server, provider):
    server.answers = [reset]

    with pytest.raises(ProviderUnavailableError):
        provider.exchange("public-1")

    assert len(server.requests) == 2


def test_an_exchange_whose_answer_was_lost_ends_with_a_clear_message(server, provider):
    server.answers = [reset, plaid_error("INVALID_INPUT", "INVALID_PUBLIC_TOKEN")]

    with pytest.raises(ProviderContractError) as caught:
        provider.exchange("public-1")

    assert caught.value.message == "Linking did not work. Please start again."


def test_nothing_secret_is_in_an_error(server, provider, caplog):
    caplog.set_level(0)
    server.answers = [reset]

    with capture_logs() as events, pytest.raises(ProviderUnavailableError) as caught:
        provider.fetch_transactions("access-secret", None)

    assert "secret" not in str(caught.value) + repr(caught.value)
    assert "access-secret" not in caplog.text + str(events)
    assert "secret-1" not in caplog.text + str(events)


def test_our_own_limit_keeps_calls_below_plaids(server, provider, clock):
    server.answers = [as_json({"item": {"item_id": "i"}})]
    for _ in range(40):
        provider.fetch_item("access-1")

    with pytest.raises(ProviderUnavailableError) as caught:
        provider.fetch_item("access-1")

    assert caught.value.code == "OWN_RATE_LIMIT"
    assert caught.value.retry_after_seconds == 60
    assert len(server.requests) == 40
    provider.fetch_item("access-2")  # another Item has its own limit
    clock.seconds += 57  # near enough to wait for
    provider.fetch_item("access-1")
    assert clock.pauses == [3]


@pytest.mark.parametrize("limits", [PRODUCTION, SANDBOX])
@pytest.mark.parametrize("endpoint", sorted(PRODUCTION))
def test_no_minute_sees_more_calls_than_the_limit(limits, endpoint):
    per_item, per_client = limits[endpoint]
    clock = Clock()
    limiter = RateLimiter(limits, share=0.01, monotonic=clock.monotonic)
    at: list[float] = []
    while clock.seconds < 200:
        if limiter.seconds_until_allowed(endpoint, "access-1") == 0:
            at.append(clock.seconds)
        clock.seconds += 0.25

    allowed = min(per_item or 10**9, max(1, int(per_client * 0.01)))
    assert max(sum(start <= call < start + 60 for call in at) for start in at) <= allowed
    assert len(at) >= 3 * min(allowed, 200)


def test_threads_share_one_limit(clock):
    limiter = RateLimiter({"/x": (None, 50)}, monotonic=clock.monotonic)
    granted: list[float] = []

    def call():
        for _ in range(20):
            if limiter.seconds_until_allowed("/x", None) == 0:
                granted.append(1)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(granted) == 50


def test_a_forged_webhook_asks_for_no_key(server, provider):
    server.answers = [as_json({})]
    for header in (None, "x", "a.b.c"):
        with pytest.raises(WebhookRefusedError):
            provider.verify_webhook(b"{}", header)

    assert server.requests == []


def test_a_key_id_that_plaid_does_not_know_is_a_forgery(server, provider):
    private = ec.generate_private_key(ec.SECP256R1())
    header = jwt.encode(
        {"iat": 1},
        private,
        algorithm="ES256",
        headers={"kid": "bfbd5111-8e33-4643-8ced-b2e642a72f3c"},
    )
    server.answers = [plaid_error("INVALID_INPUT", "INVALID_WEBHOOK_VERIFICATION_KEY_ID")]

    for _ in range(3):
        with pytest.raises(WebhookRefusedError, match="unknown"):
            provider.verify_webhook(b"{}", header)

    assert len(server.requests) == 1


def test_production_is_reached_by_https_only():
    with pytest.raises(ValueError, match="https"):
        PlaidSettings("c", "s", "http://production.plaid.com", "production")


def test_the_registry_knows_what_was_configured():
    registry.configure(PlaidSettings("c", "s", "http://127.0.0.1:1", "sandbox"))
    assert registry.names() == ("simplefin", "plaid")
    assert registry.get("plaid").name == "plaid"

    registry.configure(None)
    with pytest.raises(LookupError):
        registry.get("plaid")


def test_a_bad_row_over_the_wire_costs_only_itself(server, provider):
    body = sync_body(added=[transaction("good"), transaction("bad", "@")])
    server.answers = [raw(body.replace(b'"@"', b"NaN"))]

    changes = provider.fetch_transactions("access-1", None).changes

    assert [row.source_id for row in changes.upserts] == ["good"]
    assert [row.source_id for row in changes.rejected] == ["bad"]
