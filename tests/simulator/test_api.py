"""The endpoints, over ASGI in this process."""

import datetime as dt
import gzip
from decimal import Decimal

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.simulator.institutions import INSTITUTIONS
from app.simulator.main import create_app
from app.simulator.people import HOUSEHOLDS
from app.simulator.settings import Settings, read_settings
from tests.simulator.conftest import KEYS, facts, hold, owed_change

TODAY = dt.datetime.now(dt.UTC).date()


def test_keys_are_taken_from_headers_and_from_the_body(bank) -> None:
    keys = {"client_id": "client", "secret": "secret"}
    body = {"institution_id": "ins_109508", "country_codes": ["US"]}

    for headers, extra in ((KEYS, {}), ({}, keys)):
        answer = bank.http.post("/institutions/get_by_id", json=body | extra, headers=headers)
        assert answer.json()["institution"]["name"] == "First Platypus Bank"
    assert bank.http.post("/institutions/get_by_id", json=body).json()["error_code"] == (
        "MISSING_FIELDS"
    )


def test_wrong_keys_are_refused_when_keys_are_configured(start) -> None:
    bank = start(client_id="client", secret="other")

    assert bank.error("/item/get", access_token="x") == "INVALID_API_KEYS"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MISSING_FIELDS"),
        ({"access_token": "x", "colour": 1}, "UNKNOWN_FIELDS"),
        ({"access_token": "x", "options": {"colour": 1}}, "UNKNOWN_FIELDS"),
        ({"access_token": "x", "options": None}, "INVALID_FIELD"),
        ({"access_token": 7}, "INVALID_FIELD"),
        ({"access_token": "x"}, "INVALID_ACCESS_TOKEN"),
        ({"access_token": "x", "count": True}, "INVALID_FIELD"),
    ],
)
def test_bad_bodies_are_named(bank, body, code) -> None:
    assert bank.error("/transactions/sync", **body) == code


def test_errors_have_plaids_fields_and_answers_its_headers(bank) -> None:
    answer = bank.http.post("/item/get", content=b"{nonsense", headers=KEYS)

    assert answer.status_code == 400
    assert answer.headers["plaid-version"] == "2020-09-14"
    assert answer.json()["error_type"] == "INVALID_REQUEST"
    assert len(answer.json()["request_id"]) == 15
    assert bank.http.post("/no/such/path", headers=KEYS).json()["error_code"] == "NOT_FOUND"


def test_answers_are_compressed_on_request(bank) -> None:
    token = bank.link()
    body = {"access_token": token, "count": 500}
    with bank.http.stream("POST", "/transactions/sync", json=body,
                          headers=KEYS | {"accept-encoding": "gzip"}) as answer:  # fmt: skip
        raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw).startswith(b"{")


def test_a_link_token_refuses_what_plaid_refuses(bank) -> None:
    good = {
        "client_name": "App", "language": "en", "country_codes": ["US"],
        "user": {"client_user_id": "u"}, "products": ["transactions"],
    }  # fmt: skip
    assert bank.post("/link/token/create", **good)["link_token"].startswith("link-sandbox-")

    for change in (
        {"transactions": {"days_requested": 731}},
        {"language": "xx"},
        {"country_codes": ["XX"]},
        {"redirect_uri": "https://app.example/?a=1"},
        {"webhook": "ftp://x"},
        {"optional_products": ["transactions"]},
    ):
        assert bank.error("/link/token/create", **(good | change)) == "INVALID_FIELD"
    assert bank.error("/link/token/create", **(good | {"products": ["balance"]})) == (
        "INVALID_PRODUCT"
    )


def test_a_public_token_is_spent_once_and_the_access_token_can_rotate(bank) -> None:
    public = bank.post(
        "/sandbox/public_token/create", institution_id="ins_109508",
        initial_products=["transactions"],
    )["public_token"]  # fmt: skip
    token = bank.post("/item/public_token/exchange", public_token=public)["access_token"]
    assert bank.error("/item/public_token/exchange", public_token=public) == (
        "INVALID_PUBLIC_TOKEN"
    )

    fresh = bank.post("/item/access_token/invalidate", access_token=token)["new_access_token"]

    assert bank.error("/item/get", access_token=token) == "INVALID_ACCESS_TOKEN"
    assert bank.post("/item/get", access_token=fresh)["item"]["institution_id"] == "ins_109508"


