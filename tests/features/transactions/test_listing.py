"""Lists and sums: every filter, at any depth, shows exactly what it should."""

import datetime as dt
import random
import string
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.core.database import household_transaction
from app.domain.filters import TransactionFilter
from app.features.transactions import listing, service
from app.models import NO_CATEGORY
from tests import effort
from tests.cast import SignedInBrowser
from tests.features.transactions import ledgers

FIRST_DAY = dt.date(2024, 1, 25)
WORDS = (
    "CAFFE NERO", "SQ *CA-FE", "\N{LEFT DOUBLE QUOTATION MARK}CACAO 中国银行", "100% JUICE",
    "back\\slash", "RENT_MAY", "Müller Straße", "O'Hara",
)  # fmt: skip
SOUGHT_ANYWHERE = (
    "nero", "%", "_", "\\", "straße", "0012", "o'h", "zzz", "juice 00", "*c", "银行",
)  # fmt: skip
SOUGHT_WHERE_WORDS_BEGIN = ("E", "ca", "Mü", "ü", "0", "01", "o'", "fe", "zq", "9)")
SPACE_AND_SIGNS = f" {string.punctuation}"
CATEGORIES = (None, "FOOD_AND_DRINK_COFFEE", "RENT_AND_UTILITIES_RENT", "INCOME_SALARY")


@pytest.fixture(scope="module")
def ledger(app):
    from tests.factories import people  # reads the environment

    made = ledgers.open_ledger(people.person("Ada").household_id)
    chance = random.Random(7)
    ledgers.bring(
        made,
        *(
            ledgers.record(
                f"t{number}",
                str(Decimal(chance.randint(-9_999, 9_999)).scaleb(-2)),
                account=chance.choice(("checking", "card")),
                date=FIRST_DAY + dt.timedelta(days=chance.randint(0, 100)),
                description=f"{chance.choice(WORDS)} {number:04}",
                currency=chance.choice(("USD", "USD", "EUR")),
                category=chance.choice(CATEGORIES),
                pending=chance.random() < 0.05,
            )
            for number in range(400)
        ),
    )
    ledgers.bring(made, removed=[f"t{number}" for number in range(0, 400, 17)])
    return made


@pytest.fixture(scope="module")
def rows(ledger):
    """All live rows, in the order of the list, as the table has them."""
    with household_transaction(ledger.household_id) as session:
        return session.execute(
            text(
                "SELECT id, date, amount, currency, pending, description, account_id, category_id,"
                " search_text FROM transactions WHERE removed_at IS NULL"
                " ORDER BY date DESC, id DESC"
            )
        ).all()


@pytest.fixture(params=[10_000, 7], ids=["small ledger", "large ledger"])
def steps(request, monkeypatch):
    """Both ways through the list: all rows are recent, or most are not."""
    monkeypatch.setattr(listing, "RECENT_ROWS", request.param)


days = st.dates(FIRST_DAY - dt.timedelta(days=5), FIRST_DAY + dt.timedelta(days=110))
sizes = st.integers(0, 11_000).map(lambda cents: Decimal(cents).scaleb(-2))
# Nothing here is of one ledger: what is drawn must mean the same each time it is drawn.
choices = st.fixed_dictionaries(
    {
        "names": st.lists(st.sampled_from(("checking", "card", None)), max_size=2),
        "codes": st.lists(st.sampled_from(CATEGORIES), max_size=3),
    },
    optional={
        "search": st.sampled_from(SOUGHT_ANYWHERE + SOUGHT_WHERE_WORDS_BEGIN),
        "date_from": days,
        "date_to": days,
        "amount_min": sizes,
        "amount_max": sizes,
        "direction": st.sampled_from(("in", "out")),
        "pending": st.booleans(),
    },
)


def filter_of(ledger: ledgers.Ledger, names, codes, **chosen) -> TransactionFilter:
    """Return the filter with the ids that names and codes have in this ledger."""
    return TransactionFilter(
        account_ids=tuple(
            ledger.accounts[name].account_id if name else UUID(int=0) for name in names
        ),
        category_ids=tuple(ledger.categories[code] if code else NO_CATEGORY for code in codes),
        **chosen,
    )


def is_found(sought: str, text: str) -> bool:
    """Tell it of a text that is searched: anywhere, or where words begin."""
    if sought in map(str.lower, SOUGHT_WHERE_WORDS_BEGIN):
        return any(
            text.startswith(sought, place) and (not place or text[place - 1] in SPACE_AND_SIGNS)
            for place in range(len(text))
        )
    return sought in text


