"""What importing files does to the ledger, on a real database."""

from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.core.errors import AppError, ConflictError, NotFoundError
from app.features.history.service.undo import undo_import
from app.features.imports.service.book import Result, book, get_result
from app.features.imports.service.look import Choices, PreviewData, look, set_layout
from app.features.imports.service.upload import discard, preview
from app.models import (
    Account,
    BalanceAnchor,
    DailyTotal,
    JournalPage,
    RejectedRow,
    SourceAccount,
    Transaction,
)
from tests.cast import SignedInBrowser
from tests.factories.files import CSV_MARCH, MARCH, csv, ofx


def bring(ada: SignedInBrowser, data: bytes, name: str = "march.ofx") -> PreviewData:
    return look(ada.household_id, preview(ada.household_id, ada.user_id, name, data))


def bring_and_book(
    ada: SignedInBrowser, data: bytes, name: str = "march.ofx", choices: Choices | None = None
) -> Result:
    shown = bring(ada, data, name)
    if choices is not None:
        set_layout(ada.household_id, shown.id, choices)
    return book(ada.household_id, ada.user_id, shown.id)


def undo(household_id: UUID, user_id: UUID, import_id: UUID) -> Result:
    undo_import(household_id, user_id, import_id)
    return get_result(household_id, import_id)


def ledger(ada: SignedInBrowser) -> list[tuple[str, str, str]]:
    """Return day, amount and text of what is shown."""
    with ada.session() as session:
        rows = session.execute(
            select(Transaction.date, Transaction.amount, Transaction.description)
            .where(Transaction.removed_at.is_(None))
            .order_by(Transaction.date, Transaction.description, Transaction.amount)
        ).all()
    return [(str(row.date), f"{row.amount:.2f}", row.description) for row in rows]


def daily_totals(ada: SignedInBrowser) -> tuple[int, Decimal]:
    with ada.session() as session:
        count, total = session.execute(
            select(
                func.coalesce(func.sum(DailyTotal.count), 0),
                func.coalesce(func.sum(DailyTotal.money_in + DailyTotal.money_out), 0),
            )
        ).one()
    return int(count), total


MARCH_ROWS = [
    ("2026-03-02", "-4.50", "COFFEE BAR"),
    ("2026-03-02", "-4.50", "COFFEE BAR"),
    ("2026-03-10", "-820.00", "RENT"),
    ("2026-03-25", "2500.00", "SALARY"),
]


@pytest.mark.parametrize(("data", "name"), [(ofx(), "march.ofx"), (CSV_MARCH, "march.csv")])
def test_a_file_is_booked_and_identical_rows_of_a_day_stay_apart(ada, data, name) -> None:
    result = bring_and_book(ada, data, name)

    assert (result.added, result.known, result.rejected_count) == (4, 0, 0)
    assert ledger(ada) == MARCH_ROWS
    assert daily_totals(ada) == (4, Decimal("1671.00"))


@pytest.mark.parametrize(("data", "name"), [(ofx(), "march.ofx"), (CSV_MARCH, "march.csv")])
def test_the_same_file_again_adds_nothing(ada, data, name) -> None:
    bring_and_book(ada, data, name)

    shown = bring(ada, data, name)
    result = book(ada.household_id, ada.user_id, shown.id)

    assert (shown.new, shown.known) == (0, 4)
    assert (result.added, result.modified, result.known) == (0, 0, 4)
    assert ledger(ada) == MARCH_ROWS
    with ada.session() as session:
        assert session.scalar(select(func.count()).select_from(Account)) == 1
        assert session.scalar(select(func.count()).select_from(SourceAccount)) == 1
        anchors = session.scalar(select(func.count()).select_from(BalanceAnchor))
    assert anchors == (1 if name.endswith("ofx") else 0)


def test_booking_twice_does_it_once(ada) -> None:
    shown = bring(ada, ofx())

    first = book(ada.household_id, ada.user_id, shown.id)
    second = book(ada.household_id, ada.user_id, shown.id)

    assert (first.added, second.added) == (4, 4)
    assert ledger(ada) == MARCH_ROWS


def test_overlapping_files_are_joined(ada) -> None:
    bring_and_book(ada, ofx())
    april = (*MARCH[2:], ("20260402", "-4.50", "a1", "COFFEE BAR"))

    result = bring_and_book(ada, ofx(april, start="20260305", end="20260430", balance="1666.50"))

    assert (result.added, result.known) == (1, 2)
    assert len(ledger(ada)) == 5