@pytest.mark.parametrize("login", sorted(HOUSEHOLDS))
def test_balances_tie_out_on_every_household(bank, login) -> None:
    """What the balance changes by in ten days is what was posted in them.

    At the banks that count pending rows, what became pending as well.
    """
    counting = {
        plan.mask
        for plan in HOUSEHOLDS[login].accounts
        if INSTITUTIONS[plan.institution_id].counts_pending
    }
    token = bank.link(login)
    before = {
        a["account_id"]: a for a in bank.post("/accounts/get", access_token=token)["accounts"]
    }
    pages = bank.loop(token)
    held = hold(pages)
    bank.control("advance", item_id=bank.item_id(token), days=10)
    after = {a["account_id"]: a for a in bank.post("/accounts/get", access_token=token)["accounts"]}
    later = hold(bank.loop(token, pages[-1]["next_cursor"]), held)

    for key, account in after.items():
        if account["type"] == "investment":
            continue
        counts_pending = account["mask"] in counting
        sums = [
            sum((r["amount"] for r in rows.values() if r["account_id"] == key
                 and (counts_pending or not r["pending"])), Decimal(0))
            for rows in (held, later)
        ]  # fmt: skip
        change = account["balances"]["current"] - before[key]["balances"]["current"]
        assert change == owed_change(account, sums[1] - sums[0])
        pending = sum((r["amount"] for r in later.values() if r["account_id"] == key
                       and r["pending"] and not counts_pending), Decimal(0))  # fmt: skip
        balances = account["balances"]
        if account["type"] == "depository":
            assert balances["available"] == balances["current"] - pending
        if account["type"] == "credit":
            assert balances["available"] == balances["limit"] - balances["current"] - pending


def test_history_ends_today_and_goes_back_as_far_as_asked(bank) -> None:
    dates = [r["date"] for r in hold(bank.loop(bank.link("demo_family"))).values()]
    assert TODAY - dt.timedelta(days=4) <= dt.date.fromisoformat(max(dates)) <= TODAY
    assert min(dates) >= str(TODAY - dt.timedelta(days=730))

    short = bank.link("demo_family", transactions={"days_requested": 60})
    dates = [r["date"] for r in hold(bank.loop(short)).values()]
    assert min(dates) > str(TODAY - dt.timedelta(days=60))


def test_ten_years_come_from_the_bank_that_gives_all(bank) -> None:
    token = bank.link("demo_decade", "ins_900004")
    bank.sync(token, count=1)
    held = hold(bank.loop(token))

    assert len(held) > 10_000
    assert min(r["date"] for r in held.values()) < str(TODAY - dt.timedelta(days=3_600))
    assert facts(held) == bank.truth(token)


def test_days_that_pass_add_post_modify_and_remove(start) -> None:
    # A day after which everything happens: corrections are rare, and some six weeks have none.
    bank = start(today=dt.date(2026, 11, 20))
    token = bank.link("demo_family")
    held, cursor = hold(pages := bank.loop(token)), None
    kinds = {"added": 0, "modified": 0, "removed": 0, "linked": 0}
    cursor = pages[-1]["next_cursor"]
    for _ in range(6):
        bank.control("advance", item_id=bank.item_id(token), days=7)
        pages = bank.loop(token, cursor, 100)
        held, cursor = hold(pages, held), pages[-1]["next_cursor"]
        for page in pages:
            for kind in ("added", "modified", "removed"):
                kinds[kind] += len(page[kind])
            kinds["linked"] += sum(r["pending_transaction_id"] is not None for r in page["added"])
    assert facts(held) == bank.truth(token)
    assert all(kinds.values()), kinds


