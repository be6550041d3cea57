"""`fintech replay` and `fintech verify`: what the operator reads, and the exit status."""

from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from app.cli import replay, verify
from tests.features.proof import ledgers
from tests.features.proof.ledgers import break_it


@pytest.fixture
def household_id(ada):
    ledgers.fill(ada)
    return ada.household_id


def run(command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments])


def test_replay_says_that_nothing_differs_and_what_it_took(household_id):
    done = run(replay.command, "--household", household_id, "--verify")

    assert done.exit_code == 0, done.output
    assert "The journal and the ledger tell the same." in done.output
    assert "16 rows on 7 pages of 5 change sets" in done.output


def test_replay_names_the_field_the_wrong_value_and_the_right_one(household_id):
    break_it(
        household_id,
        "UPDATE transactions SET amount = -3.01"
        " WHERE household_id = :household_id AND source_id = 't2'",
    )

    done = run(replay.command, "--household", household_id)

    assert done.exit_code == 1
    assert "1 row changed" in done.output
    assert "CAFFE NERO 0042: amount is -3.01, should be -3" in done.output


def test_replay_applies_what_the_journal_says_and_then_nothing_differs(household_id):
    # With its totals, as a parser that reads badly would have booked it.
    with ledgers.behind_the_back() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = origin")
        connection.exec_driver_sql(
            "SELECT set_config('app.change_set_id', id::text, true) FROM change_sets"
            " WHERE household_id = %s ORDER BY sequence LIMIT 1",
            (household_id,),
        )
        connection.exec_driver_sql(
            "UPDATE transactions SET description = '?' WHERE household_id = %s", (household_id,)
        )

    assert run(replay.command, "--household", household_id).exit_code == 1
    done = run(replay.command, "--household", household_id, "--apply")
    assert done.exit_code == 0, done.output
    assert "Written: 0 new, 11 changed, 0 removed." in done.output
    assert run(replay.command, "--household", household_id).exit_code == 0


def test_verify_prints_each_check_and_what_to_do(household_id):
    sound = run(verify.command, "--household", household_id, "--all")
    assert sound.exit_code == 0, sound.output
    assert "0 with findings" in sound.output

    break_it(
        household_id,
        "UPDATE items SET cursor = 'elsewhere' WHERE household_id = :household_id",
    )
    broken = run(verify.command, "--household", household_id)

    assert broken.exit_code == 1
    assert "Cursors of booked syncs are contiguous" in broken.output
    assert "What to do: The next sync may miss rows." in broken.output


@pytest.mark.parametrize("command", [replay.command, verify.command])
def test_a_household_that_is_not_there_is_said(command, ada):
    done = run(command, "--household", uuid4())

    assert done.exit_code == 1
    assert "There is no household" in done.output


def test_comparing_and_applying_at_once_is_refused(ada):
    assert run(replay.command, "--verify", "--apply").exit_code == 2
