"""Backups in a bucket: against an S3 server that these tests start, and that notes who asks."""

import http.server
import json
import os
import re
import socketserver
import threading
import urllib.request
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from app.cli import backup, restore
from app.cli.backups_bucket import open_bucket
from app.core import encryption
from app.core.backups import BackupError, shelf
from app.core.backups.bucket import PART_BYTES
from app.core.config import settings
from tests.features.proof import ledgers

URL = settings.DATABASE_URL.get_secret_value()
KEYS = encryption.WRAPPING_KEYS
pytestmark = pytest.mark.usefixtures("no_households")
ASKER = re.compile(r"Credential=(\w+)/")
GOOGLES_HEADERS = {
    "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING", "HTTP_AUTHORIZATION", "HTTP_CONNECTION", "HTTP_HOST",
    "HTTP_RANGE", "HTTP_USER_AGENT", "HTTP_X_AMZ_CONTENT_SHA256", "HTTP_X_AMZ_DATE",
}  # fmt: skip
GOOGLES_QUERIES = {"uploads", "partNumber", "uploadId", "list-type", "prefix", "delimiter"}


class Server:
    """Moto's S3, with what was asked."""

    def __init__(self):
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.asked = []
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environ, start):
        found = ASKER.search(environ.get("HTTP_AUTHORIZATION", ""))
        self.asked.append(
            (
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"],
                environ["QUERY_STRING"].partition("&uploadId")[0],
                found[1] if found else "",
                environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""),
            )
        )
        return self._app(environ, start)

    def put(self, path, content=b""):
        kind = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"{self.url}{path}", content, kind, method="PUT")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return answer.read()

    def uploads(self, bucket):
        """Return how many uploads were begun and neither ended nor called off."""
        return self.get(f"/{bucket}?uploads").count(b"<UploadId>")

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Google(Server):
    """The same, but strict, and without what Google's XML API has not or not had for long.

    Its documents know no checksums of S3's, no chunked signatures and no sealing by headers; they
    say 404 where S3 is silent. Deleting several files in one request came late.
    """

    def _answer(self, environ, start):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        further = {name for name in environ if name.startswith("HTTP_")} - GOOGLES_HEADERS
        further |= set(parse_qs(environ["QUERY_STRING"], keep_blank_values=True)) - GOOGLES_QUERIES
        if further or environ.get("HTTP_X_AMZ_CONTENT_SHA256", "").startswith("STREAMING"):
            start("501 Not Implemented", [])
            return [f"<Error><Code>NotImplemented</Code>{further}</Error>".encode()]
        if method == "DELETE" and not self._has(path):
            start("404 Not Found", [])
            return [b"<Error><Code>NoSuchKey</Code></Error>"]
        return super()._answer(environ, start)

    def _has(self, path):
        bucket, _, key = path[1:].partition("/")
        return f"<Key>{key}</Key>".encode() in self.get(f"/{bucket}?list-type=2")


@pytest.fixture(scope="module")
def google():
    found = Google()
    yield found
    found.close()


@pytest.fixture(scope="module")
def server():
    found = Server()
    yield found
    found.close()