def test_a_file_of_last_year_leaves_the_balance_of_today(ada) -> None:
    bring_and_book(ada, ofx())
    old = (("20250102", "-1.00", "o1", "OLD"),)

    bring_and_book(ada, ofx(old, start="20250101", end="20250131", balance="12.00"))

    with ada.session() as session:
        account = session.scalars(select(SourceAccount)).one()
        anchors = session.scalars(select(BalanceAnchor.current)).all()
    assert account.current == Decimal("1671.00")
    assert sorted(anchors) == [Decimal("12.00"), Decimal("1671.00")]


def test_a_bank_that_numbers_anew_adds_nothing(ada) -> None:
    bring_and_book(ada, ofx())
    renumbered = [(day, amount, f"x{n}", name) for n, (day, amount, _, name) in enumerate(MARCH)]
    wider = [("20260228", "-1.00", "x8", "FEB"), *renumbered, ("20260401", "-2.00", "x9", "APR")]

    result = bring_and_book(ada, ofx(wider, start="20260228", end="20260401"))

    assert (result.added, result.known) == (2, 4)


def test_what_cannot_be_read_is_kept_and_shown(ada) -> None:
    data = csv("2026-03-02,COFFEE,-4.50", "someday,MYSTERY,-9.00", "2026-03-04,TEA,-2.00")

    result = bring_and_book(ada, data, "march.csv")

    assert (result.added, result.rejected_count) == (2, 1)
    assert "line 3" in result.rejected[0].where
    with ada.session() as session:
        assert session.scalar(select(func.count()).select_from(RejectedRow)) == 1


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"%PDF-1.7 nothing", "statement.pdf", "PDF"),
        (b"<OFX><BANKMSGSRSV1>", "broken.ofx", "no statement"),
        (b"\x00\x01\x02\x03\x04\x05\x06\x07" * 50, "noise.csv", "not a text"),
        (b"<OFX>" + b"<A>" * 5000, "deep.ofx", "The file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_stays_in_the_journal(
    ada, data, name, words
) -> None:
    import_id = preview(ada.household_id, ada.user_id, name, data)

    with pytest.raises(AppError) as raised:
        look(ada.household_id, import_id)

    assert raised.value.status == 422
    assert words in raised.value.message
    with ada.session() as session:
        assert session.scalar(select(JournalPage.payload_bytes)) == len(data)
    assert ledger(ada) == []


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig", "cp1250"])
def test_other_encodings_are_read(ada, encoding) -> None:
    text = "Datum;Text;Betrag\n02.03.2026;BÄCKEREI MÜLLER;-4,50\n03.03.2026;Gehalt;1.200,00\n"

    bring_and_book(ada, text.encode(encoding), "umsatz.csv")

    assert ledger(ada) == [
        ("2026-03-02", "-4.50", "BÄCKEREI MÜLLER"),
        ("2026-03-03", "1200.00", "Gehalt"),
    ]


def test_a_guess_that_is_wrong_is_changed_before_booking(ada) -> None:
    data = csv("03/04/2026,COFFEE,4.50", "05/06/2026,TEA,2.00")
    shown = bring(ada, data, "card.csv")

    changed = set_layout(
        ada.household_id,
        shown.id,
        Choices(layout={"date_order": "DMY", "sign": "inverted"}, currency="EUR"),
    )
    book(ada.household_id, ada.user_id, shown.id)

    assert changed.rows[0].amount.currency == "EUR"
    assert ledger(ada) == [("2026-04-03", "-4.50", "COFFEE"), ("2026-06-05", "-2.00", "TEA")]


def test_a_mended_sign_corrects_the_rows_and_its_undoing_brings_them_back(ada) -> None:
    data = csv("2026-03-02,COFFEE,4.50", "2026-03-03,TEA,2.00")
    bring_and_book(ada, data, "card.csv", Choices(layout={"sign": "as_written"}))
    wrong = ledger(ada)

    mended = bring_and_book(ada, data, "card.csv", Choices(layout={"sign": "inverted"}))

    assert (mended.added, mended.modified) == (0, 2)
    assert daily_totals(ada) == (2, Decimal("-6.50"))
    undo(ada.household_id, ada.user_id, mended.id)
    assert ledger(ada) == wrong
    assert daily_totals(ada) == (2, Decimal("6.50"))


