"""What SimpleFIN's answers mean, of both versions, good and bad."""

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers import registry
from app.providers.base import (
    ProviderContractError,
    ProviderUnavailableError,
    ReauthRequiredError,
    Span,
)
from app.providers.simplefin.mapping import currency_of, kind_of
from app.providers.simplefin.pages import (
    TRANSACTIONS,
    decode_page,
    find_transaction,
    payload_of,
)
from app.providers.simplefin.windows import Window

AT = dt.datetime(2026, 11, 29, 10, tzinfo=dt.UTC)
RECENT = Window(dt.date(2026, 11, 10), dt.date(2026, 12, 1), AT)
OLD = Window(dt.date(2026, 6, 1), dt.date(2026, 7, 31), AT)


def epoch(text: str) -> int:
    return int(dt.datetime.fromisoformat(f"{text}+00:00").timestamp())


def account(account_id="a1", *rows, **more):
    return {
        "org": {"domain": "bank.example", "name": "My Bank", "sfin-url": "https://s.example"},
        "id": account_id,
        "name": "Checking (1234)",
        "currency": "USD",
        "balance": "100.23",
        "available-balance": "75.23",
        "balance-date": epoch("2026-11-29 04:00"),
        "transactions": list(rows),
        **more,
    }


def row(row_id="t1", amount="-5.00", posted="2026-11-20 12:00", **more):
    return {
        "id": row_id,
        "posted": epoch(posted) if posted else 0,
        "amount": amount,
        "description": "UNCLE FRANK'S BAIT SHOP",
        **more,
    }


def page(*accounts, window=RECENT, **more):
    body = {"errors": [], "accounts": list(accounts), **more}
    return decode_page(TRANSACTIONS, payload_of(window, json.dumps(body).encode()), None)


def only_row(**more):
    [found] = page(account("a1", row(**more))).changes.upserts
    return found


def test_a_row_keeps_its_sign_its_digits_and_its_day():
    found = only_row(amount="-33293.43", posted="2026-11-20 23:59", payee="Uncle Frank")

    assert found.money.amount == Decimal("-33293.43")
    assert (found.account_source_id, found.source_id) == ("a1", "t1")
    assert (found.date, found.pending) == (dt.date(2026, 11, 20), False)
    assert (found.description, found.counterparty) == ("UNCLE FRANK'S BAIT SHOP", "Uncle Frank")


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ('"0.1"', "0.1"),
        ('"1234567890.12345678"', "1234567890.12345678"),
        ("0.10", "0.10"),
        ("-12", "-12"),
        ('"+5.50"', "5.50"),
        ('"-0.00"', "0.00"),
    ],
)
def test_amounts_are_exact_as_text_and_as_numbers(text, amount):
    body = json.dumps({"errors": [], "accounts": [account("a1", row(amount="@"))]})
    payload = payload_of(RECENT, body.replace('"@"', text).encode())

    [found] = decode_page(TRANSACTIONS, payload, None).changes.upserts

    assert found.money.amount == Decimal(amount)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9)))
def test_any_amount_of_cents_comes_through(amount):
    if abs(amount) < 10**13:
        assert only_row(amount=f"{amount:f}").money.amount == amount


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"amount": "NaN"}, "amount"),
        ({"amount": "1e400"}, "amount"),
        ({"amount": "1,234.56"}, "amount"),
        ({"amount": "0.123456789"}, "amount"),
        ({"posted": "yesterday"}, "posted"),
        ({"posted": 10**17}, "posted"),
        ({"id": ""}, "id"),
    ],
)
def test_a_bad_row_costs_only_itself(bad, field):
    found = page(account("a1", row("good"), row("bad") | bad))

    assert [each.source_id for each in found.changes.upserts] == ["good"]
    [rejected] = found.changes.rejected
    assert field in rejected.where


def test_posted_0_is_pending_and_not_1970():
    found = only_row(posted="", transacted_at=epoch("2026-11-28 18:00"))
    assert (found.pending, found.date) == (True, dt.date(2026, 11, 28))

    found = only_row(posted="")
    assert (found.pending, found.date) == (True, dt.date(2026, 11, 29))

    found = only_row(pending=True)
    assert (found.pending, found.date) == (True, dt.date(2026, 11, 20))


def test_the_day_of_a_purchase_is_kept_beside_the_day_of_booking():
    found = only_row(transacted_at=epoch("2026-11-18 08:00"))

    assert (found.date, found.authorized_date) == (dt.date(2026, 11, 20), dt.date(2026, 11, 18))


def test_an_account_says_what_it_is():
    [found] = page(account("a1", name="Visa Platinum x4321", balance="-250.10")).changes.accounts

    assert (found.source_id, found.kind, found.mask) == ("a1", "credit", "4321")
    assert (found.balance.current, found.balance.available) == (
        Decimal("-250.10"),
        Decimal("75.23"),
    )
    assert found.balance.as_of == dt.datetime(2026, 11, 29, 4, tzinfo=dt.UTC)
    assert found.institution == "My Bank"
    assert found.persistent_id == "simplefin:bank.example:a1"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Everyday Checking", "depository"),
        ("Visa Debit Checking", "depository"),
        ("Chase Sapphire Preferred", "credit"),
        ("AMEX Gold", "credit"),
        ("Home Mortgage", "loan"),
        ("Roth IRA", "investment"),
        ("Mirage Savings", "depository"),
    ],
)
def test_the_kind_of_an_account_is_read_from_its_name(name, kind):
    assert kind_of(name) == kind


