"""P6, K8: what a household leaves behind when it asks to be erased is a tombstone."""

import datetime as dt
import json
import uuid
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from sqlalchemy import text

from app.cli import erase
from app.core import database
from app.core.config import settings
from app.core.database import household_transaction
from app.core.encryption import SealError
from app.features.audit import digests
from app.features.connections.service import link, sync
from app.features.privacy import system
from app.features.privacy.service import erasing
from app.features.proof import service as proof
from app.features.vault import service as vault
from app.models import Base
from app.providers import registry
from app.providers.base import ProviderUnavailableError
from tests.cast import Browser, Clock, SignedInBrowser, sign_in
from tests.factories import ledger, people
from tests.features.connections.bank import linked, open_bank, query
from tests.features.connections.test_pages import (  # noqa: F401  # fixtures
    plaid,
    practice_bank,
    sign_in_at_the_bank,
    start,
)
from tests.features.proof import ledgers

NAME = "Household of Ada"


@pytest.fixture(autouse=True)
def erased_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that names erased households."""
    path = tmp_path / "erased-households.jsonl"
    monkeypatch.setitem(settings.__dict__, "ERASED_HOUSEHOLDS_FILE", str(path))
    return path


def traces(*words: str) -> dict[str, int]:
    """Count the rows of each table that have one of these words anywhere in them."""
    found = {}
    with database.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            count = connection.scalar(
                text(
                    f"SELECT count(*) FROM {table.name} AS row"
                    " WHERE EXISTS (SELECT FROM unnest(CAST(:words AS text[])) AS word"
                    " WHERE strpos(row::text, word) > 0)"
                ),
                {"words": list(words)},
            )
            if count:
                found[table.name] = count
    return found


def run_to_the_end(household_id: UUID) -> None:
    for _ in range(100):
        if erasing.run(household_id) == "erased":
            return
    raise AssertionError("it never ends")


@contextmanager
def due_now(household_id: UUID):
    """Let the pause before the next attempt be over."""
    with database.system_transaction() as session:
        session.execute(
            text("UPDATE erasures SET due_at = now() WHERE id = :id"), {"id": household_id}
        )
    yield


def test_P6_the_owner_types_the_name_and_everybody_is_out_at_once(
    app: FastAPI, ada: SignedInBrowser, client: Browser
) -> None:
    wrong = ada.post("/settings/privacy/erase", data={"household_name": "Household of Eve"})
    assert wrong.status_code == 422
    assert "exactly as it is shown" in wrong.text
    program = ada.bearer()

    answer = ada.post("/settings/privacy/erase", data={"household_name": NAME})

    assert answer.headers["location"] == "/sign-in"
    assert ada.get("/accounts").status_code == 303
    assert Browser(app).get("/api/v1/accounts/", headers=program).status_code == 401
    body = {"username": ada.person.email, "password": people.PASSWORD}
    assert client.post("/api/v1/auth/login", data=body).status_code == 401
    assert erasing.find(ada.household_id).state == "asked"


def test_P6_programs_may_ask_as_well_and_only_owners_may(
    app: FastAPI, ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    body = {"household_name": NAME}

    assert ben.post("/api/v1/household/erase", json=body).status_code == 403
    assert "Only an owner" in ben.get("/settings/privacy").text
    assert ben.post("/settings/privacy/erase", data=body).status_code == 403
    assert erasing.find(ada.household_id) is None
    answer = Browser(app).post("/api/v1/household/erase", json=body, headers=ada.bearer())
    assert answer.status_code == 202


def test_P6_no_table_has_a_row_of_it_but_the_tombstone(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    ledgers.fill(ada)
    ledger.everything(ada.household_id, ada.user_id)
    ada.get("/settings")
    ledgers.fill(cleo)
    theirs = traces(str(cleo.household_id))
    mine = [str(ada.household_id), str(ada.user_id), ada.person.email]
    assert len(traces(*mine)) > 20, "there was something to erase"
    with linked(ada.household_id, open_bank()):
        erasing.begin(ada.household_id, "owner")
        run_to_the_end(ada.household_id)

    assert traces(*mine) == {"erasures": 1}
    assert traces(str(ada.user_id), ada.person.email) == {}
    assert traces(str(cleo.household_id)) == theirs
    tombstone = erasing.find(ada.household_id)
    assert tombstone.state == "erased"
    assert tombstone.rows > 20
    assert tombstone.items_removed >= 2
    assert tombstone.audit_sequence > 0
    assert len(tombstone.audit_hash) == 32


def test_P6_totals_go_with_the_household_although_no_foreign_key_takes_them(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    ledgers.fill(ada)
    ledgers.fill(cleo)
    totals = {"daily_totals", "monthly_totals"}
    theirs = traces(str(cleo.household_id))
    assert traces(str(ada.household_id)).keys() > totals

    with database.system_transaction() as session:
        system.delete_household(session, ada.household_id)

    assert traces(str(ada.household_id)) == {}
    assert traces(str(cleo.household_id)) == theirs
    assert theirs.keys() > totals


def test_P6_rows_go_in_batches_and_a_task_that_ends_early_is_gone_on_with(
    ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledgers.fill(ada)
    monkeypatch.setattr(erasing, "BATCH_ROWS", 3)
    monkeypatch.setattr(erasing, "RUN_SECONDS_MAX", -1)  # each task has time for one batch
    with linked(ada.household_id, open_bank()):
        erasing.begin(ada.household_id, "owner")
        assert erasing.run(ada.household_id) == "waits"
    assert erasing.find(ada.household_id).rows == 3
    run_to_the_end(ada.household_id)
    assert traces(str(ada.household_id)) == {"erasures": 1}


def test_P6_the_bank_is_told(ada: SignedInBrowser, plaid: str) -> None:  # noqa: F811
    _, url = start(ada)
    ada.post(sign_in_at_the_bank(url))
    [(item_id,)] = query(ada.household_id, "SELECT id FROM items")
    with household_transaction(ada.household_id) as session:
        token = link.open_token(session, link.get_item(session, ada.household_id, item_id))
    provider = registry.get("plaid")
    provider.fetch_item(token)  # it works

    erasing.begin(ada.household_id, "owner")
    run_to_the_end(ada.household_id)

    with pytest.raises(Exception, match=r"ITEM_NOT_FOUND|INVALID_ACCESS_TOKEN"):
        provider.fetch_item(token)
    assert erasing.find(ada.household_id).items_removed == 1


def test_P6_a_bank_that_does_not_answer_is_asked_again_and_not_for_ever(
    ada: SignedInBrowser, clock: Clock
) -> None:
    bank = open_bank()
    with linked(ada.household_id, bank):
        bank.remove_item = lambda token: bank._call("remove")
        bank.errors["remove"] = ProviderUnavailableError("DOWN", "The bank is closed today.")
        erasing.begin(ada.household_id, "owner")

        assert erasing.run(ada.household_id) == "waits"
        assert erasing.run(ada.household_id) == "busy", "not before the pause is over"
        with due_now(ada.household_id):
            assert erasing.run(ada.household_id) == "waits"
        assert bank.calls.count("remove") == 2
        assert traces(str(ada.household_id))["household_keys"] == 1, "the token is still needed"

        clock.shift(erasing.PATIENCE + dt.timedelta(minutes=1))
        with due_now(ada.household_id):
            assert erasing.run(ada.household_id) == "erased"

    tombstone = erasing.find(ada.household_id)
    assert tombstone.items_left == [f"plaid:{bank.stream.name}"]
    assert tombstone.attempts == 3


def test_P6_a_sync_that_is_under_way_is_waited_for(ada: SignedInBrowser) -> None:
    with linked(ada.household_id, open_bank()) as item_id:
        query(
            ada.household_id,
            "UPDATE items SET lease_until = now() + interval '1 minute' WHERE id = :id",
            id=item_id,
        )
        erasing.begin(ada.household_id, "owner")

        assert erasing.run(ada.household_id) == "waits"
        assert traces(str(ada.household_id))["household_keys"] == 1


def test_P6_who_belongs_to_another_household_as_well_stays(
    app: FastAPI, ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    erasing.begin(ada.household_id, "owner")
    run_to_the_end(ada.household_id)

    assert ben.get("/accounts").status_code == 303, "this session was of the household"
    assert "users" in traces(ben.person.email)
    body = {"username": ben.person.email, "password": people.PASSWORD}
    assert Browser(app).post("/api/v1/auth/login", data=body).status_code == 200
    assert "users" not in traces(ada.person.email)


def test_P6_the_beat_finds_what_is_due(ada: SignedInBrowser) -> None:
    erasing.begin(ada.household_id, "owner")
    assert erasing.run_due() >= 1

    run_to_the_end(ada.household_id)
    with database.system_transaction() as session:
        due = session.scalars(text("SELECT id FROM erasures WHERE state = 'asked'")).all()
    assert ada.household_id not in due


def test_P6_the_operator_may_erase_too(
    ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledgers.fill(ada)
    monkeypatch.setattr(erase.providers, "configure", lambda: None)  # the bank below stays
    command = ["--household", str(ada.household_id)]

    assert CliRunner().invoke(erase.command, command, input="n\n").exit_code == 1
    assert erasing.find(ada.household_id) is None
    with linked(ada.household_id, open_bank()):
        done = CliRunner().invoke(erase.command, [*command, "--yes"])

    assert done.exit_code == 0, done.output
    assert "Household of Ada is erased: " in done.output
    assert traces(str(ada.household_id)) == {"erasures": 1}
    gone = CliRunner().invoke(erase.command, [*command, "--yes"])
    assert "There is no household" in gone.output


def test_P2_links_of_an_erased_household_are_not_missed(
    ada: SignedInBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "audit-heads.jsonl"
    monkeypatch.setitem(settings.__dict__, "AUDIT_DIGEST_FILE", str(kept))
    ledgers.fill(ada)
    digests.write()
    with linked(ada.household_id, open_bank()):
        erasing.begin(ada.household_id, "owner")
        run_to_the_end(ada.household_id)

    assert not any(str(ada.household_id) in words for words in digests.find_differences(kept))


def test_K8_what_was_sealed_opens_no_more_once_the_key_is_gone(ada: SignedInBrowser) -> None:
    with linked(ada.household_id, open_bank()) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        sealed = query(ada.household_id, "SELECT access_token FROM items")[0][0]
        erasing._destroy_key(ada.household_id, None)

        with (
            household_transaction(ada.household_id) as session,
            pytest.raises(SealError, match="it was erased"),
        ):
            vault.get_key(session, ada.household_id).open(
                sealed, place="items.access_token", row_id=item_id
            )
        [pages] = [
            each
            for each in proof.verify(ada.household_id)
            if each.name.startswith("Journal pages open")
        ]
        assert pages.count > 0


def test_K8_what_comes_back_with_a_backup_is_erased_again(
    ada: SignedInBrowser, app: FastAPI, erased_list: Path
) -> None:
    """The list decides, whatever the database says of itself; no bank is asked."""
    eve = sign_in(app, people.person("Eve"))
    bank = open_bank()
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        unknown, now = uuid.uuid4(), dt.datetime.now(dt.UTC).isoformat()
        lines = [
            json.dumps({"event": "household_erased", "household_id": str(each), "timestamp": now})
            for each in (ada.household_id, unknown, ada.household_id)
        ]
        erased_list.write_text("\n".join([*lines, "not JSON", '{"event": "other"}', "[]"]))

        done = CliRunner().invoke(erase.command, ["--again", str(erased_list)])

    assert done.exit_code == 0, done.output
    assert "2 erased households are on the list; 1 of them were in the database" in done.output
    assert traces(str(ada.household_id)) == {"erasures": 1}
    assert eve.get("/accounts").status_code == 200
    assert "remove" not in bank.calls


def test_K8_an_erasure_is_noted_outside_before_anything_is_destroyed(
    ada: SignedInBrowser, erased_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "ERASED_HOUSEHOLDS_FILE", "/nowhere/at/all")
    erasing.begin(ada.household_id, "owner")
    with pytest.raises(OSError, match="nowhere"):
        erasing.run(ada.household_id)
    assert traces(str(ada.household_id))["household_keys"] == 1

    monkeypatch.setitem(settings.__dict__, "ERASED_HOUSEHOLDS_FILE", str(erased_list))
    with due_now(ada.household_id):
        run_to_the_end(ada.household_id)
    assert list(erasing.read_list(erased_list)) == [ada.household_id]
    assert erased_list.stat().st_mode & 0o777 == 0o600