def test_without_the_columns_nothing_is_booked(ada) -> None:
    shown = bring(ada, csv("2026-03-02,COFFEE,-4.50"), "march.csv")
    roles = ["", "description", "amount"]

    changed = set_layout(ada.household_id, shown.id, Choices(layout={"roles": roles}))

    assert changed.row_count == 0
    assert "date" in changed.notes[0]
    with pytest.raises(AppError, match="date and the amount"):
        book(ada.household_id, ada.user_id, shown.id)


def test_undoing_takes_the_rows_away_and_the_file_brings_them_back_with_the_edits(ada) -> None:
    first = bring_and_book(ada, ofx())
    with ada.session() as session:
        row = session.scalars(select(Transaction).where(Transaction.description == "RENT")).one()
    ada.put(f"/api/v1/transactions/{row.id}", json={"note": "too much"}, headers=ada.bearer())

    undone = undo(ada.household_id, ada.user_id, first.id)

    assert undone.state == "undone"
    assert (ledger(ada), daily_totals(ada)) == ([], (0, Decimal(0)))
    with ada.session() as session:
        assert session.scalars(select(Account.hidden_at)).one() is not None
        assert session.scalars(select(BalanceAnchor)).all() == []
    again = bring_and_book(ada, ofx())
    assert again.added == 4
    assert ledger(ada) == MARCH_ROWS
    with ada.session() as session:
        row = session.scalars(select(Transaction).where(Transaction.description == "RENT")).one()
        account = session.scalars(select(Account)).one()
    assert (row.note, row.removed_at, account.hidden_at) == ("too much", None, None)
    undo(ada.household_id, ada.user_id, again.id)
    assert ledger(ada) == []


def test_undoing_a_csv_file_and_bringing_it_again_opens_no_second_account(ada) -> None:
    first = bring_and_book(ada, CSV_MARCH, "march.csv")
    undo(ada.household_id, ada.user_id, first.id)

    bring_and_book(ada, CSV_MARCH, "march.csv")

    with ada.session() as session:
        assert session.scalar(select(func.count()).select_from(Account)) == 1
    assert ledger(ada) == MARCH_ROWS


def test_undoing_keeps_what_a_later_file_has_as_well(ada) -> None:
    first = bring_and_book(ada, ofx())
    april = (*MARCH[2:], ("20260402", "-4.50", "a1", "COFFEE BAR"))
    second = bring_and_book(ada, ofx(april, start="20260305", end="20260430"))

    undo(ada.household_id, ada.user_id, first.id)
    kept = ledger(ada)
    undo(ada.household_id, ada.user_id, second.id)

    assert kept == [*MARCH_ROWS[2:], ("2026-04-02", "-4.50", "COFFEE BAR")]
    assert ledger(ada) == []


def test_an_import_is_undone_once(ada) -> None:
    result = bring_and_book(ada, ofx())
    undo(ada.household_id, ada.user_id, result.id)

    with pytest.raises(ConflictError):
        undo(ada.household_id, ada.user_id, result.id)
    with pytest.raises(ConflictError):
        book(ada.household_id, ada.user_id, result.id)


def test_next_months_file_goes_to_the_account_that_was_chosen(ada) -> None:
    bring_and_book(ada, ofx(number="999", balance="0.00"), "other.ofx")
    with ada.session() as session:
        chosen = session.scalars(select(Account.id)).one()
    first = bring(ada, CSV_MARCH, "march.csv")
    key = first.accounts[0].key
    set_layout(ada.household_id, first.id, Choices(targets={key: str(chosen)}, add_matches=True))
    book(ada.household_id, ada.user_id, first.id)

    april = bring(ada, csv("2026-04-02,TEA,-1.00"), "april.csv")

    assert april.accounts[0].target == str(chosen)
    assert len(april.ledger) == 1


