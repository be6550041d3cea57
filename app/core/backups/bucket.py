"""Backups in a bucket of S3, or of what speaks like it: MinIO, R2, Ceph, Garage, Google's."""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from app.core.backups import BackupError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

PART_BYTES = 16 << 20
"""Of an upload: a file has 10,000 parts at most, so 160 GB."""
PARTS_AT_ONCE = 2
READ_BYTES = 8 << 20
TEXT_BYTES_MAX = 4 << 20
_CLIENT: "ClientConfig" = {"connect_timeout": "10s", "timeout": "600s"}


class Bucket:
    """A prefix of a bucket.

    Args:
        url: Its address, `s3://bucket/prefix`.
        endpoint: The server, if it is not Amazon's.
        credentials: Who asks (`access_key_id`, `secret_access_key`, `session_token`); if empty,
            whom the standard variables name, or the role of the task or machine.

    Raises:
        BackupError: The address cannot be used.
    """

    def __init__(
        self, url: str, *, endpoint: str = "", credentials: Mapping[str, str] | None = None
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise BackupError(f"{url} is not an address like s3://bucket/prefix.")
        self._url = url.rstrip("/")
        config: S3Config = {**(credentials or {})}  # type: ignore[typeddict-item]
        # Several files in one request is what not every server knows, nor its checksum's header.
        config["disable_bulk_delete"] = True
        if endpoint:
            config["endpoint"] = endpoint
        else:
            config["virtual_hosted_style_request"] = True
        try:
            self._store = S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                config=config,
                client_options={**_CLIENT, "allow_http": endpoint.startswith("http://")},
            )
        except BaseError as error:
            raise BackupError(f"{url} cannot be used: {_first_line(error)}") from None

    def path(self, name: str) -> str:
        """Return the address of a file."""
        return f"{self._url}/{name}"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Do nothing: a file shows when it is whole, and its name is of its second."""
        yield

    def check_room(self, needed: int) -> None:
        """Do nothing: a bucket has room."""

    def names(self) -> set[str]:
        """Return the names of all files under the prefix, not below further ones."""
        with _told(self._url):
            found = obstore.list_with_delimiter(self._store)["objects"]
            return {str(each["path"]).rpartition("/")[2] for each in found}

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Upload in parts; when these fail, the upload is called off."""
        with _told(self.path(name)):
            obstore.put(
                self._store,
                name,
                iter(parts),
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )

    def write_text(self, name: str, text: str) -> None:
        """Upload it at once."""
        with _told(self.path(name)):
            obstore.put(self._store, name, text.encode())

    def read_text(self, name: str) -> str | None:
        """Return it, or None."""
        size = self.size(name)
        if size is None:
            return None
        if size > TEXT_BYTES_MAX:
            raise BackupError(f"{self.path(name)} cannot be a manifest: it has {size:,} bytes.")
        with _told(self.path(name)):
            return bytes(obstore.get(self._store, name).bytes()).decode(errors="replace")

    def size(self, name: str) -> int | None:
        """Return its bytes, or None."""
        with _told(self.path(name)):
            try:
                return int(obstore.head(self._store, name)["size"])
            except FileNotFoundError:
                return None

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Read it in ranges, so that no connection waits for who reads."""
        with _told(self.path(name)):
            reader = _Ranges(obstore.open_reader(self._store, name, buffer_size=READ_BYTES))
            yield io.BufferedReader(reader, READ_BYTES)

    def delete(self, name: str) -> None:
        """Delete it. Amazon says nothing of one that is not there, Google does."""
        with _told(self.path(name)), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, name)


class _Ranges(io.RawIOBase):
    def __init__(self, reader: Any) -> None:  # noqa: ANN401 - its type is not there at run time
        self._reader = reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a buffer has no name before 3.12
        part = bytes(self._reader.read(len(buffer)))
        buffer[: len(part)] = part
        return len(part)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what failed in our words; what our own code raised in between stays."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise BackupError(f"{what} cannot be reached: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return " ".join(str(error).partition("\n\nDebug source")[0].split())[:500]
