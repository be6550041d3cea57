"""The list of transactions and the drawer, as people use them."""

import datetime as dt
import re
from html import unescape

import pytest

from app.features.connections.service import sync
from app.features.journal import service as journal
from app.simulator.rows import Facts
from app.simulator.stream import Added, Removed
from tests.features.connections.bank import DAY, linked, open_bank, query, row
from tests.queries import counted_queries

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def bank(ada):
    """Ada's bank; `with booked(bank)` syncs what happened at it."""
    bank = open_bank()
    with linked(ada.household_id, bank) as item_id:
        bank.sync = lambda: sync.sync_item(ada.household_id, item_id, "button")
        yield bank


def book(bank, *rows):
    for each in rows:
        bank.stream.apply(Added(each))
    bank.sync()


def names(page):
    return [unescape(found) for found in re.findall(r'class="row-link[^>]*>([^<]+)<', page.text)]


def id_of(ada, source_id):
    [(found,)] = query(
        ada.household_id, f"SELECT id FROM transactions WHERE source_id = '{source_id}'"
    )
    return found


def test_an_empty_ledger_says_what_to_do(ada):
    page = ada.get("/transactions")

    assert page.status_code == 200
    assert "Nothing here yet" in page.text
    assert 'action="/connections/link"' in page.text


def test_the_list_shows_rows_by_day_with_their_sums(ada, bank):
    book(
        bank,
        row(bank, "a", "4.50", facts=Facts(merchant="Caffe Nero")),
        row(bank, "b", "-20.00", name="REFUND"),
        row(bank, "c", "1.00", name="OLD", date=DAY - dt.timedelta(days=1)),
    )

    page = ada.get("/transactions")

    assert sorted(names(page)) == ["Caffe Nero", "OLD", "REFUND"]
    assert "CAFFE NERO 0042" in page.text
    assert "+$15.50" in page.text  # the day: 20 in, 4.50 out
    assert "3 transactions" in page.text
    assert "+$20.00" in page.text
    assert "−$5.50" in page.text


def test_a_search_narrows_the_list_and_stays_in_the_address(ada, bank):
    book(bank, row(bank, "a", "1.00", name="100% JUICE"), row(bank, "b", "2.00", name="RENT"))

    page = ada.get("/transactions?search=100%25")

    assert names(page) == ["100% JUICE"]
    assert 'value="100%"' in page.text
    assert "“100%”" in page.text
    assert "/transactions/totals?search=100%25" in unescape(page.text)


def test_htmx_gets_the_table_alone(ada, bank):
    book(bank, row(bank, "a", "1.00"))

    page = ada.get("/transactions?direction=out", headers=PARTIAL)

    assert page.text.lstrip().startswith('<div id="transactions"')
    assert "<html" not in page.text
    assert page.headers["Vary"] == "HX-Request-Type"


def test_sums_that_need_the_rows_come_by_themselves(ada, bank):
    book(bank, row(bank, "a", "1.00", name="TEA"), row(bank, "b", "2.00", name="RENT"))

    page = ada.get("/transactions?search=tea")
    assert "Adding up" in page.text
    totals = ada.get("/transactions/totals?search=tea", headers=PARTIAL)
    without_script = ada.get("/transactions/totals?search=tea")

    assert "1 transaction<" in totals.text
    assert "−$1.00" in totals.text
    assert names(without_script) == ["TEA"]
    assert "1 transaction<" in without_script.text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("direction=in", ["REFUND"]),
        ("pending=yes", ["FUEL"]),
        ("amount_min=9&amount_max=11", ["BOOKS"]),
        ("date_from=2026-11-03", ["LATE"]),
        ("category=none", ["BOOKS", "FUEL", "LATE", "REFUND"]),
    ],
)
def test_each_filter_lets_through_what_it_says(ada, bank, asked, found):
    book(
        bank,
        row(bank, "a", "10.00", name="BOOKS"),
        row(bank, "b", "-3.00", name="REFUND"),
        row(bank, "c", "50.00", name="FUEL", pending=True),
        row(bank, "d", "70.00", name="LATE", date=dt.date(2026, 11, 4)),
    )

    page = ada.get(f"/transactions?{asked}")

    assert sorted(names(page)) == found