def lets_through(wanted: TransactionFilter, row) -> bool:
    """Tell it in plain Python."""
    return (
        is_found(wanted.search.lower(), row.search_text)
        and (not wanted.account_ids or row.account_id in wanted.account_ids)
        and (not wanted.category_ids or (row.category_id or NO_CATEGORY) in wanted.category_ids)
        and (wanted.date_from is None or row.date >= wanted.date_from)
        and (wanted.date_to is None or row.date <= wanted.date_to)
        and (wanted.amount_min is None or abs(row.amount) >= wanted.amount_min)
        and (wanted.amount_max is None or abs(row.amount) <= wanted.amount_max)
        and (wanted.direction is None or (row.amount > 0) == (wanted.direction == "in"))
        and (wanted.direction is None or row.amount != 0)
        and (wanted.pending is None or row.pending == wanted.pending)
    )


@settings(
    max_examples=effort.examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chosen=choices)
def test_pages_and_sums_of_any_filter_are_those_of_its_rows(ledger, rows, steps, chosen):
    wanted = filter_of(ledger, **chosen)
    expected = [row for row in rows if lets_through(wanted, row)]

    with household_transaction(ledger.household_id) as session:
        assert _all_pages(session, ledger.household_id, wanted) == [row.id for row in expected]
        found = service.totals(session, ledger.household_id, wanted)

    assert {
        total.currency: (total.money_in, total.money_out, total.transactions) for total in found
    } == {
        currency: (
            sum(r.amount for r in expected if r.currency == currency and r.amount > 0),
            sum(r.amount for r in expected if r.currency == currency and r.amount < 0),
            sum(r.currency == currency for r in expected),
        )
        for currency in {row.currency for row in expected}
    }


def _all_pages(session, household_id: UUID, wanted: TransactionFilter) -> list[UUID]:
    found, after = [], None
    for _ in range(100):
        page = service.list_transactions(session, household_id, wanted, after=after, limit=37)
        found += [row.id for row in page.rows]
        after = page.next_key
        if after is None:
            return found
    raise AssertionError("the list does not end")


@pytest.mark.parametrize(("sought", "rows"), [("q", 1000), ("qz", 500), ("7", 500), ("zq", 0)])
def test_short_words_are_looked_up_and_not_read_for(ledger, sought, rows):
    """PostgreSQL's index gives exactly what is sought: it understands where a word begins."""
    with household_transaction(ledger.household_id) as session:
        session.execute(
            text(
                "CREATE TEMP TABLE texts ON COMMIT DROP AS SELECT 'pay *' || word AS text FROM"
                " generate_series(1, 500), unnest(ARRAY['zeq', 'eqz', 'qz', 'q.', '7up']) AS word"
            )
        )
        session.execute(text("CREATE INDEX ON texts USING gin (text gin_trgm_ops)"))
        session.execute(text("SET LOCAL enable_seqscan = off"))
        [[[found]]] = session.execute(
            text("EXPLAIN (ANALYZE, FORMAT JSON) SELECT FROM texts WHERE text ~ :begins"),
            {"begins": listing.word_beginning(sought)},
        )
    index = found["Plan"]["Plans"][0]
    assert index["Node Type"] == "Bitmap Index Scan"
    assert found["Plan"]["Actual Rows"] == index["Actual Rows"] == rows


BEHIND_THE_WALL = ("search_transactions('caffe')", "match_transactions(' nero')")


@pytest.mark.parametrize("function", BEHIND_THE_WALL)
def test_the_search_behind_the_wall_shows_one_household(ledger, cleo, function):
    with cleo.session() as session:
        assert session.execute(text(f"SELECT * FROM {function}")).all() == []
    with household_transaction(ledger.household_id) as session:
        assert session.execute(text(f"SELECT * FROM {function}")).all() != []


@pytest.mark.parametrize("source", ["transactions", *BEHIND_THE_WALL])
def test_no_session_sees_anything_without_a_household(ledger, source):
    from app.core.database import engine  # reads the environment

    with engine.connect() as connection:
        connection.execute(text("SET LOCAL ROLE fintech_tenant"))
        with pytest.raises(Exception, match=r"app\.household_id|invalid input syntax"):
            connection.execute(text(f"SELECT id FROM {source}")).all()


def test_F9_what_is_searched_for_is_a_text_and_no_pattern(ada: SignedInBrowser) -> None:
    signs = [chr(number) for number in range(33, 127)] + ["\u00e9", "\u20ac", "\u0661"]
    sought = [each.lower() for sign in signs for each in (sign, sign * 2, f"a{sign}", f"{sign}a")]
    tried = text(
        "SELECT sought, 'x ' || sought ~ pattern, 'zzz' ~ pattern"
        " FROM unnest(CAST(:sought AS text[]), CAST(:patterns AS text[])) AS t (sought, pattern)"
    )
    patterns = [listing.word_beginning(each) for each in sought]
    with ada.session() as session:
        rows = session.execute(tried, {"sought": sought, "patterns": patterns}).all()
    assert len(rows) == len(sought)
    for searched, finds_itself, finds_another in rows:
        assert finds_itself, searched
        assert finds_another == "zzz".startswith(searched), searched
