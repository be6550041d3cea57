"""XB6: no room left for PostgreSQL; what was promised holds, and it goes on when there is room."""

import pytest

from app.features.connections.service import sync
from app.features.proof import service as proof
from app.simulator.stream import Added
from tests.factories import people
from tests.faults.disks import MEGABYTE, fill, small_disk
from tests.faults.installation import installed
from tests.features.connections.bank import linked, open_bank, query, row

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]
LIVE = "SELECT source_id FROM transactions WHERE is_live ORDER BY 1"
RUNNING = "SELECT count(*) FROM sync_runs WHERE state = 'running'"


def test_XB6_a_full_disk_loses_nothing_and_the_sync_goes_on_when_there_is_room(tmp_path):
    with small_disk(400) as disk, installed(tmp_path, disk) as installation:
        household_id = people.person("Disk").household_id
        bank = open_bank()
        with linked(household_id, bank) as item_id:
            ballast = fill(disk, 6 * MEGABYTE)
            failed = _sync_until_full(household_id, item_id, bank)
            logged = (disk / "home" / "logs" / "postgresql.log").read_text()
            ballast.unlink()
            _recover(installation)
            query(household_id, "UPDATE items SET lease_until = now() - interval '1 second'")
            done = sync.sync_item(household_id, item_id, "button")

        assert failed is not None
        assert "No space left" in logged
        assert done.state == "done"
        assert [each for (each,) in query(household_id, LIVE)] == sorted(bank.stream.truth())
        assert query(household_id, RUNNING) == [(0,)]
        assert proof.replay(household_id).is_same
        found = [*proof.verify(household_id, all_pages=True), *proof.verify_database()]
        assert [each.name for each in found if each.count] == []


def _sync_until_full(household_id, item_id, bank) -> Exception | None:
    """Bring rows until the database says that it cannot: as a lost one, never as the bank's."""
    for number in range(200):
        for place in range(300):
            bank.stream.apply(Added(row(bank, f"r{number:03}-{place:03}", "1.25")))
        try:
            assert sync.sync_item(household_id, item_id, "button").state == "done"
        except sync.LOST_DATABASE as error:
            return error
    return None


def _recover(installation) -> None:
    """Start the server again if it stopped, as the supervisor does."""
    server = installation.postgres
    if server.child.process.poll() is not None:
        server.start()
