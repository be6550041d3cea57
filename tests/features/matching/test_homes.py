"""Which account of the ledger a bank's account is that is linked again, or after a file."""

import datetime as dt

from sqlalchemy import select

from app.models import Account, SourceAccount
from app.simulator.rows import Account as BankAccount
from app.simulator.stream import Added
from tests.factories.files import csv, ofx
from tests.features.connections.bank import query
from tests.features.matching.histories import (
    DAY,
    bank_of,
    bring_file,
    counts,
    link_and_sync,
    open_account,
    purchase,
    questions,
    sync_again,
    total,
)


def shown(ada) -> list[Account]:
    with ada.session() as session:
        return list(session.scalars(select(Account).where(Account.hidden_at.is_(None))))


def unlink(ada, item_id) -> None:
    query(ada.household_id, "UPDATE items SET unlinked_at = now() WHERE id = :id", id=item_id)


def test_a_bank_linked_again_under_new_ids_goes_on_where_it_was(ada) -> None:
    first = link_and_sync(ada, bank_of("one", open_account(), 12))
    before = total(ada)
    unlink(ada, first)

    link_and_sync(ada, bank_of("two", open_account(), 15))

    assert len(shown(ada)) == 1
    assert counts(ada) == (27, 15, 12)
    assert total(ada) < before
    assert questions(ada) == []


def test_the_banks_own_lasting_id_is_enough_even_without_rows(ada) -> None:
    lasting = {"persistent_account_id": "p-1"}
    link_and_sync(ada, bank_of("one", open_account("Checking", "1111", **lasting), 3))

    link_and_sync(ada, bank_of("two", open_account("Renamed", "1111", **lasting)))

    assert len(shown(ada)) == 1


def test_trap_4_two_accounts_with_the_same_name_and_digits_are_not_one(ada) -> None:
    first = link_and_sync(ada, bank_of("one", open_account(), 12))
    unlink(ada, first)
    bank = bank_of("two", open_account())
    for number in range(12):
        day = DAY + dt.timedelta(days=number)
        bank.stream.apply(Added(purchase(bank, f"two-{number}", number + 40, date=day)))

    link_and_sync(ada, bank)

    assert len(shown(ada)) == 2
    assert (counts(ada), questions(ada)) == ((24, 24, 0), [])


def test_a_live_account_of_the_same_name_is_not_taken_over(ada) -> None:
    link_and_sync(ada, bank_of("one", open_account(mask=None), 12))

    link_and_sync(ada, bank_of("two", open_account(mask=None), 9, first=40))

    assert len(shown(ada)) == 2
    assert [each.kind for each in questions(ada)] == ["same_account"]


def test_rows_that_come_after_the_account_decide_where_it_belongs(ada) -> None:
    link_and_sync(ada, bank_of("one", open_account("Checking", None), 12))
    bank = bank_of("two", open_account("My money", None))
    item_id = link_and_sync(ada, bank)
    assert len(shown(ada)) == 2

    for number in range(14):
        bank.stream.apply(Added(purchase(bank, f"two-{number}", number)))
    sync_again(ada, bank, item_id)

    assert len(shown(ada)) == 1
    assert counts(ada) == (26, 14, 12)


def test_the_same_account_through_two_live_links_is_fused(ada) -> None:
    one = bank_of("one", open_account(), 12)
    link_and_sync(ada, one)
    two = bank_of("two", open_account("Other name", "6789"), 12)
    item_id = link_and_sync(ada, two)
    assert (len(shown(ada)), counts(ada)) == (1, (24, 12, 12))

    two.stream.apply(Added(purchase(two, "two-12", 12)))
    sync_again(ada, two, item_id)

    assert counts(ada) == (25, 13, 12)


def test_accounts_are_merged_by_hand_and_what_both_tell_counts_once(ada) -> None:
    link_and_sync(ada, bank_of("one", open_account(mask=None), 6))
    link_and_sync(ada, bank_of("two", open_account(mask=None), 6))
    [asked] = questions(ada)
    assert counts(ada) == (12, 12, 0)

    answer = ada.post(f"/api/v1/matches/{asked.id}/merge", headers=ada.bearer())

    assert answer.status_code == 200
    assert (len(shown(ada)), counts(ada)) == (1, (12, 6, 6))


def test_an_account_in_another_currency_is_another_one(ada) -> None:
    bring_file(ada, ofx(currency="EUR"), "march.ofx")

    link_and_sync(ada, bank_of("one", open_account(mask="6789"), 5))

    assert len(shown(ada)) == 2
    assert questions(ada) == []


def test_two_files_of_one_account_in_two_formats_are_fused(ada) -> None:
    days = [DAY + dt.timedelta(days=n) for n in range(10)]
    rows = [(f"{day:%Y%m%d}", f"-{n + 3}.17", f"f{n}", f"SHOP {n}") for n, day in enumerate(days)]
    bring_file(ada, ofx(rows, start="20261101", end="20261120"), "november.ofx")
    with ada.session() as session:
        account_id = session.scalars(select(SourceAccount.account_id)).one()

    lines = [f"{day},Shop {n},-{n + 3}.17" for n, day in enumerate(days)]
    bring_file(ada, csv(*lines), "november.csv", account_id)

    assert counts(ada) == (20, 10, 10)


def test_an_account_that_churns_its_id_stays_one(ada) -> None:
    first = BankAccount(account_id="before", name="Everyday Checking", mask="6789")
    bank = bank_of("one", first, 12)
    link_and_sync(ada, bank)
    before = total(ada)

    again = BankAccount(account_id="after", name="Everyday Checking", mask="6789")
    link_and_sync(ada, bank_of("two", again, 12))

    assert (total(ada), len(shown(ada))) == (before, 1)