def test_every_part_of_a_filter_can_be_taken_away_alone(ada, bank):
    book(bank, row(bank, "a", "1.00", name="TEA"))

    page = ada.get("/transactions?search=tea&direction=out&category=none")

    assert 'href="/transactions?category=none&amp;direction=out"' in page.text
    assert 'href="/transactions?search=tea&amp;direction=out"' in page.text
    assert 'href="/transactions?search=tea&amp;category=none"' in page.text


def test_a_filter_that_cannot_be_read_is_shown_beside_its_field(ada, bank):
    book(bank, row(bank, "a", "1.00", name="TEA"))

    page = ada.get("/transactions?amount_min=lots&date_from=2026-13-01&search=tea")

    assert page.status_code == 422
    assert 'value="lots"' in page.text
    assert 'id="amount_min-error"' in page.text
    assert 'id="date_from-error"' in page.text
    assert names(page) == []


def test_pages_follow_one_another_to_the_end(ada, bank):
    book(
        bank,
        *(
            row(bank, f"t{n}", "1.00", name=f"ROW {n:03}", date=DAY - dt.timedelta(days=n // 7))
            for n in range(120)
        ),
    )
    seen, headings = [], []
    answer = ada.get("/transactions")
    for _ in range(5):
        seen += names(answer)
        headings += re.findall(r'<time datetime="([^"]+)"', answer.text)
        following = re.search(r'hx-get="(/transactions\?after=[^"]+)"', answer.text)
        if following is None:
            break
        answer = ada.get(unescape(following[1]), headers=PARTIAL)

    assert len(seen) == 120
    assert len(set(seen)) == 120
    assert len(headings) == len(set(headings)) == 18
    assert "That is all." in answer.text


def test_without_script_older_pages_are_links(ada, bank):
    book(bank, *(row(bank, f"t{n}", "1.00", name=f"ROW {n:03}") for n in range(60)))

    first = ada.get("/transactions")
    link = re.search(r'href="(/transactions\?after=[^"]+)"', first.text)
    second = ada.get(unescape(link[1]))

    assert len(names(second)) == 10
    assert "Back to the newest" in second.text


def test_a_cursor_that_is_none_of_ours_is_refused(ada):
    assert ada.get("/transactions?after=nonsense").status_code == 422


def test_a_list_takes_few_statements_however_many_rows(ada, bank):
    book(bank, *(row(bank, f"t{n}", "1.00") for n in range(60)))

    with counted_queries() as statements:
        ada.get("/transactions?category=none")

    assert len(statements) <= 8, statements


def test_the_drawer_shows_everything_the_bank_said(ada, bank):
    book(bank, row(bank, "a", "4.50", facts=Facts(merchant="Caffe Nero")))
    transaction_id = id_of(ada, "a")

    drawer = ada.get(f"/transactions/{transaction_id}", headers=PARTIAL)
    page = ada.get(f"/transactions/{transaction_id}")

    assert "<html" not in drawer.text
    assert "<html" in page.text
    for answer in (drawer, page):
        assert "−$4.50" in answer.text
        assert "CAFFE NERO 0042" in answer.text
        assert f'href="/transactions/{transaction_id}/said"' in answer.text

    said = ada.get(f"/transactions/{transaction_id}/said", headers=PARTIAL)
    page = ada.get(f"/transactions/{transaction_id}/said")

    assert "<html" not in said.text
    assert "<html" in page.text
    assert "−$4.50" in page.text
    for answer in (said, page):
        assert "<code>transaction_id</code>" in answer.text
        assert "<code>merchant_name</code>" in answer.text


def test_F11_what_the_bank_said_is_text(ada, bank):
    book(bank, row(bank, "a", "4.50", facts=Facts(merchant="<img src=/xss onerror=alert(1)>")))

    said = ada.get(f"/transactions/{id_of(ada, 'a')}/said", headers=PARTIAL).text

    assert "&lt;img src=/xss" in said
    assert "<img" not in said


def test_a_drawer_opens_no_page_of_the_journal(ada, bank, monkeypatch):
    book(bank, row(bank, "a", "4.50"))
    transaction_id = id_of(ada, "a")
    monkeypatch.setattr(journal, "open_payload", lambda *_: pytest.fail("opened"))

    assert ada.get(f"/transactions/{transaction_id}").status_code == 200
    saved = ada.post(f"/transactions/{transaction_id}", data={"note": "x"}, headers=PARTIAL)

    assert "Saved" in saved.text


def test_what_the_source_says_of_a_transaction_that_is_none_of_ours_is_not_told(ada, cleo, bank):
    book(bank, row(bank, "a", "4.50"))

    assert cleo.get(f"/transactions/{id_of(ada, 'a')}/said").status_code == 404


def test_an_edit_is_kept_told_and_survives_the_next_sync(ada, ben, bank):
    book(bank, row(bank, "a", "4.50"))
    transaction_id = id_of(ada, "a")
    [(groceries,)] = query(ada.household_id, "SELECT id FROM categories WHERE name = 'Groceries'")

    saved = ada.post(
        f"/transactions/{transaction_id}",
        data={"counterparty": "Nero", "category": str(groceries), "note": "with Ben"},
        headers=PARTIAL,
    )
    bank.sync()

    assert saved.status_code == 200
    assert "Saved" in saved.text
    assert f'hx-target="#transaction-{transaction_id}"' in saved.text
    seen_by_ben = ben.get(f"/transactions/{transaction_id}").text
    assert "Nero" in seen_by_ben
    assert "with Ben" in seen_by_ben
    assert "Groceries" in seen_by_ben
    assert "Somebody of your household" in seen_by_ben
    assert names(ben.get(f"/transactions?category={groceries}")) == ["Nero"]


def test_an_empty_field_gives_the_value_back_to_the_bank(ada, bank):
    book(bank, row(bank, "a", "4.50", facts=Facts(merchant="Caffe Nero")))
    path = f"/transactions/{id_of(ada, 'a')}"
    ada.post(path, data={"counterparty": "Nero", "category": "", "note": ""})

    answer = ada.post(path, data={"counterparty": "", "category": "", "note": ""})

    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert names(ada.get("/transactions")) == ["Caffe Nero"]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"note": "x" * 2_001}, "note"),
        ({"counterparty": "x" * 201}, "counterparty"),
        ({"category": "00000000-0000-7000-8000-000000000001"}, "edit-category"),
        ({"category": "groceries"}, "edit-category"),
    ],
)
def test_an_edit_that_cannot_be_saved_comes_back_as_typed(ada, bank, typed, field):
    book(bank, row(bank, "a", "4.50"))

    answer = ada.post(f"/transactions/{id_of(ada, 'a')}", data=typed)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert typed.get("note", "") in answer.text


