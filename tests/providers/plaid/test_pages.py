import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import Money
from app.domain.records import TransactionRecord
from app.providers.base import Page, ProviderContractError, ProviderUnavailableError
from app.providers.plaid import pages
from tests.providers.plaid.bodies import (
    account,
    realistic_page,
    realistic_rows,
    sync_body,
    transaction,
    without,
)


def page_of(body: bytes, cursor: str | None = None) -> Page:
    return pages.decode_page(pages.TRANSACTIONS, body, cursor)


def record_of(row: dict) -> TransactionRecord:
    page = page_of(sync_body(added=[row]))
    assert page.changes.rejected == ()
    [record] = page.changes.upserts
    return record


def reason_of(row: dict) -> str:
    """The reason why a row is rejected, while its good neighbours stay."""
    body = sync_body(added=[transaction("before"), row, transaction("after")])
    changes = page_of(body).changes
    assert [record.source_id for record in changes.upserts] == ["before", "after"]
    [rejected] = changes.rejected
    assert rejected.where.startswith("added")
    return rejected.reason


def test_a_transaction_is_read_in_our_words():
    row = transaction(
        "t9",
        Decimal("12.34"),
        date="2026-11-03",
        pending=True,
        original_description="SQ *COFFEE BAR 0042",
        merchant_name="Coffee Bar",
        authorized_date="2026-11-02",
        personal_finance_category={"primary": "FOOD_AND_DRINK", "detailed": "COFFEE"},
        pending_transaction_id="t8",
    )

    assert record_of(row) == TransactionRecord(
        account_source_id="acc",
        source_id="t9",
        date=dt.date(2026, 11, 3),
        money=Money(Decimal("-12.34"), "USD"),
        description="SQ *COFFEE BAR 0042",
        pending=True,
        counterparty="Coffee Bar",
        authorized_date=dt.date(2026, 11, 2),
        category_code="COFFEE",
        pending_source_id="t8",
    )


@pytest.mark.parametrize("part", ["added", "modified"])
def test_plaids_positive_is_money_out_and_negative_is_money_in(part):
    body = sync_body(**{part: [transaction("buy", 5), transaction("refund", -7)]})

    amounts = [record.money.amount for record in page_of(body).changes.upserts]

    assert amounts == [Decimal(-5), Decimal(7)]


def test_an_amount_of_zero_has_no_sign():
    assert str(record_of(transaction(amount=Decimal("-0.00"))).money.amount) == "0.00"


@given(
    st.decimals(min_value=Decimal(-(10**15) + 1), max_value=Decimal(10**15 - 1), places=8)
    | st.sampled_from(
        [Decimal("1234567890.12"), Decimal("12345678901234.5678"), Decimal("0.1"), Decimal(3)]
    )
    | st.decimals(min_value=-1_000_000, max_value=1_000_000, places=2)
)
def test_every_amount_is_exact(amount):
    assert record_of(transaction(amount=amount)).money.amount == -amount


@given(st.floats(min_value=-1e9, max_value=1e9).map(lambda x: round(x, 2)), st.integers(1, 9))
def test_the_noise_of_a_sum_of_doubles_is_not_money(amount, count):
    noisy = sum([amount] * count)  # such as 0.30000000000000004
    meant = Decimal(str(amount)) * count

    record = record_of(transaction(amount=Decimal(repr(noisy))))

    assert abs(record.money.amount + meant) <= abs(meant) * Decimal(count) * Decimal("2.3e-16")
    assert record.money.amount == round(record.money.amount, 8)


@pytest.mark.parametrize(
    ("fields", "money"),
    [
        ({"iso_currency_code": "JPY", "amount": 1200}, Money(Decimal(-1200), "JPY")),
        (
            {
                "iso_currency_code": None,
                "unofficial_currency_code": "BTC",
                "amount": Decimal("1E-8"),
            },
            Money(Decimal("-0.00000001"), "BTC"),
        ),
        (
            {"iso_currency_code": None, "unofficial_currency_code": "GBX", "amount": 1250},
            Money(Decimal("-12.50"), "GBP"),
        ),
        ({"amount": "12.30"}, Money(Decimal("-12.30"), "USD")),
    ],
)
def test_currencies_official_and_not(fields, money):
    assert record_of(transaction(**fields)).money == money


