"""Nobody who holds a connection of the pool waits for a second one: all could wait for each other.

DATABASE_POOL_SIZE may be 1. A route that takes a second connection fails then, whatever the load.
"""

import pytest
from fastapi import FastAPI

from tests.cast import SignedInBrowser
from tests.database import one_connection
from tests.features.connections.bank import query
from tests.features.proof import ledgers
from tests.routes import every_route

ENDLESS = "/events"
EXPORTS = (
    "/transactions/export",
    "/api/v1/transactions/export",
    "/api/v1/transactions/export?format=csv",
    "/settings/privacy/export",
    "/api/v1/household/export",
)


def test_whatever_is_read_needs_one_connection(app: FastAPI, ada: SignedInBrowser) -> None:
    ledgers.fill(ada)
    ids = {
        f"{table[:-1]}_id": str(query(ada.household_id, f"SELECT id FROM {table} LIMIT 1")[0][0])
        for table in ("accounts", "items", "transactions")
    }
    urls = [each.url(**ids) for each in every_route(app) if each.method == "GET"]
    assert len(urls) > 30

    with one_connection():
        failed = {url for url in urls if url != ENDLESS and ada.get(url).status_code == 503}

    assert failed == set()


@pytest.mark.parametrize("path", EXPORTS)
def test_whatever_is_taken_out_needs_one_connection(ada: SignedInBrowser, path: str) -> None:
    ledgers.fill(ada)

    with one_connection():
        answer = ada.post(path)

    assert answer.status_code == 200
    assert answer.content
