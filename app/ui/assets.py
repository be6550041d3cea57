"""The static files: held in memory, compressed once, and addressed by a hash of them all.

The hash is a folder of the address (`/static/3f2a9c81d0e4/js/app.js`), so that relative imports of
modules and the fonts of a stylesheet carry it too, and a browser may keep each file for ever.
"""

import gzip
import hashlib
import json
import mimetypes
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

STATIC_DIRECTORY = Path(__file__).parent / "static"
MOUNT_PATH = "/static"
STYLESHEETS = (
    "tokens", "base", "layout", "controls", "components", "overlays", "tables", "pages", "accounts",
    "dashboard", "print",
)  # fmt: skip
FILE_BYTES_MAX = 2_000_000
_HASH_LENGTH = 12
_FOREVER = "public, max-age=31536000, immutable"
_COMPRESSIBLE = (".css", ".js", ".svg", ".json", ".txt", ".webmanifest")

mimetypes.add_type("font/woff2", ".woff2")
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("application/manifest+json", ".webmanifest")


class MissingAssetError(RuntimeError):
    """The client libraries were not fetched, or a template names a file that is not there."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    body: bytes
    compressed: bytes | None
    media_type: str
    etag: str


class StaticAssets:
    """An ASGI application that serves the static files; mount it at `MOUNT_PATH`."""

    def __init__(self, directory: Path = STATIC_DIRECTORY) -> None:
        self.directory = directory

    @cached_property
    def files(self) -> dict[str, Asset]:
        """Return every file by its path; `css/app.css` is all our stylesheets in one."""
        found = {}
        for path in sorted(self.directory.rglob("*")):
            name = path.relative_to(self.directory).as_posix()
            if path.is_file() and path.stat().st_size <= FILE_BYTES_MAX:
                found[name] = _asset(name, path.read_bytes())
        sheets = [f"css/{name}.css" for name in STYLESHEETS if f"css/{name}.css" in found]
        found["css/app.css"] = _asset("css/app.css", b"\n".join(found[s].body for s in sheets))
        return found

    @cached_property
    def version(self) -> str:
        """Return the hash of all files that stands in their addresses."""
        digest = hashlib.sha256()
        for name, asset in self.files.items():
            digest.update(f"{name}:{asset.etag};".encode())
        return digest.hexdigest()[:_HASH_LENGTH]

    @cached_property
    def icons(self) -> dict[str, str]:
        """Return the shapes of each icon by its name.

        Raises:
            MissingAssetError: The libraries were not fetched.
        """
        if "vendor/icons.json" not in self.files:
            raise MissingAssetError("the client libraries are missing: run `make setup`")
        icons: dict[str, str] = json.loads(self.files["vendor/icons.json"].body)
        return icons

    def url(self, name: str) -> str:
        """Return the address of a file, which changes whenever any file changes.

        Raises:
            MissingAssetError: There is no such file.
        """
        if name not in self.files:
            raise MissingAssetError(f"there is no static file {name}: run `make setup`")
        return f"{MOUNT_PATH}/{self.version}/{name}"

    def reload(self) -> None:
        """Forget what was read, so that the next request reads the files again."""
        for name in ("files", "version", "icons"):
            self.__dict__.pop(name, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request for a file."""
        await self._respond(scope)(scope, receive, send)

    def _respond(self, scope: Scope) -> Response:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse(
                "method not allowed", status_code=405, headers={"Allow": "GET, HEAD"}
            )
        path = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        version, _, name = path.partition("/")
        asset = self.files.get(name)
        if asset is None:
            return PlainTextResponse("not found", status_code=404)
        headers = {
            # A page of the version before may still ask for a file: it gets today's, unkept.
            "Cache-Control": _FOREVER if version == self.version else "no-cache",
            "ETag": asset.etag,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        request = Headers(scope=scope)
        if request.get("if-none-match") == asset.etag:
            return Response(status_code=304, headers=headers)
        body = asset.body
        if asset.compressed is not None and "gzip" in request.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = asset.compressed, "gzip"
        return Response(body, headers=headers, media_type=asset.media_type)


def _asset(name: str, body: bytes) -> Asset:
    compressible = name.endswith(_COMPRESSIBLE)
    return Asset(
        body=body,
        compressed=gzip.compress(body, 9, mtime=0) if compressible else None,
        media_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
    )


static_assets = StaticAssets()
