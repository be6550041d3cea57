"""The fidelity checklist of Plaid's contract: each line of it is reachable, and is a test here."""

import datetime as dt
import json
import time
from decimal import Decimal

import jwt
import pytest
import urllib3

from tests.simulator.conftest import KEYS, facts, hold
from tests.simulator.receiver import serve, verify

MUTATION = "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION"


def key_of(bank, token: str) -> dict:
    kid = jwt.get_unverified_header(token)["kid"]
    return bank.post("/webhook_verification_key/get", key_id=kid)["key"]


def link_waiting(bank, webhook=None) -> str:
    options = {"webhook": webhook} if webhook else {}
    return bank.link("demo_student", **options)


def test_the_first_sync_is_not_ready_and_has_an_empty_cursor(start) -> None:
    bank = start(initial_seconds=100, historical_seconds=200)
    page = bank.sync(bank.link())

    assert (page["next_cursor"], page["has_more"], page["added"]) == ("", False, [])
    assert page["transactions_update_status"] == "NOT_READY"


def test_thirty_days_come_first_and_history_later_each_with_a_webhook(start, receiver) -> None:
    bank = start(initial_seconds=0.3, historical_seconds=0.9)
    token = link_waiting(bank, receiver.url)
    assert bank.sync(token)["transactions_update_status"] == "NOT_READY"

    first = receiver.wait("SYNC_UPDATES_AVAILABLE")[0]
    assert (first["initial_update_complete"], first["historical_update_complete"]) == (True, False)
    pages = bank.loop(token)
    assert pages[-1]["transactions_update_status"] == "INITIAL_UPDATE_COMPLETE"
    month_ago = str(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=30))
    assert min(row["date"] for row in hold(pages).values()) > month_ago

    second = receiver.wait("SYNC_UPDATES_AVAILABLE", 2)[1]
    assert second["historical_update_complete"] is True
    rest = bank.loop(token, pages[-1]["next_cursor"])
    assert facts(hold(rest, hold(pages))) == bank.truth(token)


def test_no_sync_webhook_comes_before_the_first_sync(bank, receiver) -> None:
    token = link_waiting(bank, receiver.url)
    bank.control("advance", item_id=bank.item_id(token), days=3)
    receiver.wait("HISTORICAL_UPDATE")
    assert "SYNC_UPDATES_AVAILABLE" not in receiver.codes()

    bank.sync(token)
    bank.control("advance", item_id=bank.item_id(token), days=3)
    receiver.wait("SYNC_UPDATES_AVAILABLE")


@pytest.mark.parametrize("count", [1, 7, 500])
def test_count_is_honoured(bank, count) -> None:
    page = bank.sync(bank.link(), count=count)

    assert len(page["added"]) == min(count, 500)
    assert page["has_more"] is True


@pytest.mark.parametrize("count", [0, 501, -1])
def test_a_count_out_of_range_is_refused(bank, count) -> None:
    assert bank.error("/transactions/sync", access_token=bank.link(), count=count) == (
        "INVALID_FIELD"
    )


def test_pages_split_between_a_pending_removal_and_its_posted_row(bank) -> None:
    token = bank.link("demo_family")
    pages = bank.loop(token)
    bank.fault("split_pairs", token, times=1)
    bank.control("advance", item_id=bank.item_id(token), days=10)
    later = bank.loop(token, pages[-1]["next_cursor"])

    for page in later:
        gone = {row["transaction_id"] for row in page["removed"]}
        assert not gone & {row["pending_transaction_id"] for row in page["added"]}
    assert facts(hold(later, hold(pages))) == bank.truth(token)


def test_a_mutation_strikes_page_two_and_again_when_only_that_page_is_retried(bank) -> None:
    token = bank.link()
    first = bank.sync(token, count=100)
    bank.fault("mutation", token, page=2)
    retry = {"access_token": token, "cursor": first["next_cursor"], "count": 100}

    for _ in range(3):
        assert bank.error("/transactions/sync", **retry) == MUTATION
    assert facts(hold(bank.loop(token, count=100))) == bank.truth(token)


