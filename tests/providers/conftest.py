import pytest

from tests.providers.local_server import LocalServer, local_server


@pytest.fixture
def server() -> LocalServer:
    with local_server() as state:
        yield state