def test_a_parent_category_finds_what_is_below_it(ada, bank):
    book(bank, row(bank, "a", "4.50", name="TEA"), row(bank, "b", "4.50", name="RENT"))
    [(child, parent)] = query(
        ada.household_id,
        "SELECT id, parent_id FROM categories WHERE code = 'FOOD_AND_DRINK_COFFEE'",
    )
    ada.post(f"/transactions/{id_of(ada, 'a')}", data={"category": str(child)})

    assert names(ada.get(f"/transactions?category={parent}")) == ["TEA"]


def test_what_the_bank_withdrew_leaves_the_list_but_not_the_ledger(ada, bank):
    book(bank, row(bank, "a", "4.50", name="TEA"))
    transaction_id = id_of(ada, "a")
    bank.stream.apply(Removed("a"))
    bank.sync()

    assert names(ada.get("/transactions")) == []
    assert "The bank withdrew this transaction" in ada.get(f"/transactions/{transaction_id}").text


def test_a_stranger_sees_nothing_of_it(ada, cleo, bank):
    book(bank, row(bank, "a", "4.50", name="TEA"))
    transaction_id = id_of(ada, "a")

    assert "TEA" not in cleo.get("/transactions").text
    assert cleo.get(f"/transactions/{transaction_id}").status_code == 404
    assert cleo.post(f"/transactions/{transaction_id}", data={"note": "x"}).status_code == 404
    assert query(ada.household_id, "SELECT note FROM transactions") == [(None,)]


def test_a_viewer_may_look_but_not_edit(ada, app, bank):
    from tests.cast import sign_in
    from tests.factories import people

    book(bank, row(bank, "a", "4.50", name="TEA"))
    viewer = sign_in(app, people.member(ada.person, "Vera", role="viewer"))
    path = f"/transactions/{id_of(ada, 'a')}"

    assert viewer.get(path).status_code == 200
    assert viewer.post(path, data={"note": "x"}).status_code == 403


def test_who_is_not_signed_in_is_sent_to_sign_in(client):
    answer = client.get("/transactions?search=tea")

    assert answer.headers["location"] == "/sign-in?next=/transactions%3Fsearch%3Dtea"