def test_XN6_a_cursor_is_refused_in_the_words_that_our_client_knows(bank) -> None:
    token = bank.link()
    pages = bank.loop(token)
    bank.fault("invalid_cursor", token)
    again = {"access_token": token, "cursor": pages[-1]["next_cursor"]}

    assert bank.error("/transactions/sync", **again) == "INVALID_FIELD"
    assert bank.error("/transactions/sync", access_token=token, cursor="x") == "INVALID_FIELD"
    assert facts(hold(bank.loop(token))) == bank.truth(token)


def test_a_fault_can_be_armed_by_the_login(bank) -> None:
    token = bank.link("fault_mutation")
    first = bank.sync(token, count=100)

    retry = {"access_token": token, "cursor": first["next_cursor"], "count": 100}
    assert bank.error("/transactions/sync", **retry) == MUTATION
    assert facts(hold(bank.loop(token, count=100))) == bank.truth(token)


def test_cursors_are_short_opaque_and_stay_valid_after_later_changes(bank) -> None:
    token = bank.link("demo_family")
    looks = [("", {})]
    for _ in range(4):
        pages = bank.loop(token, looks[-1][0])
        looks.append((pages[-1]["next_cursor"], hold(pages, looks[-1][1])))
        bank.control("advance", item_id=bank.item_id(token), days=9)
    for cursor, held in looks:
        assert len(cursor) <= 256
        assert facts(hold(bank.loop(token, cursor), held)) == bank.truth(token)
    other = bank.link("demo_student")
    assert bank.error("/transactions/sync", access_token=other, cursor=looks[1][0]) == (
        "INVALID_FIELD"
    )


def happen(bank, token, event, **more) -> None:
    bank.control("events", item_id=bank.item_id(token), event=event, **more)


def posted_row(held) -> str:
    return next(key for key, row in held.items() if not row["pending"])


def test_a_posted_row_can_be_modified_and_removed(bank) -> None:
    token = bank.link()
    pages = bank.loop(token)
    key = posted_row(hold(pages))
    happen(bank, token, "modify", transaction_id=key, amount=77.25, name="CORRECTED")

    page = bank.sync(token, pages[-1]["next_cursor"])
    assert [(row["transaction_id"], row["amount"]) for row in page["modified"]] == [
        (key, Decimal("77.25"))
    ]
    happen(bank, token, "remove", transaction_id=key)
    removed = bank.sync(token, page["next_cursor"])["removed"]
    assert [row["transaction_id"] for row in removed] == [key]


def test_churn_removes_the_old_row_and_adds_a_new_one_without_a_link(bank) -> None:
    token = bank.link()
    pages = bank.loop(token)
    key = posted_row(hold(pages))
    happen(bank, token, "churn", transaction_id=key, amount=1.5)

    page = bank.sync(token, pages[-1]["next_cursor"])
    assert [row["transaction_id"] for row in page["removed"]] == [key]
    assert [row["pending_transaction_id"] for row in page["added"]] == [None]


def test_a_pending_row_can_post_without_a_link(bank) -> None:
    token = bank.link()
    happen(bank, token, "add", new_transaction_id="p", pending=True, amount=10)
    cursor = bank.loop(token)[-1]["next_cursor"]
    happen(bank, token, "post", transaction_id="p", amount=12, linked=False)

    page = bank.sync(token, cursor)
    assert [row["transaction_id"] for row in page["removed"]] == ["p"]
    assert page["added"][0]["pending_transaction_id"] is None


def test_a_pending_row_can_go_in_one_update_and_post_in_a_later_one(bank) -> None:
    token = bank.link("demo_family")
    life, held, seen = bank.sim.live(next(iter(bank.sim.state.items.values()))).life, {}, 0
    cursor = ""
    late = {m.number for m in life.movements if m.fate == "late"}
    assert late
    gone: set[str] = set()
    for _ in range(60):
        pages = bank.loop(token, cursor)
        cursor, held = pages[-1]["next_cursor"], hold(pages, held)
        added = {r["pending_transaction_id"] for p in pages for r in p["added"]} - {None}
        now_gone = {r["transaction_id"] for p in pages for r in p["removed"]}
        seen += len((added & gone) - now_gone)
        gone |= now_gone
        if seen:
            break
        bank.control("advance", item_id=bank.item_id(token), days=1)
    assert seen


