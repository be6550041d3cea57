"""A first sync, from the bank's answers over HTTP to the page that shows the rows."""

import time
from functools import cache, partial
from uuid import UUID

import msgspec

from app.core.database import household_transaction
from app.core.ids import uuid7
from app.features.connections import repository
from app.features.connections.service import sync, turns
from app.features.vault import service as vault
from app.providers import registry
from app.providers.plaid import structs
from app.providers.plaid.client import PlaidSettings
from benchmarks import applying, bank, extent, generated, households, measuring, requesting
from benchmarks.figures import Reading
from benchmarks.households import Household
from benchmarks.requesting import Client

_typed = msgspec.json.Decoder(
    structs.SyncPage[structs.Transaction, structs.Removed, structs.Account]
)


def of_10000() -> Reading:
    """Processor seconds of all our processes and PostgreSQL together."""
    ours, floor, wall = measure(10_000)
    return Reading(
        measuring.median(ours), measuring.median(floor), f"{measuring.median(wall):.2f} s of wall."
    )


@cache
def measure(rows: int) -> tuple[list[float], list[float], list[float]]:
    """Return processor seconds of syncs and of the floor, and the syncs' wall seconds."""
    found: tuple[list[float], list[float], list[float]] = ([], [], [])
    with requesting.running() as client_of:
        for turn in range(extent.rounds(5)):
            name = f"first-sync-{uuid7()}"
            bodies = generated.plaid_pages(name, rows, seed=100 + turn)
            household = households.new_household()
            client = client_of(household)
            client.get("/transactions")
            with bank.serving(name, bodies) as address:
                sync_and_look = partial(_sync_and_look, household, client, name, address, rows)
                started = time.perf_counter()
                found[0].append(measuring.cpu_of(households.everything, sync_and_look))
                found[2].append(time.perf_counter() - started)
            found[1].append(_floor(bodies, rows))
    return found


def _sync_and_look(
    household: Household, client: Client, source_id: str, address: str, rows: int
) -> None:
    item_id = _link(household, source_id, address)
    outcome = sync.sync_item(household.id, item_id, "link")
    assert (outcome.state, outcome.applied.added) == ("done", rows), outcome
    assert f"{rows:,}".encode() in client.get("/transactions").body


def _link(household: Household, source_id: str, address: str) -> UUID:
    """Store an Item as linking does, and read it from the bank at this address."""
    registry.configure(PlaidSettings("id", "secret", address, "sandbox"))
    item_id = uuid7()
    with household_transaction(household.id) as session:
        key = vault.get_key(session, household.id)
        repository.insert_item(
            session,
            {
                "household_id": household.id,
                "id": item_id,
                "provider": "plaid",
                "item_source_id": source_id,
                "institution_name": "First Platypus Bank",
                "access_token": key.seal(b"access", place=turns.TOKEN_PLACE, row_id=item_id),
            },
        )
    return item_id


def _floor(bodies: list[bytes], rows: int) -> float:
    decoding = measuring.cpu_of(
        measuring.Processes((), own=True), lambda: [_typed.decode(body) for body in bodies]
    )
    return decoding + applying.copy_cpu_seconds(rows)
