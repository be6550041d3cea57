"""Static files: kept for ever under their hash, compressed, and nothing else is served."""

import asyncio
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.ui.assets import STYLESHEETS, MissingAssetError, StaticAssets, static_assets


def fetch(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    messages = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        messages.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": f"/static/{path}",
        "root_path": "/static",
        "headers": [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()],
    }
    asyncio.run(static_assets(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    return messages[0]["status"], found, b"".join(m.get("body", b"") for m in messages[1:])


def test_a_file_under_today_s_hash_is_kept_for_ever_and_an_old_one_is_asked_again():
    url = static_assets.url("css/app.css").removeprefix("/static/")
    status, headers, body = fetch(url)
    assert (status, headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert headers["content-type"].startswith("text/css")
    status, headers, _ = fetch(f"000000000000/{url.partition('/')[2]}")
    assert (status, headers["cache-control"]) == (200, "no-cache")
    assert fetch(url, if_none_match=headers["etag"])[0] == 304
    assert b"@layer" in body


def test_the_stylesheet_is_every_part_of_ours_in_order():
    parts = [static_assets.files[f"css/{name}.css"].body for name in STYLESHEETS]
    assert static_assets.files["css/app.css"].body == b"\n".join(parts)
    on_disk = {path.stem for path in (static_assets.directory / "css").glob("*.css")}
    assert on_disk == set(STYLESHEETS) | {"reference"}  # of /docs and /redoc alone


def test_text_is_compressed_and_a_font_is_not():
    url = static_assets.url("vendor/htmx.min.js").removeprefix("/static/")
    _, headers, body = fetch(url, accept_encoding="gzip, br")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == fetch(url)[2]
    font = static_assets.url("vendor/geist-latin.woff2").removeprefix("/static/")
    assert "content-encoding" not in fetch(font, accept_encoding="gzip")[1]


@pytest.mark.parametrize(
    "path", ["x/../assets.py", "x/%2e%2e/assets.py", "x//etc/passwd", "x/", ""]
)
def test_nothing_outside_the_folder_is_served(path):
    assert fetch(path)[0] == 404


def test_only_reading_is_allowed():
    status, headers, _ = fetch("x/css/app.css", method="POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_a_missing_library_names_the_remedy(tmp_path):
    empty = StaticAssets(tmp_path)
    with pytest.raises(MissingAssetError, match="make setup"):
        empty.url("vendor/htmx.min.js")
    with pytest.raises(MissingAssetError, match="make setup"):
        _ = empty.icons


def test_the_hash_changes_with_any_file(tmp_path):
    (tmp_path / "a.js").write_text("1")
    before = StaticAssets(tmp_path).version
    (tmp_path / "a.js").write_text("2")
    assert StaticAssets(tmp_path).version != before


def test_all_that_a_first_page_loads_is_small():
    names = ["css/app.css", "vendor/htmx.min.js", "vendor/geist-latin.woff2", "icon.svg"]
    names += [name for name in static_assets.files if name.startswith("js/")]
    assets = [static_assets.files[name] for name in names]
    assert sum(len(asset.compressed or asset.body) for asset in assets) < 80_000


def test_libraries_are_those_of_the_lock_file_and_a_second_fetch_does_nothing():
    lock = json.loads(Path("package-lock.json").read_text())["packages"]
    wanted = json.loads(Path("package.json").read_text())
    exact = wanted["dependencies"] | wanted["devDependencies"]
    assert {name: lock[f"node_modules/{name}"]["version"] for name in exact} == exact
    assert all(
        package["integrity"].startswith("sha512-") and "resolved" not in package
        for name, package in lock.items()
        if name
    )
    answer = subprocess.run(
        [sys.executable, "scripts/fetch_assets.py"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "client libraries: up to date"