def test_a_login_shows_its_accounts_at_that_bank(bank) -> None:
    def keys(institution: str) -> list[str]:
        token = bank.link("demo_family", institution)
        return [a["name"] for a in bank.post("/accounts/get", access_token=token)["accounts"]]

    assert keys("ins_900001") == ["Everyday Checking", "Rainy Day Savings", "Home Loan"]
    assert keys("ins_900002") == ["Cardinal Cash", "Cardinal Voyager"]
    assert len(keys("ins_109508")) == 7


def test_transactions_get_pages_by_offset_newest_first(bank) -> None:
    token = bank.link()
    body = {"access_token": token, "start_date": "2020-01-01", "end_date": str(TODAY)}
    first = bank.post("/transactions/get", **body, options={"count": 10})
    second = bank.post("/transactions/get", **body, options={"count": 10, "offset": 10})

    dates = [r["date"] for r in first["transactions"] + second["transactions"]]
    assert dates == sorted(dates, reverse=True)
    assert first["total_transactions"] == len(bank.truth(token))


def test_holdings_add_up_to_the_account_and_trades_are_paged(bank) -> None:
    token = bank.link("demo_family", products=["transactions", "investments"])
    answer = bank.post("/investments/holdings/get", access_token=token)
    for account in answer["accounts"]:
        if account["type"] == "investment":
            values = [h["institution_value"] for h in answer["holdings"]
                      if h["account_id"] == account["account_id"]]  # fmt: skip
            assert sum(values) == account["balances"]["current"]
    known = {s["security_id"] for s in answer["securities"]}
    assert {h["security_id"] for h in answer["holdings"]} <= known

    body = {"access_token": token, "start_date": "2020-01-01", "end_date": str(TODAY)}
    trades = bank.post("/investments/transactions/get", **body, options={"count": 20})
    dates = [t["date"] for t in trades["investment_transactions"]]
    assert dates == sorted(dates, reverse=True)
    assert trades["total_investment_transactions"] > 50
    assert dates[-1] >= str(TODAY - dt.timedelta(days=735))


def test_liabilities_describe_cards_mortgage_and_student_loan(bank) -> None:
    token = bank.link("user_good", products=["transactions", "liabilities"])
    shown = bank.post("/liabilities/get", access_token=token)["liabilities"]

    assert [len(shown[kind]) for kind in ("credit", "mortgage", "student")] == [1, 1, 1]
    assert shown["mortgage"][0]["interest_rate"]["percentage"] == Decimal("3.99")


def test_products_need_consent_and_matching_accounts(bank) -> None:
    token = bank.link("demo_student")
    assert bank.error("/investments/holdings/get", access_token=token) == (
        "ADDITIONAL_CONSENT_REQUIRED"
    )
    token = bank.link("demo_student", products=["transactions", "investments", "liabilities"])
    assert bank.error("/investments/holdings/get", access_token=token) == ("NO_INVESTMENT_ACCOUNTS")


def test_recurring_streams_are_the_true_series(bank) -> None:
    token = bank.link("demo_student")
    shown = bank.post("/transactions/recurring/get", access_token=token)

    rent = next(s for s in shown["outflow_streams"] if "RENT" in s["description"])
    assert (rent["frequency"], rent["status"], rent["is_active"]) == ("MONTHLY", "MATURE", True)
    assert {"WEEKLY", "BIWEEKLY"} <= {s["frequency"] for s in shown["inflow_streams"]}


def test_institutions_can_be_listed_searched_and_described(bank) -> None:
    listed = bank.post("/institutions/get", count=100, offset=0, country_codes=["US"])
    assert listed["total"] >= 6
    assert sum(each["oauth"] for each in listed["institutions"]) >= 1
    found = bank.post("/institutions/search", query="harbor", country_codes=["US"],
                      products=["transactions"])  # fmt: skip
    assert [each["name"] for each in found["institutions"]] == ["Harbor & Pine Bank"]
    options = {"include_optional_metadata": True, "include_status": True}
    shown = bank.post("/institutions/get_by_id", institution_id="ins_900007",
                      country_codes=["US"], options=options)  # fmt: skip
    assert shown["institution"]["status"]["item_logins"]["status"] == "DEGRADED"
    assert shown["institution"]["logo"].startswith("iVBOR")
    assert bank.http.post("/categories/get", json={}).json()["categories"]