def test_an_account_can_get_a_new_id_with_all_its_rows(bank) -> None:
    token = bank.link("demo_family")
    pages = bank.loop(token)
    held = hold(pages)
    old = bank.post("/accounts/get", access_token=token)["accounts"][0]
    new = bank.control("churn_account", item_id=bank.item_id(token),
                       account_id=old["account_id"])["account_id"]  # fmt: skip

    later = bank.loop(token, pages[-1]["next_cursor"])
    held = hold(later, held)
    account = bank.post("/accounts/get", access_token=token)["accounts"][0]
    assert (account["account_id"], account["balances"]) == (new, old["balances"])
    assert account["persistent_account_id"] == old["persistent_account_id"]
    assert old["account_id"] not in {row["account_id"] for row in held.values()}
    bank.control("advance", item_id=bank.item_id(token), days=20)
    end = bank.loop(token, later[-1]["next_cursor"])
    assert facts(hold(end, held)) == bank.truth(token)


def test_merchant_and_category_can_be_null(bank) -> None:
    token = bank.link("sim_quirks")
    rows = hold(bank.loop(token)).values()
    assert any(row["merchant_name"] is None for row in rows)
    assert any(row["personal_finance_category"] is None for row in rows)

    other = bank.link()
    bank.fault("null_merchant", other)
    assert all(row["merchant_name"] is None for row in bank.sync(other)["added"])


def test_both_versions_of_the_categories_are_spoken(bank) -> None:
    token = bank.link("demo_family")
    for version, salary in (("v1", "INCOME_WAGES"), ("v2", "INCOME_SALARY")):
        options = {"personal_finance_category_version": version}
        found = {row["personal_finance_category"]["detailed"]
                 for row in bank.sync(token, options=options)["added"]}  # fmt: skip
        assert salary in found


def test_unofficial_currencies_yen_and_dinar_and_hard_amounts_are_exact(bank) -> None:
    rows = list(hold(bank.loop(bank.link("sim_quirks"))).values())
    found = {(r["amount"], r["iso_currency_code"], r["unofficial_currency_code"]) for r in rows}

    assert (Decimal("1234567"), "JPY", None) in found
    assert (Decimal("12.345"), "BHD", None) in found
    assert (Decimal("0.00012345"), None, "BTC") in found
    assert (Decimal("1250"), None, "GBX") in found
    assert (Decimal("1234567890.12"), "USD", None) in found
    assert (Decimal("0.3"), "USD", None) in found
    assert (Decimal("0.30000000000000004"), "USD", None) in found


def test_unknown_enum_values_and_fields_appear(bank) -> None:
    token = bank.link()
    bank.fault("unknown_values", token)
    row = bank.sync(token)["added"][0]

    assert row["payment_channel"] == "telepathy"
    assert "new_field_of_tomorrow" in row


def test_webhooks_are_indented_json_signed_over_their_bytes(bank, receiver) -> None:
    token = link_waiting(bank, receiver.url)
    bank.post("/sandbox/item/fire_webhook", access_token=token, webhook_code="DEFAULT_UPDATE")
    receiver.wait("DEFAULT_UPDATE")

    for body, signature in receiver.received:
        verify(body, signature, key_of(bank, signature))
        assert body == json.dumps(json.loads(body), indent=2).encode()
        assert json.loads(body)["environment"] == "sandbox"


def test_keys_rotate_and_expire(bank, receiver) -> None:
    token = link_waiting(bank, receiver.url)
    bank.post("/sandbox/item/fire_webhook", access_token=token, webhook_code="DEFAULT_UPDATE")
    receiver.wait("DEFAULT_UPDATE")
    kid = bank.control("keys/rotate", expire_after_seconds=-1)["kid"]
    bank.post("/sandbox/item/fire_webhook", access_token=token, webhook_code="DEFAULT_UPDATE")
    receiver.wait("DEFAULT_UPDATE", 2)

    old, new = receiver.received[0][1], receiver.received[-1][1]
    assert key_of(bank, old)["expired_at"] < time.time()
    assert (key_of(bank, new)["kid"], key_of(bank, new)["expired_at"]) == (kid, None)
    assert bank.error("/webhook_verification_key/get", key_id="none") == (
        "INVALID_WEBHOOK_VERIFICATION_KEY_ID"
    )


def fire(bank, token, code) -> None:
    bank.post("/sandbox/item/fire_webhook", access_token=token, webhook_code=code)


