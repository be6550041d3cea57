"""Whatever a provider sends, the ledger equals its truth, and a replay writes nothing.

`FINTECH_HISTORIES=10000 pytest tests/features/connections/test_histories.py` runs as many.
"""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.core.database import household_transaction
from app.core.ids import uuid7
from app.features.proof import service as proof
from app.features.transactions.service import Applied
from tests import effort
from tests.features.connections import streams

many = settings(max_examples=effort.histories())


@many
@given(rounds=streams.rounds, noise=streams.noises, late=st.lists(streams.steps, max_size=3))
def test_the_ledger_equals_the_truth_and_a_replay_writes_nothing(rounds, noise, late):
    household_id = streams.new_household()
    history = streams.new_history(f"item-{uuid7()}", noise)
    reader = streams.Reader(household_id, history.stream)
    for number, happenings in enumerate(rounds):
        for step in happenings:
            history.step(*step)
        interruptions = [lambda step=step: history.step(*step) for step in late]
        pages = reader.fetch(interruptions if number == 1 else ())
        reader.book(pages)

        ids = [key.source_account_id for key in reader.keys.values()]
        assert streams.ledger_of(household_id, ids) == streams.truth_of(history.stream)
        assert reader.book(pages) == Applied(0, 0, 0)
    assert _totals_of_days(household_id, ids) == _totals_of_rows(household_id, ids)
    assert proof.replay(household_id).is_same


def _totals_of_days(household_id: UUID, ids: list[UUID]) -> list[tuple]:
    return _query(
        household_id,
        ids,
        "SELECT account_id, date, currency, pending, sum(money_in), sum(money_out), sum(count)"
        " FROM daily_totals WHERE account_id IN"
        " (SELECT account_id FROM source_accounts WHERE id = ANY(:ids))"
        " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    )


def _totals_of_rows(household_id: UUID, ids: list[UUID]) -> list[tuple]:
    return _query(
        household_id,
        ids,
        "SELECT account_id, date, currency, pending,"
        " coalesce(sum(amount) FILTER (WHERE amount > 0), 0),"
        " coalesce(sum(amount) FILTER (WHERE amount < 0), 0), count(*)"
        " FROM transactions WHERE source_account_id = ANY(:ids) AND removed_at IS NULL"
        " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    )


def _query(household_id: UUID, ids: list[UUID], statement: str) -> list[tuple]:
    with household_transaction(household_id) as session:
        return [tuple(row) for row in session.execute(text(statement), {"ids": ids})]
