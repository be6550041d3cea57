"""What the security bar asks of the code itself: C5 to C7, D6, F13, K7."""

import ast
import re
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError
from sqlalchemy import Float

from app.models import Base

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "joblib", "yaml", "cloudpickle"}
WEAK = {"md5", "sha1", "ECB", "ARC4", "TripleDES"}
CHANCE = {
    "app/core/embedded/ports.py",  # a free port
    "app/features/connections/service/health.py",  # when to try again
    "app/features/connections/service/schedule.py",  # when to look again
    "app/providers/plaid/client.py",  # how long to back off
}
SHA1 = "app/core/totp.py"
"""Authenticator apps know no other; as an HMAC it is sound (RFC 6238)."""
NO_MONEY = {"attempt_buckets.tokens"}
"""Columns that count attempts, of which a part may be left."""
SECRET = re.compile(r"(secret|token|password|digest|signature|_hash|hmac)", re.IGNORECASE)


def trees() -> Iterator[tuple[Path, ast.Module]]:
    found = sorted((ROOT / "app").rglob("*.py"))
    assert len(found) > 200
    for path in found:
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_C6_nothing_runs_what_is_data() -> None:
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in FORBIDDEN_CALLS, (path, node.lineno)
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None), *(each.name for each in node.names)]
                roots = {str(name).partition(".")[0] for name in names if name}
                assert not roots & FORBIDDEN_MODULES, (path, node.lineno)


def test_K7_digests_and_ciphers_are_strong_and_secrets_are_compared_in_constant_time() -> None:
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                is_known = node.attr == "sha1" and path == ROOT / SHA1
                assert is_known or node.attr not in WEAK, (path, node.lineno)
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq):
                sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
                is_sql = any(side[0].isupper() and "." in side for side in sides)
                both = all(SECRET.search(side) for side in sides)
                assert is_sql or not both, (path, node.lineno, "use hmac.compare_digest")


def test_K7_chance_is_for_jitter_and_invented_people_only() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) and any(each.name == "random" for each in node.names)
    }
    assert {name for name in users if "/simulator/" not in name} == CHANCE


def test_C5_a_finder_of_a_weakness_learns_where_to_turn_and_how_fast_we_answer() -> None:
    text = " ".join((ROOT / "SECURITY.md").read_text(encoding="utf-8").split())
    for said in ("privately", "within three days", "within thirty", "newest release"):
        assert said in text, said


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_C7_tests_reach_no_network() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "--disable-socket" in options["tool"]["pytest"]["ini_options"]["addopts"]
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with connection, pytest.raises(SocketConnectBlockedError):
        connection.connect(("192.0.2.1", 443))


def test_D6_no_column_of_money_is_a_float() -> None:
    floats = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Float)
    }
    assert floats <= NO_MONEY | {name for name in floats if name.endswith(".confidence")}
