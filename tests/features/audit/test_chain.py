"""P2: whatever is done to the trail behind the program's back is found, and named."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import insert
from sqlalchemy.exc import ProgrammingError

from app.cli import verify
from app.core import database
from app.core.config import settings
from app.features.audit import digests, service
from app.features.proof import service as proof
from app.models import AuditLink
from tests.cast import SignedInBrowser
from tests.features.proof.ledgers import behind_the_back, break_it

NAME = "The audit trail is a whole chain, and its events are what was written"
_NUMBER = "SELECT event_id FROM audit_links WHERE household_id = :household_id AND sequence ="


@pytest.fixture
def household_id(ada: SignedInBrowser) -> UUID:
    """Return a household with six events, three of them of one transaction."""
    write(ada, "test.first")
    write(ada, "test.second", "test.third", "test.fourth")
    write(ada, "test.fifth")
    write(ada, "test.last")
    return ada.household_id


def write(who: SignedInBrowser, *actions: str) -> None:
    with who.session() as session:
        for action in actions:
            service.record(session, who.household_id, action, details={"count": 3, "what": "ä'\""})


def found(household_id: UUID) -> list[str]:
    [finding] = [each for each in proof.verify(household_id) if each.name == NAME]
    assert finding.count == len(finding.examples) or finding.count > len(finding.examples) == 5
    return list(finding.examples)


def links(household_id: UUID) -> list[tuple[int, str]]:
    with behind_the_back() as connection:
        rows = connection.exec_driver_sql(
            "SELECT sequence, action FROM audit_links JOIN audit_events AS e"
            " ON e.household_id = audit_links.household_id AND e.id = event_id"
            " WHERE e.household_id = %s ORDER BY sequence",
            (household_id,),
        )
        return [(row[0], row[1]) for row in rows]


def test_P2_events_are_linked_in_the_order_of_their_commits(household_id: UUID) -> None:
    chain = links(household_id)

    assert [number for number, _ in chain] == list(range(1, len(chain) + 1))
    assert [action for _, action in chain][-6:] == [
        f"test.{name}" for name in ("first", "second", "third", "fourth", "fifth", "last")
    ]
    assert found(household_id) == []


@pytest.mark.parametrize(
    "change",
    [
        "action = 'test.other'",
        "at = at + interval '1 microsecond'",
        "details = details || '{\"count\": 4}'",
        "address = '203.0.113.9'",
        "object_id = 'x'",
        "actor_user_id = household_id",
        "session_id = household_id",
    ],
)
def test_P2_a_change_of_any_column_is_found(household_id: UUID, change: str) -> None:
    break_it(household_id, f"UPDATE audit_events SET {change} WHERE id = ({_NUMBER} 3)")

    [words] = found(household_id)
    assert words.startswith("number 3: event ")
    assert words.endswith(" was changed or moved")


def test_P2_a_deletion_is_found(household_id: UUID) -> None:
    break_it(household_id, f"DELETE FROM audit_events WHERE id = ({_NUMBER} 3)")

    [words] = found(household_id)
    assert words.startswith("number 3: event ")
    assert words.endswith(" was deleted")


def test_P2_a_deletion_together_with_its_link_is_found(household_id: UUID) -> None:
    break_it(household_id, f"DELETE FROM audit_events WHERE id IN ({_NUMBER} 2 OR sequence = 3)")
    break_it(
        household_id,
        "DELETE FROM audit_links WHERE household_id = :household_id AND sequence IN (2, 3)",
    )

    assert found(household_id) == ["numbers 2 to 3 are gone"]


def test_P2_a_deletion_that_numbers_the_others_anew_is_found(household_id: UUID) -> None:
    break_it(household_id, f"DELETE FROM audit_events WHERE id = ({_NUMBER} 3)")
    break_it(
        household_id,
        "DELETE FROM audit_links WHERE household_id = :household_id AND sequence = 3",
    )
    for number in range(4, len(links(household_id)) + 2):
        break_it(
            household_id,
            "UPDATE audit_links SET sequence = sequence - 1"
            " WHERE household_id = :household_id AND sequence = :number",
            number=number,
        )

    assert found(household_id)[0].startswith("number 3: ")


def test_P2_an_insertion_is_found(household_id: UUID) -> None:
    break_it(
        household_id,
        "INSERT INTO audit_events (household_id, id, action)"
        " VALUES (:household_id, gen_random_uuid(), 'test.slipped_in')",
    )

    [words] = found(household_id)
    assert words.endswith("(test.slipped_in) has no number: it was written beside the program")


def test_P2_two_events_that_change_places_are_found(household_id: UUID) -> None:
    # The numbers of both change, one by way of a number that nobody has.
    for before, after in ((2, 1_000), (4, 2), (1_000, 4)):
        break_it(
            household_id,
            "UPDATE audit_links SET sequence = :after"
            " WHERE household_id = :household_id AND sequence = :before",
            before=before,
            after=after,
        )

    assert [words.partition(":")[0] for words in found(household_id)] == [
        f"number {number}" for number in (2, 3, 4, 5)
    ]


def test_P2_a_forged_link_breaks_the_next_one(household_id: UUID) -> None:
    break_it(
        household_id,
        "UPDATE audit_links SET hash = sha256('forged')"
        " WHERE household_id = :household_id AND sequence = 3",
    )

    assert [words.partition(":")[0] for words in found(household_id)] == ["number 3", "number 4"]


def test_P2_an_end_that_was_cut_off_is_found_by_what_was_kept_outside(
    household_id: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "audit-heads.jsonl"
    # The settings are frozen for everybody but a test.
    monkeypatch.setitem(settings.__dict__, "AUDIT_DIGEST_FILE", str(kept))
    assert digests.write() >= 1
    assert list(digests.find_differences(kept)) == []
    last = len(links(household_id))

    break_it(household_id, f"DELETE FROM audit_events WHERE id = ({_NUMBER} {last})")
    break_it(
        household_id,
        "DELETE FROM audit_links WHERE household_id = :household_id AND sequence = :last",
        last=last,
    )

    assert found(household_id) == [], "the rows alone cannot show it"
    [words] = digests.find_differences(kept)
    assert words.startswith(f"household {household_id}: number {last}, kept ")
    assert words.endswith(" is not there")
    done = CliRunner().invoke(verify.command, ["--household", str(household_id)])
    assert done.exit_code == 1
    assert words in done.output
    left_out = ["--household", str(household_id), "--without-audit-digests"]
    assert CliRunner().invoke(verify.command, left_out).exit_code == 0


def test_P2_a_chain_that_was_forged_as_a_whole_is_found_by_what_was_kept_outside(
    household_id: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "audit-heads.jsonl"
    monkeypatch.setitem(settings.__dict__, "AUDIT_DIGEST_FILE", str(kept))
    digests.write()
    break_it(
        household_id,
        "UPDATE audit_links SET hash = sha256('forged')"
        " WHERE household_id = :household_id AND sequence = :last",
        last=len(links(household_id)),
    )

    [words] = digests.find_differences(kept)
    assert words.endswith(" is another one")


def test_P2_only_chains_that_grew_are_kept_again(
    ada: SignedInBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock
) -> None:
    kept = tmp_path / "audit-heads.jsonl"
    monkeypatch.setitem(settings.__dict__, "AUDIT_DIGEST_FILE", str(kept))
    write(ada, "test.before")
    clock.shift(3_600)  # the file's time; links have PostgreSQL's
    digests.write()
    digests.write()

    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    mine = [line for line in lines if line["household_id"] == str(ada.household_id)]
    assert len(mine) == 1
    assert mine[0].keys() == {"event", "timestamp", "household_id", "sequence", "hash"}
    assert kept.stat().st_mode & 0o777 == 0o600


def test_P2_a_writer_that_has_not_committed_holds_nobody_up(ada: SignedInBrowser) -> None:
    with ada.session() as slow:
        service.record(slow, ada.household_id, "test.slow")
        slow.flush()
        write(ada, "test.quick")  # would wait for a lock of ten seconds, and fail

    assert [action for _, action in links(ada.household_id)][-2:] == ["test.quick", "test.slow"]


def test_P2_writers_at_once_make_one_chain(ada: SignedInBrowser) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write(ada, f"test.{number}"), range(80)))

    assert len([action for _, action in links(ada.household_id) if "test." in action]) == 80
    assert found(ada.household_id) == []


def test_P2_a_household_links_its_own_events_alone(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    link = {"sequence": 1_000, "event_id": ada.user_id, "hash": b"forged"}
    with pytest.raises(ProgrammingError, match="row-level security"), cleo.session() as session:
        session.execute(insert(AuditLink).values(household_id=ada.household_id, **link))


@pytest.mark.parametrize("verb", ["UPDATE audit_links SET sequence = 1", "DELETE FROM audit_links"])
def test_P2_no_role_of_the_application_rewrites_links(ada: SignedInBrowser, verb: str) -> None:
    for transaction in (ada.session(), database.system_transaction()):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction as session:
            session.connection().exec_driver_sql(verb)