def test_two_accounts_of_one_bank_whose_files_look_alike_stay_apart(ada) -> None:
    bring_and_book(ada, CSV_MARCH, "checking.csv")
    second = bring(ada, CSV_MARCH, "savings.csv")
    key = second.accounts[0].key

    set_layout(ada.household_id, second.id, Choices(targets={key: "new"}))
    result = book(ada.household_id, ada.user_id, second.id)

    assert result.added == 4
    assert len(ledger(ada)) == 8
    with ada.session() as session:
        assert session.scalar(select(func.count()).select_from(Account)) == 2


def test_rows_that_another_source_told_are_kept_as_duplicates(ada) -> None:
    bring_and_book(ada, ofx())
    before = daily_totals(ada)

    shown, result = bring_again_as_csv(ada)

    assert [row.state for row in shown.rows] == ["matched", "matched", "new", "new"]
    assert (result.added, result.matched) == (4, 2)
    assert len(ledger(ada)) == 8
    assert daily_totals(ada) == (before[0] + 2, before[1] + Decimal("2460.00"))


def test_rows_that_another_source_told_count_as_well_if_wanted(ada) -> None:
    bring_and_book(ada, ofx())

    _, result = bring_again_as_csv(ada, add_matches=True)
    again = bring_and_book(ada, CSV_OF_THE_SAME, "march.csv")

    assert (result.added, result.matched) == (4, 0)
    assert (again.added, again.known, again.matched) == (0, 4, 0)
    assert daily_totals(ada)[0] == 8


CSV_OF_THE_SAME = csv(
    "2026-03-03,Coffee bar card 1,-4.50",
    "2026-03-10,Rent March,-820.00",
    "2026-03-12,Cash,-40.00",
    "2026-04-20,After the bank's last day,2500.00",
)


def bring_again_as_csv(ada, *, add_matches=None) -> tuple[PreviewData, Result]:
    with ada.session() as session:
        account_id = session.scalars(select(Account.id)).one()
    shown = bring(ada, CSV_OF_THE_SAME, "march.csv")
    target = {shown.accounts[0].key: str(account_id)}
    choices = Choices(targets=target, add_matches=add_matches)
    changed = set_layout(ada.household_id, shown.id, choices)
    return changed, book(ada.household_id, ada.user_id, shown.id)


def test_an_account_with_earlier_rows_cannot_go_elsewhere(ada) -> None:
    bring_and_book(ada, ofx())
    bring_and_book(ada, ofx(number="777"))
    with ada.session() as session:
        ids = set(session.scalars(select(SourceAccount.account_id)).all())
    shown = bring(ada, ofx())
    other = next(each for each in ids if str(each) != shown.accounts[0].target)

    choices = Choices(targets={shown.accounts[0].key: str(other)})

    assert shown.accounts[0].is_fixed
    with pytest.raises(ConflictError, match="Undo those imports first"):
        set_layout(ada.household_id, shown.id, choices)


def test_after_undoing_the_rows_can_go_to_another_account(ada) -> None:
    bring_and_book(ada, ofx(number="777", rows=[("20260101", "-1.00", "z", "Z")]))
    with ada.session() as session:
        right = session.scalars(select(Account.id)).one()
    wrong = bring_and_book(ada, ofx())
    undo(ada.household_id, ada.user_id, wrong.id)
    shown = bring(ada, ofx())

    set_layout(ada.household_id, shown.id, Choices(targets={shown.accounts[0].key: str(right)}))
    book(ada.household_id, ada.user_id, shown.id)

    with ada.session() as session:
        owners = set(session.scalars(select(Transaction.account_id)).all())
        days = session.scalars(select(DailyTotal.account_id).distinct()).all()
    assert owners == {right}
    assert days == [right]


def test_a_stranger_finds_no_import(ada, cleo) -> None:
    import_id = preview(ada.household_id, ada.user_id, "march.ofx", ofx())

    for ask in (look, discard):
        with pytest.raises(NotFoundError):
            ask(cleo.household_id, import_id)
    for act in (book, undo):
        with pytest.raises(NotFoundError):
            act(cleo.household_id, cleo.user_id, import_id)


def test_a_discarded_file_is_gone_from_sight_and_stays_in_the_journal(ada) -> None:
    import_id: UUID = preview(ada.household_id, ada.user_id, "march.ofx", ofx())

    discard(ada.household_id, import_id)

    with pytest.raises(NotFoundError):
        look(ada.household_id, import_id)
    with ada.session() as session:
        assert session.scalar(select(func.count()).select_from(JournalPage)) == 1