@pytest.mark.parametrize(
    ("fields", "description", "counterparty"),
    [
        ({"name": "Legacy"}, "Legacy", None),
        ({"name": None}, "", None),
        ({"name": "Legacy", "original_description": "AS THE BANK SAYS"}, "AS THE BANK SAYS", None),
        (
            {
                "merchant_name": None,
                "counterparties": [
                    {"name": "DoorDash", "type": "marketplace"},
                    {"name": "Burger King", "type": "merchant"},
                ],
            },
            "Coffee",
            "Burger King",
        ),
        ({"counterparties": [{"name": "Bank", "type": "a new type"}]}, "Coffee", None),
        ({"merchant_name": "A", "counterparties": None}, "Coffee", "A"),
    ],
)
def test_description_and_counterparty(fields, description, counterparty):
    record = record_of(transaction(**fields))

    assert (record.description, record.counterparty) == (description, counterparty)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(transaction() | {"amount": None}, id="null amount"),
        pytest.param(transaction() | {"amount": "a lot"}, id="text as amount"),
        pytest.param(transaction() | {"amount": True}, id="boolean as amount"),
        pytest.param(transaction(amount=Decimal("9" * 40)), id="40 digits"),
        pytest.param(transaction(amount=Decimal("0." + "1" * 40)), id="40 decimals"),
        pytest.param(transaction(amount=Decimal("0.123456789")), id="nine decimals"),
        pytest.param(transaction(amount=Decimal("1E+999999")), id="huge exponent"),
        pytest.param(transaction(amount="sNaN"), id="signalling NaN"),
        pytest.param(transaction(amount="Infinity"), id="infinity"),
        pytest.param(transaction(transaction_id=""), id="empty id"),
        pytest.param(transaction(transaction_id=None), id="null id"),
        pytest.param(transaction(transaction_id="x" * 300), id="endless id"),
        pytest.param(without(transaction(), "account_id"), id="no account"),
        pytest.param(without(transaction(), "pending"), id="no pending"),
        pytest.param(transaction(date="0001-01-01"), id="year 1"),
        pytest.param(transaction(date="9999-12-31"), id="year 9999"),
        pytest.param(transaction(date="2026-02-30"), id="30 February"),
        pytest.param(transaction(date=None), id="null date"),
        pytest.param(transaction(iso_currency_code=None), id="no currency"),
        pytest.param(transaction(iso_currency_code="usd$"), id="no code"),
        pytest.param("a text", id="no object"),
        pytest.param(None, id="null"),
        pytest.param([1], id="list"),
    ],
)
def test_a_bad_row_is_rejected_and_the_good_rows_stay(row):
    assert reason_of(row)


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_json_does_not_allow_costs_its_row_only(constant):
    body = sync_body(
        added=[
            transaction("good", name='say "NaN" or \\Infinity'),
            transaction("bad", "@", name="NaN"),
        ]
    )

    changes = page_of(body.replace(b'"@"', constant)).changes

    assert [(row.source_id, row.description) for row in changes.upserts] == [
        ("good", 'say "NaN" or \\Infinity')
    ]
    assert [row.source_id for row in changes.rejected] == ["bad"]


def test_a_bad_optional_field_costs_only_itself():
    row = transaction(
        authorized_date="2026-13-45",
        personal_finance_category="FOOD",
        counterparties={"name": "x"},
        merchant_name=17,
        original_description="y" * 5_000,
    )

    record = record_of(row)

    assert record.money == Money(Decimal("-12.34"), "USD")
    assert (record.authorized_date, record.category_code, record.counterparty) == (None,) * 3
    assert record.description == "y" * 2_000


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (rb"NUL \u0000 here", "NUL � here"),
        (rb"lone \ud83d here", "lone � here"),
        (rb"lone \uDE00", "lone �"),
        (rb"\ud83d\ude00 whole", "😀 whole"),
        (rb"C:\\u0000 is no escape", r"C:\u0000 is no escape"),
        (b"broken \xff\xfe", "broken ��"),
        (rb"AT\u0026T", "AT&T"),
    ],
)
def test_text_that_cannot_be_stored_is_replaced(sent, stored):
    body = sync_body(added=[transaction(name="@name@")]).replace(b"@name@", sent)

    [record] = page_of(body).changes.upserts

    assert record.description == stored
    assert record.description.encode()  # would raise for a surrogate


