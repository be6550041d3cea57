"""Whatever is undone and redone, the ledger is the fold of the change sets in force."""

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from app.features.proof import service as proof
from tests import effort
from tests.features.connections import streams
from tests.features.connections.bank import query
from tests.features.history.world import World, new_world

steps = st.one_of(
    st.tuples(
        st.sampled_from(["sync", "sync", "anew", "news", "earlier"]),
        st.lists(streams.steps, max_size=5),
    ),
    st.tuples(st.sampled_from(["import", "edit", "many", "undo", "undo", "redo"]),
              st.tuples(st.integers(0, 60), st.integers(0, 60))),
)  # fmt: skip
histories = st.lists(steps, min_size=3, max_size=14)
# The second sync withdraws what the first one brought while that is undone, and so writes nothing;
# when the first one is in force again, only this word keeps the row removed.
WITHDRAWN_WHILE_UNDONE = [
    ("sync", [("add pending", 34, 1231)]),
    ("undo", (17, 50)),
    ("sync", [("vanish", 27, 1949)]),
    ("redo", (12, 18)),
]
many = settings(
    max_examples=effort.examples(40),
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@many
@example(history=WITHDRAWN_WHILE_UNDONE)
@given(history=histories)
def test_the_ledger_is_the_fold_of_what_is_in_force(history) -> None:
    with new_world() as world:
        for step in history:
            take(world, *step)
            check(world)
        for target in list(world.sets):
            before = snapshot(world)
            was = target.in_force
            if world.turn_set(target, in_force=not was):
                check(world)
                assert world.turn_set(target, in_force=was)
            assert snapshot(world) == before


def test_of_files_that_say_the_same_the_first_one_in_force_is_named() -> None:
    """Files of one row in two versions: a, b, b, a; then some are taken back and brought again."""
    turns = [
        (0, False), (1, False), (0, True), (3, False), (1, True), (2, False), (3, True), (1, False),
    ]  # fmt: skip
    with new_world() as world:
        for version in (0, 1, 1, 0):
            world.bring(1, version)
        for number, in_force in turns:
            assert world.turn_set(world.sets[number], in_force=in_force)
            check(world)
        assert proof.replay(world.household_id).is_same


def test_a_balance_is_read_by_the_rule_that_it_was_booked_by() -> None:
    """A sync of an earlier program and one of today's, with news between rows and accounts."""
    with new_world() as world:
        for by_earlier in (True, False):
            world.sync(
                [("add posted", 1, 500)], late=[("add posted", 3, 700)], by_earlier=by_earlier
            )
        assert [len(each.stated) for each in world.sets] == [3, 2]
        for target in list(world.sets):
            for in_force in (False, True):
                assert world.turn_set(target, in_force=in_force)
                check(world)
                assert proof.replay(world.household_id).is_same


def take(world: World, kind: str, what) -> None:
    match kind:
        case "sync":
            world.sync(what)
        case "anew":
            world.sync(what, anew=True)
        case "news" | "earlier":
            world.sync(what[1:], late=what[:1], by_earlier=kind == "earlier")
        case "import":
            world.bring(*what)
        case "edit" | "many":
            world.edit(*what, many=kind == "many")
        case "undo" | "redo":
            world.turn(what[0], in_force=kind == "redo")


def check(world: World) -> None:
    assert world.ledger() == world.model()
    assert world.named_pages() == world.first_to_say_so()
    assert world.anchors() == world.stated()
    assert daily(world) == of_rows(world, "date")
    assert monthly(world) == of_rows(world, "date_trunc('month', date)::date")


def snapshot(world: World) -> tuple[object, ...]:
    pages = query(
        world.household_id,
        "SELECT id, journal_page_id FROM transactions WHERE removed_at IS NULL ORDER BY id",
    )
    return world.ledger(), world.anchors(), daily(world), monthly(world), pages


def daily(world: World) -> list[tuple]:
    return query(
        world.household_id,
        "SELECT date, account_id, currency, pending, sum(money_in + money_out), sum(count)"
        " FROM daily_totals GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    )


def monthly(world: World) -> list[tuple]:
    return query(
        world.household_id,
        "SELECT month, account_id, currency, pending, sum(money_in + money_out), sum(count)"
        " FROM monthly_totals GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    )


def of_rows(world: World, period: str) -> list[tuple]:
    return query(
        world.household_id,
        f"SELECT {period}, account_id, currency, pending, sum(amount), count(*)"
        " FROM transactions WHERE is_live GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    )
