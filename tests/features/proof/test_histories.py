"""Whatever a bank sends and people do, undo and redo, the journal tells the same as the ledger."""

from hypothesis import HealthCheck, example, given, settings

from app.features.proof import service as proof
from tests import effort
from tests.features.history.test_fold import histories, take
from tests.features.history.world import new_world

# A sync lists an account under a new id, and the next one finds which account it is: the one that
# it had meanwhile is empty.
AN_ACCOUNT_MOVES = [
    ("sync", [("add posted", number, 100 * number) for number in (1, 2, 3, 5)]),
    ("news", [("churn account", 1, 0)]),
    ("sync", []),
]


@settings(
    max_examples=effort.examples(150),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@example(history=AN_ACCOUNT_MOVES)
@given(history=histories)
def test_the_journal_tells_the_same_as_the_ledger(history) -> None:
    with new_world() as world:
        for step in history:
            take(world, *step)
        found = proof.replay(world.household_id)
        assert found.is_same, (found.differences, found.totals, found.standing, found.unreadable)
        assert [each for each in proof.verify(world.household_id) if each.count] == []
