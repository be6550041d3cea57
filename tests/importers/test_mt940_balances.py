"""Balances of MT940: for the end of which day each stands, and which are pending."""

import datetime as dt
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from app.importers import mt940
from tests import effort
from tests.importers.mt940_messages import ROW, message, parse


def anchors(*messages: str):
    """Return opening and closing of each statement, as `(day of January, amount)`."""
    return [
        tuple(each and (each.date.isoformat()[5:], str(each.amount)) for each in pair)
        for pair in ((s.opening, s.closing) for s in parse(*messages).statements)
    ]


def test_an_opening_dated_by_the_closing_before_it_stands_for_the_end_of_that_day():
    assert anchors(message()) == [(("01-02", "100.00"), ("01-05", "90.00"))]


def test_an_opening_dated_by_its_own_first_day_stands_for_the_end_of_the_day_before():
    first = message(opening=":60F:C260105EUR100,00")
    second = message(
        ROW.replace("2601050105", "2601060106"),
        opening=":60F:C260106EUR90,00",
        closing=":62F:C260106EUR80,00",
    )
    assert anchors(first, second) == [
        (("01-04", "100.00"), ("01-05", "90.00")),
        (("01-05", "90.00"), ("01-06", "80.00")),
    ]


def test_an_opening_dated_after_its_rows_is_of_no_day():
    # A bank that gives no entry dates: the row was booked later than its value.
    assert anchors(message(ROW.replace("2601050105", "251230"))) == [(None, ("01-05", "90.00"))]


def test_a_closing_dated_before_its_rows_is_of_no_day():
    assert anchors(message(ROW.replace("2601050105", "260107"))) == [(("01-02", "100.00"), None)]
    assert len(parse(message(ROW.replace("2601050105", "260107"))).notes) == 1


def test_the_pages_of_a_statement_are_one_and_what_is_between_them_is_no_balance_of_a_day():
    page = message(closing=":62M:C260105EUR90,00")
    next_page = message(opening=":60M:C260105EUR90,00", closing=":62F:C260105EUR80,00")
    (statement,) = parse(page, next_page).statements
    assert len(statement.transactions) == 2
    assert anchors(page, next_page) == [(("01-02", "100.00"), ("01-05", "80.00"))]


def test_a_page_without_the_one_before_it_has_no_opening_that_proves_anything():
    page = message(opening=":60M:C260105EUR90,00", closing=":62F:C260105EUR80,00")
    assert anchors(page) == [(None, ("01-05", "80.00"))]


def test_between_two_statements_of_a_day_there_is_no_balance_of_a_day():
    first = message()
    second = message(opening=":60F:C260105EUR90,00", closing=":62F:C260105EUR80,00")
    assert anchors(first, second) == [(("01-02", "100.00"), None), (None, ("01-05", "80.00"))]


def test_pages_of_other_accounts_do_not_join():
    page = message(closing=":62M:C260105EUR90,00", account="1/1")
    other = message(opening=":60M:C260105EUR90,00", closing=":62F:C260105EUR80,00", account="1/2")
    assert len(parse(page, other).statements) == 2


def test_statements_in_any_order_have_the_same_balances():
    first = message()
    second = message(
        ROW.replace("2601050105", "2601060106"),
        opening=":60F:C260105EUR90,00",
        closing=":62F:C260106EUR80,00",
    )
    assert anchors(second, first) == anchors(first, second)[::-1]
    assert None not in anchors(first, second)[0]


def test_rows_that_do_not_come_to_the_closing_balance_are_told():
    assert len(parse(message(closing=":62F:C260105EUR91,00")).notes) == 1


def test_a_balance_that_cannot_be_read_is_rejected():
    file = parse(message(closing=":62F:Dnullnull90,00"))
    assert [row.where for row in file.rejected] == ["line 7, 62F"]
    assert file.statements[0].closing is None


def test_a_balance_without_currency_takes_that_of_the_other():
    (statement,) = parse(message(closing=":62F:C26010590,00")).statements
    assert statement.closing.amount == 90


def test_a_closing_balance_that_the_file_s_end_may_have_cut_is_used_only_if_it_comes_out():
    whole = message().removesuffix("\n-\n")
    assert mt940.parse(whole.encode()).statements[0].closing.amount == 90
    cut = message(closing=":62F:C260105EUR900,00").removesuffix("00,00\n-\n")
    assert mt940.parse(cut.encode()).statements[0].closing is None


def test_an_interim_report_has_pending_rows_and_no_balance():
    report = (
        ":20:T\n:25:1/2\n:28C:1/1\n:34F:PLN0,\n:13D:2601051200+0100\n"
        ":61:2601050105D3,00NTRFNONREF\n:86:Coffee\n:90D:1PLN3,00\n:90C:0PLN0,\n-\n"
    )
    (statement,) = parse(report).statements
    assert [(t.pending, t.money.currency) for t in statement.transactions] == [(True, "PLN")]
    assert (statement.opening, statement.closing) == (None, None)


def written(amount: Decimal) -> str:
    return f"{abs(amount):f}".replace(".", ",")


@settings(max_examples=effort.examples(150))
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(-500, 500)), max_size=5),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
    st.data(),
)
def test_each_balance_that_is_kept_is_that_of_the_end_of_its_day(statements, own_day, data):
    """Statements follow each other; some begin on the day on which the one before ended."""
    day, balance, text, booked = dt.date(2026, 1, 10), Decimal(1000), [], []
    for rows in statements:
        before, opening = day, balance
        day += dt.timedelta(days=data.draw(st.integers(0, 1)))
        first, lines = day, ""
        for later, amount in rows:
            day += dt.timedelta(days=later)
            mark = "D" if amount < 0 else "C"
            lines += f":61:{day:%y%m%d}{day:%m%d}{mark}{abs(amount)},NTRFNONREF\n"
            booked.append((day, amount))
            balance += amount
        marks = ["D" if each < 0 else "C" for each in (opening, balance)]
        stated = first if own_day else before
        text.append(
            message(
                lines,
                opening=f":60F:{marks[0]}{stated:%y%m%d}EUR{written(opening)},".replace(",,", ","),
                closing=f":62F:{marks[1]}{day:%y%m%d}EUR{written(balance)},".replace(",,", ","),
            )
        )
    file = parse(*text)
    assert file.rejected == ()
    for statement in file.statements:
        for anchor in filter(None, (statement.opening, statement.closing)):
            assert anchor.amount == 1000 + sum(n for when, n in booked if when <= anchor.date)
    assert file.statements[-1].closing is not None