@pytest.fixture
def bucket(server, request, monkeypatch, tmp_path):
    """An empty bucket, and an environment that names the server and somebody who may use it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "operator",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "BACKUPS_FOLDER": str(tmp_path / "backups"),
    }.items():
        monkeypatch.setenv(name, value)
    name = f"b{abs(hash(request.node.name))}"
    server.put(f"/{name}")
    server.asked.clear()
    return name


@pytest.fixture
def ledger(ada):
    ledgers.fill(ada)


def run(command, *arguments):
    return CliRunner().invoke(command, [str(each) for each in arguments])


def test_D8_the_drill_goes_through_a_bucket_and_only_sealed_bytes_arrive(ledger, server, bucket):
    where = f"s3://{bucket}/house/nightly"
    made = run(backup.command, "--to", where)
    assert made.exit_code == 0, made.output
    [address] = re.findall(rf"{where}/\S+\.backup", made.output)
    checked = run(restore.command, "--check", where)
    assert checked.exit_code == 0, checked.output
    assert "0 differences" in checked.output
    assert run(restore.command, "--check", address).exit_code == 0
    stored = server.get("/" + address.removeprefix("s3://"))
    assert stored.startswith(b"fintech backup 1\n")
    assert b"PGDMP" not in stored
    refused = run(restore.command, address)
    assert "The database is not empty" in refused.output


def test_the_settings_bucket_is_where_backups_go_and_the_record_stays_here(
    ledger, bucket, monkeypatch, tmp_path
):
    monkeypatch.setenv("BACKUP_S3_URL", f"s3://{bucket}")
    assert run(backup.command).exit_code == 0
    assert len(shelf.complete(open_bucket(f"s3://{bucket}"))) == 1
    assert run(restore.command, "--check").exit_code == 0
    assert shelf.recorded(tmp_path / "backups")["check"]["is_ok"]
    assert list((tmp_path / "backups").glob("*.backup")) == []


def test_the_oldest_go_from_a_bucket_and_what_is_not_ours_stays(
    ledger, server, bucket, monkeypatch, clock
):
    place = open_bucket(f"s3://{bucket}/x")
    server.put(f"/{bucket}/x/fintech-20200101T000000Z.backup", b"somebody else's")
    server.put(f"/{bucket}/x/fintech-20200101T000000Z.backup.json", b"{}")
    for _ in range(3):
        clock.shift(3600)
        assert run(backup.command, "--to", f"s3://{bucket}/x", "--keep", 2).exit_code == 0
    assert len(shelf.complete(place)) == 3
    assert place.read_text("fintech-20200101T000000Z.backup") == "somebody else's"
    assert len(place.names()) == 6


def test_googles_servers_are_asked_for_nothing_that_they_do_not_have(
    ledger, google, bucket, monkeypatch, clock
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", google.url)
    monkeypatch.setenv("AWS_REGION", "auto")
    google.put("/money-1-fintech-backups")
    google.asked.clear()
    monkeypatch.setenv("BACKUP_S3_URL", "s3://money-1-fintech-backups/backups")
    for _ in range(2):
        clock.shift(3600)
        made = run(backup.command, "--keep", 1)
        assert made.exit_code == 0, made.output
    assert "Older backups deleted: 1." in made.output
    checked = run(restore.command, "--check")
    assert checked.exit_code == 0, checked.output
    place = open_bucket("s3://money-1-fintech-backups/backups")
    assert len(place.names()) == 2
    place.delete("gone already")
    # By its path, not as a host: the bucket's name is in no certificate.
    assert {path.split("/")[1] for _, path, *_ in google.asked} == {"money-1-fintech-backups"}
    assert [asked[0] for asked in google.asked].count("DELETE") == 2


def test_a_large_file_goes_in_parts_and_comes_back(server, bucket):
    content = os.urandom(1 << 20) * 40
    place = open_bucket(f"s3://{bucket}/x")
    place.write("large", (content[at : at + 100_000] for at in range(0, len(content), 100_000)))
    parts = [query for method, _, query, *_ in server.asked if method == "PUT"]
    assert sorted(parts) == ["partNumber=1", "partNumber=2", "partNumber=3"]
    with place.open("large") as source:
        assert source.read(10) + source.read() == content
    assert len(content) > 2 * PART_BYTES


def test_an_upload_whose_dump_fails_is_called_off(server, bucket):
    def failing():
        yield bytes(3 * PART_BYTES)
        raise BackupError("pg_dump failed")

    place = open_bucket(f"s3://{bucket}")
    with pytest.raises(BackupError, match="pg_dump failed"):
        place.write("half", failing())
    assert place.names() == set()
    assert server.uploads(bucket) == 0


def test_a_file_that_was_changed_in_the_bucket_is_refused(ledger, server, bucket):
    assert run(backup.command, "--to", f"s3://{bucket}").exit_code == 0
    place = open_bucket(f"s3://{bucket}")
    [name] = shelf.complete(place)
    whole = server.get(f"/{bucket}/{name}")
    place.write(name, [whole[:-1], bytes([whole[-1] ^ 1])])
    refused = run(restore.command, "--check", f"s3://{bucket}")
    assert refused.exit_code == 1
    assert "was changed" in refused.output
    place.write(name, [whole[:-100]])
    assert "cut off" in run(restore.command, "--check", f"s3://{bucket}").output


def test_keys_come_from_a_file_and_a_session_has_its_token(server, bucket, monkeypatch, tmp_path):
    path = tmp_path / "credentials"
    path.write_text(
        "[default]\naws_access_key_id = nobody\naws_secret_access_key = x\n"
        "[backups]\naws_access_key_id = fromfile\naws_secret_access_key = a%b\n"
        "aws_session_token = t1\n"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_PROFILE", "backups")
    assert open_bucket(f"s3://{bucket}").names() == set()
    assert server.asked[-1][3:] == ("fromfile", "t1")
    path.write_text("no file of credentials")
    with pytest.raises(BackupError, match="cannot be read as a file of credentials"):
        open_bucket(f"s3://{bucket}")


def test_a_tasks_role_gives_keys_and_token(server, bucket, monkeypatch):
    """As on ECS and with EKS Pod Identity: an address beside the task tells who it is."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with role("taskrole", "t2") as address:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", os.devnull)
        open_bucket(f"s3://{bucket}").write_text("x", "y")
    assert server.asked[-1][3:] == ("taskrole", "t2")


@contextmanager
def role(key, token):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = {
                "AccessKeyId": key, "SecretAccessKey": "s", "Token": token,
                "Expiration": "2099-01-01T00:00:00Z",
            }  # fmt: skip
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}/role"
        found.shutdown()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("s3://no-such-bucket/x", "NoSuchBucket"),
        ("s3:///x", "is not an address like s3://bucket/prefix"),
        ("ftp://host/x", "is not an address like s3://bucket/prefix"),
    ],
)
def test_a_bucket_that_is_not_there_is_said(ledger, bucket, where, words):
    refused = run(backup.command, "--to", where)
    assert refused.exit_code == 1
    assert words in refused.output
    assert "Debug source" not in refused.output