@given(st.text(max_size=40))
def test_text_survives_and_can_always_be_stored(text):
    body = sync_body(added=[transaction(name=text)])

    [record] = page_of(body).changes.upserts

    assert record.description == text.replace("\0", "�")


def test_unknown_fields_and_values_are_fine():
    body = sync_body(
        added=[transaction(shiny={"new": [1, 2]}, payment_channel="telepathy")],
        accounts=[account(type="moon base", subtype="crater", apy=4.2)],
        transactions_update_status="SOMETHING_NEW",
        galaxy="far away",
    )

    page = page_of(body)

    assert len(page.changes.upserts) == 1
    assert page.changes.accounts[0].kind == "other"
    assert page.ready
    assert page.history_complete


def test_removed_rows_name_account_and_transaction():
    body = sync_body(
        removed=[{"transaction_id": "gone", "account_id": "acc"}, {"transaction_id": "whose"}]
    )

    changes = page_of(body).changes

    assert changes.removed == (("acc", "gone"),)
    assert [row.source_id for row in changes.rejected] == ["whose"]


@pytest.mark.parametrize(
    ("fields", "to_cursor", "has_more", "ready", "complete"),
    [
        ({}, "cursor-1", False, True, True),
        ({"has_more": True}, "cursor-1", True, True, True),
        ({"has_more": None}, "cursor-1", False, True, True),
        ({"transactions_update_status": None}, "cursor-1", False, True, True),
        (
            {"transactions_update_status": "INITIAL_UPDATE_COMPLETE"},
            "cursor-1", False, True, False,
        ),
        (
            {"transactions_update_status": "NOT_READY", "next_cursor": ""},
            "cursor-0", False, False, False,
        ),
        ({"next_cursor": "", "has_more": True}, "cursor-0", False, False, True),
    ],
)  # fmt: skip
def test_a_page_says_how_far_the_history_is(fields, to_cursor, has_more, ready, complete):
    page = page_of(sync_body(**fields), "cursor-0")

    assert page.changes.from_cursor == "cursor-0"
    assert page.changes.to_cursor == to_cursor
    assert (page.has_more, page.ready, page.history_complete) == (has_more, ready, complete)


@pytest.mark.parametrize("cut", [1, 100, -1])
def test_a_cut_body_is_temporary(cut):
    with pytest.raises(ProviderUnavailableError):
        page_of(sync_body(added=[transaction()])[:cut])


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"{}",
        sync_body(next_cursor=None),
        sync_body(added=None),
        sync_body(added={"transaction_id": "t"}),
        b'{"next_cursor":"c","added":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_json_of_another_shape_breaks_the_contract(body):
    with pytest.raises(ProviderContractError):
        page_of(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    st.sampled_from(list(transaction())),
)
def test_whatever_a_field_holds_no_other_row_suffers(value, field):
    body = sync_body(added=[transaction("good"), transaction("odd") | {field: value}])

    changes = page_of(body).changes

    assert changes.upserts[0].source_id == "good"
    assert len(changes.upserts) + len(changes.rejected) == 2


def test_decoding_is_the_same_each_time():
    body = realistic_page(50)

    assert page_of(body, "c") == page_of(body, "c")
    assert page_of(body).payload == body


def test_row_by_row_and_at_once_say_the_same():
    rows = realistic_rows(50)
    at_once = page_of(sync_body(added=rows)).changes.upserts

    row_by_row = page_of(sync_body(added=[*rows, "garbage"])).changes.upserts

    assert row_by_row == at_once


def test_the_whole_row_of_a_transaction_can_be_read():
    body = sync_body(
        added=[transaction("t1", Decimal("12345678901234.5678"), extra={"a": [1]})],
        modified=[transaction("t2", name="old"), transaction("t2", name="new")],
        removed=[{"transaction_id": "t3", "account_id": "acc"}],
    )

    row = pages.find_transaction(body, "t1")

    assert (row["amount"], row["extra"]) == (Decimal("12345678901234.5678"), {"a": [1]})
    assert pages.find_transaction(body, "t2")["name"] == "new"
    assert pages.find_transaction(body, "t3") == {"transaction_id": "t3", "account_id": "acc"}
    assert pages.find_transaction(body, "t4") == {}


def test_an_unknown_kind_is_the_callers_mistake():
    with pytest.raises(ValueError, match="not a kind"):
        pages.decode_page("simplefin.accounts", b"{}", None)
