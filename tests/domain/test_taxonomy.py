"""The categories that a household starts with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import taxonomy

CODES = [category.code for category in taxonomy.CATEGORIES]


def test_version_2_has_18_primary_and_127_detailed_categories() -> None:
    primaries = [category for category in taxonomy.CATEGORIES if category.parent is None]

    assert (len(primaries), len(CODES) - len(primaries)) == (18, 127)
    assert len(set(CODES)) == len(CODES)


def test_parents_come_before_their_children_and_prefix_their_codes() -> None:
    seen = set()
    for category in taxonomy.CATEGORIES:
        seen.add(category.code)
        if category.parent is not None:
            assert category.parent in seen
            assert category.code.startswith(category.parent + "_")


def test_names_tell_categories_apart_inside_their_parent() -> None:
    names = [(category.parent, category.name) for category in taxonomy.CATEGORIES]

    assert len(set(names)) == len(names)
    assert all(name and name[0].isupper() for _, name in names)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INCOME_SALARY", "income"),
        ("FOOD_AND_DRINK_COFFEE", "spending"),
        ("LOAN_PAYMENTS_MORTGAGE_PAYMENT", "spending"),
        ("LOAN_PAYMENTS_CREDIT_CARD_PAYMENT", "transfer"),
        ("TRANSFER_IN_WIRE", "transfer"),
        ("TRANSFER_OUT_WITHDRAWAL", "transfer"),
        ("LOAN_DISBURSEMENTS_STUDENT", "transfer"),
    ],
)
def test_moving_money_between_ones_own_pockets_is_no_spending(code: str, kind: str) -> None:
    [category] = [category for category in taxonomy.CATEGORIES if category.code == code]

    assert category.kind == kind


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("INCOME_WAGES", "INCOME_SALARY"),
        ("INCOME_OTHER_INCOME", "INCOME_OTHER"),
        ("TRANSFER_IN_CASH_ADVANCES_AND_LOANS", "LOAN_DISBURSEMENTS_OTHER_DISBURSEMENT"),
        ("LOAN_DISBURSEMENTS_BNPL", "LOAN_PAYMENTS_BNPL"),
        ("FOOD_AND_DRINK_BUBBLE_TEA", "FOOD_AND_DRINK"),
        ("TRANSFER_OUT_BY_PIGEON", "TRANSFER_OUT"),
        ("TRAVEL", "TRAVEL"),
        ("SPACE_TOURISM", None),
        ("", None),
    ],
)
def test_older_and_unknown_codes_find_the_nearest_category(code: str, found: str | None) -> None:
    assert taxonomy.find(code) == found


@given(st.one_of(st.sampled_from(CODES), st.text(max_size=60)))
def test_what_is_found_is_in_the_taxonomy(code: str) -> None:
    found = taxonomy.find(code)

    assert found is None or found in CODES
    assert code not in CODES or found == code