def test_a_currency_that_is_an_address_gets_a_code_that_no_money_has():
    one = currency_of("https://airline.example/flight-miles")
    other = currency_of("https://other.example/flight-miles")

    assert one != other
    assert one.startswith("FLIGHTMI")
    assert currency_of("https://x.example/usd") not in ("USD", "usd")
    assert currency_of("usd") == "USD"
    [found] = page(account("a1", row(), currency="https://a.example/miles")).changes.upserts
    assert found.money.currency.startswith("MILES")


@pytest.mark.parametrize("currency", ["", "$", "dollars of the realm", "javascript:alert(1)"])
def test_an_account_in_no_currency_is_set_aside_with_its_rows(currency):
    found = page(account("a1", row(), currency=currency), account("a2", row()))

    assert [each.source_id for each in found.changes.accounts] == ["a2"]
    assert [each.account_source_id for each in found.changes.upserts] == ["a2"]
    assert found.changes.rejected[0].source_id == "a1"


def test_the_same_id_in_two_accounts_is_two_rows_and_twice_the_same_account_is_refused():
    found = page(account("a1", row("t")), account("a2", row("t")), account("a1", row("u")))

    assert {each.key for each in found.changes.upserts} == {("a1", "t"), ("a2", "t")}
    assert [each.reason for each in found.changes.rejected] == ["two accounts have the same id"]


def test_version_2_names_the_bank_of_each_account():
    shown = account("a1") | {"org": None, "conn_id": "c1"}
    found = page(
        shown,
        errlist=[],
        connections=[{"conn_id": "c1", "name": "Login", "org_id": "o1", "org_name": "My Bank"}],
    )

    assert found.changes.accounts[0].institution == "My Bank"
    assert found.changes.accounts[0].persistent_id == "simplefin:o1:a1"
    assert found.item.institution_name == "My Bank"


@pytest.mark.parametrize(
    ("trouble", "complete"),
    [
        ([], {"a1", "a2"}),
        ([{"code": "gen.api", "msg": "old version"}], {"a1", "a2"}),
        ([{"code": "act.missingdata", "account_id": "a1"}], {"a2"}),
        ([{"code": "act.missingdata", "account_id": "gone"}], set()),
        ([{"code": "act.failed", "account_id": "a2", "conn_id": "c2"}], {"a1"}),
        ([{"code": "con.auth", "conn_id": "c1", "message": "sign in"}], {"a2"}),
        ([{"code": "con.", "msg": "a bank"}], set()),
        ([{"code": "gen.", "msg": "?"}], set()),
        ([{"code": "never.seen"}], set()),
        ([{}], set()),
    ],
)
def test_only_what_was_read_to_the_end_tells_what_is_gone(trouble, complete):
    one = account("a1") | {"org": None, "conn_id": "c1"}
    two = account("a2") | {"org": None, "conn_id": "c2"}

    found = page(one, two, errlist=trouble, connections=[])

    assert {span.account_source_id for span in found.told} == complete


def test_an_error_of_version_1_names_no_account_and_so_concerns_all():
    found = page(account("a1"), errors=["You must reauthenticate."])

    assert found.told == ()
    assert found.item.error_code == "con.auth"
    assert "“You must reauthenticate.”" in found.item.error_message


def test_silence_about_recent_days_counts_and_about_old_ones_does_not():
    assert page(account("a1")).told == (Span("a1", RECENT.first, RECENT.end),)
    assert page(account("a1"), window=OLD).told == ()
    told = page(account("a1", row(posted="2026-06-20 12:00")), window=OLD).told
    assert told == (Span("a1", dt.date(2026, 6, 20), OLD.end),)


def test_an_access_that_ended_raises_and_moves_nothing():
    with pytest.raises(ReauthRequiredError):
        page(errlist=[{"code": "gen.auth", "msg": "no"}])


@pytest.mark.parametrize("body", [b"", b"<html>504</html>", b'{"accounts": [', b"\xff\xfe"])
def test_what_is_no_json_is_tried_again(body):
    with pytest.raises(ProviderUnavailableError):
        decode_page(TRANSACTIONS, payload_of(RECENT, body), None)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"accounts": {}}', b'{"accounts": 5}'])
def test_json_of_another_shape_breaks_the_contract(body):
    with pytest.raises(ProviderContractError):
        decode_page(TRANSACTIONS, payload_of(RECENT, body), None)


def test_the_journal_says_the_same_again_and_shows_a_row_as_it_came():
    body = json.dumps({"errors": [], "accounts": [account("a1", row(extra={"x": 1.10}))]}).encode()
    payload = payload_of(RECENT, body)

    first = decode_page(TRANSACTIONS, payload, None)

    assert registry.decode_page(TRANSACTIONS, payload, None) == first
    assert payload.endswith(body)
    assert find_transaction(payload, "t1")["extra"] == {"x": Decimal("1.10")}
    assert find_transaction(payload, "nobody") == {}
