"""nginx.conf: its limits are the program's, and it says what it must."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.core import downloads, web
from tests.deploy.files import ROOT, compose

CONFIGURATION = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text("utf-8")
UNITS = {"k": 1024, "m": 1024 * 1024}


def sizes() -> list[int]:
    found = re.findall(r"client_max_body_size (\d+)([km]);", CONFIGURATION)
    return [int(number) * UNITS[unit] for number, unit in found]


def block(start: str) -> str:
    """Return what stands in the braces that follow `start`."""
    rest = CONFIGURATION[CONFIGURATION.index(start) + len(start) :]
    return rest[: rest.index("\n        }")]


def test_a_reader_who_takes_nothing_is_left_by_the_edge_before_the_database() -> None:
    [seconds] = re.findall(r"send_timeout (\d+)s;", CONFIGURATION.replace("proxy_send", ""))
    assert int(seconds) < downloads.READER_SECONDS_MAX
    assert "proxy_max_temp_file_size 0;" in CONFIGURATION  # /tmp holds less than one file may have


def test_the_body_limits_are_the_programs() -> None:
    assert sizes() == [web.BODY_BYTES_MAX, web.UPLOAD_BYTES_MAX]


@pytest.mark.parametrize("path", web.UPLOAD_PATHS)
def test_what_the_program_takes_as_an_upload_the_edge_does_too(path: str) -> None:
    pattern = re.search(r"location ~ (\S*imports\S*) \{", CONFIGURATION)
    assert pattern
    assert re.match(pattern[1], path)
    assert re.match(pattern[1], f"{path}/")
    assert not re.match(pattern[1], f"{path}ant")


def test_only_modern_tls_is_spoken() -> None:
    assert re.findall(r"ssl_protocols ([^;]+);", CONFIGURATION) == ["TLSv1.2 TLSv1.3"]
    assert "ssl_session_tickets off" in CONFIGURATION


def test_plain_http_only_leads_to_https() -> None:
    assert "return 308 https://$host$request_uri;" in CONFIGURATION


def test_what_a_client_says_of_itself_is_replaced() -> None:
    for header, value in (
        ("X-Forwarded-For", "$remote_addr"),
        ("X-Forwarded-Proto", "$scheme"),
        ("X-Forwarded-Host", '""'),
        ("Forwarded", '""'),
    ):
        assert f"proxy_set_header {header} {value};" in CONFIGURATION
    # A location with headers of its own would inherit none of these.
    assert CONFIGURATION.count("proxy_set_header X-Forwarded-For") == 1
    assert CONFIGURATION.rindex("proxy_set_header") < CONFIGURATION.index(
        "location / {\n            proxy_pass"
    )


def test_events_are_not_collected() -> None:
    events = block("location = /events {")
    assert "proxy_buffering off;" in events
    assert "proxy_read_timeout 1h;" in events


def test_metrics_stay_inside() -> None:
    assert "return 404;" in block("location = /metrics {")


def test_the_proxy_is_trusted_by_its_network_alone() -> None:
    file = compose("docker-compose.prod.yml")
    [edge] = file["networks"]["edge"]["ipam"]["config"]
    trusted = file["services"]["app"]["environment"]["TRUSTED_PROXIES"]
    assert trusted == f"127.0.0.1,{edge['subnet']}"
    on_it = {n for n, s in file["services"].items() if "edge" in s.get("networks", ())}
    assert on_it == {"nginx", "app"}


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_nginx_takes_it(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-subj", "/CN=test", "-keyout", tmp_path / "tls_key",
         "-out", tmp_path / "tls_certificate"],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "resolver.conf").write_text("resolver 127.0.0.1;")
    text = CONFIGURATION.replace("/tmp/", f"{tmp_path}/").replace("/run/secrets", str(tmp_path))
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    done = subprocess.run(["nginx", "-t", "-c", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
