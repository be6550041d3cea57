"""A new household has the whole tree of categories, and it is its own."""

from sqlalchemy import update

from app.domain import taxonomy
from app.features.categories import service
from app.models import Category
from tests.cast import SignedInBrowser


def test_a_new_household_has_the_whole_tree(ada: SignedInBrowser) -> None:
    with ada.session() as session:
        nodes = service.list_categories(session, ada.household_id)

    assert [node.code for node in nodes] == [category.code for category in taxonomy.CATEGORIES]
    by_id = {node.id: node for node in nodes}
    for node, category in zip(nodes, taxonomy.CATEGORIES, strict=True):
        parent = by_id[node.parent_id].code if node.parent_id else None
        assert (node.name, node.kind, parent) == (category.name, category.kind, category.parent)


def test_renaming_one_does_not_touch_another_household(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    with ada.session() as session:
        session.execute(update(Category).values(name="Ada's"))

    with cleo.session() as session:
        names = {node.name for node in service.list_categories(session, cleo.household_id)}
    assert "Ada's" not in names


def test_a_code_leads_to_the_households_own_category(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    with ada.session() as session:
        of_ada = service.ids_by_code(session, ada.household_id)
    with cleo.session() as session:
        of_cleo = service.ids_by_code(session, cleo.household_id)

    assert of_ada.keys() == of_cleo.keys() == {c.code for c in taxonomy.CATEGORIES}
    assert not set(of_ada.values()) & set(of_cleo.values())
