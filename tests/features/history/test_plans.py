"""Statements that take back many rows have plans for many rows, whatever the statistics say."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.features.changes import service as changes
from app.features.history.repository import held, plan, sets
from app.features.history.service import fold
from app.features.transactions.apply import driver
from tests.factories import ledger

ROWS = 3_000
# Nobody can have made statistics of rows that are not committed yet.
_FILL = text("""
    INSERT INTO transactions (household_id, id, account_id, source_account_id, source_id, date,
                              amount, currency, pending, description, change_set_id,
                              journal_page_id)
    SELECT household_id, gen_random_uuid(), account_id, source_account_id, 'row ' || number, date,
           amount, currency, false, description, :change_set_id, journal_page_id
    FROM transactions CROSS JOIN generate_series(1, :rows) AS number
""")
_STATEMENTS = {"touch": held._TOUCH, "settle": held._SETTLE, "stage": plan._STAGE}


def loops(node: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is searched once for each of many rows, but for a function's answer."""
    inside = node.get("Plans", [])
    if node["Node Type"] == "Nested Loop" and inside[1]["Node Type"] != "Function Scan":
        yield inside[1]["Node Type"]
    for each in inside:
        yield from loops(each)


def loops_of(session: Session, statement: str, parameters: Mapping[str, object]) -> list[str]:
    with driver(session).cursor() as cursor:
        [[found]] = cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}".encode(), parameters)
    return list(loops(found[0]["Plan"]))


def test_undo_of_many_rows_loops_over_none_of_them_where_statistics_are_stale(ada) -> None:
    ledger.everything(ada.household_id, ada.user_id)
    with ada.session() as session:
        target_id = changes.open_change_set(session, ada.household_id, kind="sync")
        session.execute(_FILL, {"change_set_id": target_id, "rows": ROWS})
        parameters = {
            "household_id": ada.household_id,
            "target": target_id,
            "in_force": False,
            "speaking": list(held.SPEAKING),
            "word_fields": list(held.WORD_FIELDS),
            "other_fields": list(plan.OTHER_FIELDS),
        }
        target = sets.find(session, ada.household_id, target_id)
        assert target is not None

        fold.stage(session, ada.household_id, target, in_force=False)
        planned = {name: loops_of(session, each, parameters) for name, each in _STATEMENTS.items()}
        session.execute(text("SET LOCAL enable_nestloop = on"))
        unheeded = loops_of(session, held._TOUCH, parameters)

    assert [name for name, found in planned.items() if found] == []
    assert unheeded, "this test sees nothing any more: the planner knows better"