def test_webhooks_can_come_twice_late_reordered_or_not_at_all(bank, receiver) -> None:
    token = link_waiting(bank, receiver.url)
    receiver.wait("HISTORICAL_UPDATE")
    receiver.received.clear()

    bank.fault("webhook_duplicate", token)
    fire(bank, token, "NEW_ACCOUNTS_AVAILABLE")
    receiver.wait("NEW_ACCOUNTS_AVAILABLE", 2)
    bank.fault("webhook_reorder", token)
    fire(bank, token, "LOGIN_REPAIRED")
    fire(bank, token, "PENDING_DISCONNECT")
    receiver.wait("LOGIN_REPAIRED")
    assert receiver.codes()[-2:] == ["PENDING_DISCONNECT", "LOGIN_REPAIRED"]
    bank.fault("webhook_drop", token)
    fire(bank, token, "USER_PERMISSION_REVOKED")
    bank.fault("webhook_delay", token, seconds=0.2)
    fire(bank, token, "PENDING_DISCONNECT")
    receiver.wait("PENDING_DISCONNECT", 2)
    assert "USER_PERMISSION_REVOKED" not in receiver.codes()


@pytest.mark.parametrize("kind", ["webhook_late", "webhook_bad_signature", "webhook_bad_hash"])
def test_webhooks_can_be_stale_or_forged(bank, receiver, kind) -> None:
    token = link_waiting(bank, receiver.url)
    receiver.wait("HISTORICAL_UPDATE")
    bank.fault(kind, token)
    fire(bank, token, "NEW_ACCOUNTS_AVAILABLE")
    receiver.wait("NEW_ACCOUNTS_AVAILABLE")

    body, signature = receiver.received[-1]
    with pytest.raises((AssertionError, jwt.InvalidTokenError)):
        verify(body, signature, key_of(bank, signature))


def test_a_refused_webhook_is_tried_again_at_growing_distances(start, receiver) -> None:
    bank = start(time_scale=0.002)
    token = link_waiting(bank, receiver.url)
    receiver.wait("HISTORICAL_UPDATE")
    receiver.statuses = [500, 204, 302]
    fire(bank, token, "NEW_ACCOUNTS_AVAILABLE")
    receiver.wait("NEW_ACCOUNTS_AVAILABLE", 4)

    time.sleep(0.05)
    last = bank.http.get("/simulator/webhooks").json()["webhooks"][-1]
    assert last["statuses"] == [500, 204, 302, 200]


def test_429_by_the_published_table(start) -> None:
    bank = start(rate_limits="sandbox")
    token = bank.link()
    for _ in range(2):
        bank.post("/transactions/refresh", access_token=token)
    answer = bank.http.post("/transactions/refresh", json={"access_token": token}, headers=KEYS)

    assert (answer.status_code, answer.json()["error_code"]) == (429, "TRANSACTIONS_REFRESH_LIMIT")
    assert answer.json()["error_type"] == "RATE_LIMIT_EXCEEDED"
    for _ in range(50):
        bank.sync(token, count=1)
    assert bank.error("/transactions/sync", access_token=token) == "TRANSACTIONS_SYNC_LIMIT"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("http_500", 500, "INTERNAL_SERVER_ERROR"),
        ("http_503", 503, "PLANNED_MAINTENANCE"),
        ("rate_limit", 429, "TRANSACTIONS_SYNC_LIMIT"),
        ("concurrently_deleted", 400, "ITEM_CONCURRENTLY_DELETED"),
    ],
)
def test_servers_can_fail(bank, kind, status, code) -> None:
    token = bank.link()
    bank.fault(kind, token, path="/transactions/sync")
    answer = bank.http.post("/transactions/sync", json={"access_token": token}, headers=KEYS)

    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    bank.sync(token)


def test_answers_can_be_html_or_end_early(bank) -> None:
    token = bank.link()
    for kind, status in (("html", 502), ("html_200", 200), ("truncated_json", 200)):
        bank.fault(kind, token, path="/transactions/sync")
        answer = bank.http.post("/transactions/sync", json={"access_token": token}, headers=KEYS)
        assert answer.status_code == status
        with pytest.raises(ValueError, match=r"."):
            answer.json()