def test_plaids_dynamic_user_changes_on_refresh(bank) -> None:
    token = bank.link("user_transactions_dynamic")
    pages = bank.loop(token)
    held = hold(pages)
    assert len(held) == 50
    pending = {key for key, row in held.items() if row["pending"]}

    bank.post("/transactions/refresh", access_token=token)
    pages = bank.loop(token, pages[-1]["next_cursor"])
    later = hold(pages, held)

    assert facts(later) == bank.truth(token)
    assert not pending & set(later)
    assert any(row["pending"] for row in later.values())
    changed = [row["amount"] - held[key]["amount"] for key, row in later.items() if key in held]
    assert sorted(set(changed)) in ([0, 1], [0])
    assert {row["pending_transaction_id"] for row in later.values()} >= pending


def test_transactions_can_be_created_for_the_dynamic_user_only(bank) -> None:
    token = bank.link("user_transactions_dynamic")
    entry = {"date_transacted": str(TODAY), "date_posted": str(TODAY + dt.timedelta(days=2)),
             "amount": 12.34, "description": "NEW ROW"}  # fmt: skip
    cursor = bank.loop(token)[-1]["next_cursor"]

    bank.post("/sandbox/transactions/create", access_token=token, transactions=[entry])
    [added] = bank.sync(token, cursor)["added"]
    assert (added["amount"], added["pending"]) == (Decimal("12.34"), True)
    bank.control("advance", item_id=bank.item_id(token), days=2)
    page = bank.sync(token, bank.loop(token, cursor)[-1]["next_cursor"])
    assert page["added"] == []
    row = next(r for r in hold(bank.loop(token)).values() if r["name"] == "NEW ROW")
    assert row["pending"] is False

    old = entry | {"date_transacted": "2020-01-01"}
    for rows in ([old], [entry] * 11):
        assert bank.error(
            "/sandbox/transactions/create", access_token=token, transactions=rows
        ) == ("INVALID_FIELD")
    assert bank.error("/sandbox/transactions/create", access_token=bank.link(),
                      transactions=[entry]) == "INVALID_FIELD"  # fmt: skip


CUSTOM = """{"override_accounts": [
  {"type": "depository", "subtype": "checking", "starting_balance": 1500.5, "currency": "USD",
   "meta": {"name": "Mine", "official_name": "My Checking", "mask": "4242"},
   "inflow_model": {"type": "monthly-income", "income_amount": 2000, "payment_day_of_month": 3},
   "transactions": [{"date_transacted": "%s", "date_posted": "%s", "amount": 9.99,
                     "description": "CUSTOM ROW", "currency": "USD"}]},
  {"type": "investment", "subtype": "brokerage", "starting_balance": 120,
   "holdings": [{"institution_price": 140.4, "quantity": 12, "cost_basis": 100,
                 "security": {"ticker_symbol": "ABC", "currency": "USD"}},
                {"institution_price": 19999.54, "quantity": 0.00293644,
                 "security": {"ticker_symbol": "CUR:BTC", "currency": "USD"}}]}]}"""