def test_answers_can_hang_and_connections_break(start) -> None:
    bank = start(hang_seconds=0.6)
    token = bank.link()
    pool = urllib3.PoolManager(retries=False)
    with serve(bank.http.app) as url:
        body = json.dumps({"access_token": token}).encode()

        def call(timeout: float) -> bytes:
            return pool.request("POST", f"{url}/transactions/sync", body=body, timeout=timeout,
                                headers=KEYS).data  # fmt: skip

        bank.fault("timeout", token, path="/transactions/sync")
        with pytest.raises(urllib3.exceptions.TimeoutError):
            call(0.2)
        bank.fault("half_response", token, path="/transactions/sync")
        with pytest.raises(urllib3.exceptions.HTTPError):
            call(5)
        assert json.loads(call(5))["added"]
        pool.clear()


def test_the_login_can_be_lost_in_the_middle_of_a_loop(bank, receiver) -> None:
    token = link_waiting(bank, receiver.url)
    bank.fault("error", token, code="ITEM_LOGIN_REQUIRED", page=2, path="/transactions/sync")
    first = bank.sync(token, count=50)

    for _ in range(2):
        assert (
            bank.error("/transactions/sync", access_token=token, cursor=first["next_cursor"])
            == "ITEM_LOGIN_REQUIRED"
        )
    assert receiver.wait("ERROR")[0]["error"]["error_code"] == "ITEM_LOGIN_REQUIRED"
    shown = bank.post("/item/get", access_token=token)["item"]["error"]
    assert shown["error_code"] == "ITEM_LOGIN_REQUIRED"
    bank.control("repair", item_id=bank.item_id(token))
    receiver.wait("LOGIN_REPAIRED")
    assert facts(hold(bank.loop(token))) == bank.truth(token)


def test_reset_login_breaks_the_item_with_a_webhook(bank, receiver) -> None:
    token = link_waiting(bank, receiver.url)
    bank.post("/sandbox/item/reset_login", access_token=token)

    assert receiver.wait("ERROR")
    assert bank.error("/accounts/get", access_token=token) == "ITEM_LOGIN_REQUIRED"


def test_an_item_asks_for_a_new_login_after_thirty_days(start, tmp_path) -> None:
    path, today = tmp_path / "s.json", dt.date(2026, 5, 1)
    bank = start(state_path=path, today=today)
    token = bank.link()
    bank.sync(token)

    later = start(state_path=path, today=today + dt.timedelta(days=30))
    assert later.error("/transactions/sync", access_token=token) == "ITEM_LOGIN_REQUIRED"
    sooner = start(state_path=path, today=today + dt.timedelta(days=29), item_life_days=0)
    sooner.control("repair", item_id=sooner.item_id(token))
    dates = [row["date"] for row in hold(sooner.loop(token)).values()]
    assert max(dates) >= "2026-05-27"


def test_removing_an_item_during_a_sync_is_told_apart(bank) -> None:
    token = bank.link()
    first = bank.sync(token, count=10)
    bank.post("/item/remove", access_token=token)

    assert bank.error("/transactions/sync", access_token=token, cursor=first["next_cursor"]) == (
        "ITEM_CONCURRENTLY_DELETED"
    )
    assert bank.error("/accounts/get", access_token=token) == "ITEM_NOT_FOUND"


def test_duplicates_swaps_unknown_removals_and_the_raw_log_lead_to_the_same_truth(bank) -> None:
    token = bank.link("demo_family")
    pages = bank.loop(token)
    for kind in ("repeat_rows", "swap_added_modified", "unknown_removals", "raw_log"):
        bank.fault(kind, token)
    bank.fault("small_pages", token, page=5)
    bank.control("advance", item_id=bank.item_id(token), days=12)
    later = bank.loop(token, pages[-1]["next_cursor"])

    ids = [row["transaction_id"] for page in later for row in page["added"] + page["modified"]]
    assert len(ids) > len(set(ids))
    assert facts(hold(later, hold(pages))) == bank.truth(token)


def test_a_webhook_without_a_url_or_product_is_refused(bank) -> None:
    token = bank.link()
    call = {"access_token": token, "webhook_code": "DEFAULT_UPDATE"}
    assert bank.error("/sandbox/item/fire_webhook", **call) == "SANDBOX_WEBHOOK_INVALID"
    bank.post("/item/webhook/update", access_token=token, webhook="http://127.0.0.1:9/x")
    assert bank.error("/sandbox/item/fire_webhook", **call, webhook_type="LIABILITIES") == (
        "SANDBOX_PRODUCT_NOT_ENABLED"
    )