def test_a_custom_users_json_becomes_accounts_rows_and_holdings(bank) -> None:
    day, ahead = TODAY - dt.timedelta(days=1), TODAY + dt.timedelta(days=1)
    token = bank.link("user_custom", override_password=CUSTOM % (day, ahead),
                      products=["transactions", "investments"])  # fmt: skip
    held = hold(bank.loop(token))
    account, fund = bank.post("/accounts/get", access_token=token)["accounts"]

    assert (account["name"], account["mask"]) == ("Mine", "4242")
    assert account["balances"]["current"] == Decimal("1500.50")
    row = next(r for r in held.values() if r["name"] == "CUSTOM ROW")
    assert (row["pending"], row["amount"]) == (True, Decimal("9.99"))
    assert sum(r["amount"] == -2000 for r in held.values()) >= 20
    assert fund["balances"]["current"] == Decimal("1684.80") + 120 + Decimal("58.72")
    holdings = bank.post("/investments/holdings/get", access_token=token)["holdings"]
    assert {h["quantity"] for h in holdings} >= {12, Decimal("0.00293644")}

    bank.control("advance", item_id=bank.item_id(token), days=1)
    row = next(r for r in hold(bank.loop(token)).values() if r["name"] == "CUSTOM ROW")
    assert row["pending"] is False
    assert row["pending_transaction_id"] is not None


@pytest.mark.parametrize(
    ("login", "password", "code"),
    [
        ("user_good", "error_ITEM_LOCKED", "ITEM_LOCKED"),
        ("user_custom", "{nonsense", "INVALID_FIELD"),
        ("user_custom", '{"force_error": "MFA_NOT_SUPPORTED"}', "MFA_NOT_SUPPORTED"),
        ("user_custom", '{"override_accounts": []}', "NO_ACCOUNTS"),
        ("user_custom", '{"override_accounts": [{"type": "boat"}]}', "INVALID_FIELD"),
        ("nobody", "x", "INVALID_CREDENTIALS"),
    ],
)
def test_logins_that_must_fail_do(bank, login, password, code) -> None:
    options = {"override_username": login, "override_password": password}
    assert code == bank.error(
        "/sandbox/public_token/create", institution_id="ins_109508",
        initial_products=["transactions"], options=options,
    )  # fmt: skip


def test_a_restart_keeps_items_tokens_and_cursors(start, tmp_path) -> None:
    path = tmp_path / "state" / "simulator.json"
    bank = start(state_path=path)
    token = bank.link("demo_family")
    pages = bank.loop(token)
    bank.control("advance", item_id=bank.item_id(token), days=5)
    middle = bank.sync(token, count=100)
    truth, held = bank.truth(token), hold(pages)
    kid = bank.sim.state.keys[0].kid

    again = start(state_path=path)

    assert again.truth(token) == truth
    assert facts(hold(again.loop(token, pages[-1]["next_cursor"]), held)) == truth
    assert again.sync(token, middle["next_cursor"], 100)["added"]
    assert again.sim.state.keys[0].kid == kid
    assert path.stat().st_mode & 0o077 == 0


def test_a_damaged_state_file_is_explained(start, tmp_path) -> None:
    path = tmp_path / "simulator.json"
    path.write_text("{")

    with pytest.raises(ValueError, match="delete it"):
        start(state_path=path)


def test_the_truth_of_a_login_names_the_ids_its_items_show(bank) -> None:
    token = bank.link("demo_student")
    item_id, held = bank.item_id(token), hold(bank.loop(token))
    truth = bank.http.get("/simulator/truth/demo_student").json()
    named = {each for m in truth["movements"] for each in m["ids"].get(item_id, {}).values()}

    assert set(held) <= named


def test_the_control_api_is_for_this_machine_and_the_network_that_is_named(monkeypatch) -> None:
    monkeypatch.setenv("SIMULATOR_CONTROL_NETWORK", "10.89.0.0/16")
    named = create_app(read_settings())

    def status(app: Starlette, address: str) -> int:
        return TestClient(app, client=(address, 5000)).get("/simulator/items").status_code

    assert [status(named, each) for each in ("127.0.0.1", "10.89.0.7", "10.90.0.7")] == [
        200, 200, 403,
    ]  # fmt: skip
    assert status(create_app(Settings()), "10.89.0.7") == 403


def test_the_control_api_explains_what_is_wrong(bank) -> None:
    assert "known are" in bank.control("faults", 422, kind="gremlins")["error"]
    assert bank.control("advance", 404, item_id="none", days=1)["error_code"] == "ITEM_NOT_FOUND"
    assert "days" in bank.control("advance", 422, days=0)["error"]
