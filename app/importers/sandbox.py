"""Read bank files in a process of its own, so that a hostile one can do no more than fail.

The process gets the bytes and no secret, may use half a gigabyte and twenty seconds, and
answers with plain JSON, which is checked on the way in.
"""

import datetime as dt
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import msgspec

from app.domain.records import AccountRecord, BalanceRecord, RejectedRecord, TransactionRecord
from app.importers.base import BalanceAnchor, Statement, StatementError, StatementFile
from app.importers.csv_layout import CsvLayout
from app.importers.reading import Reading

MEMORY_BYTES_MAX = 512 * 1024 * 1024
CPU_SECONDS_MAX = 20
WALL_SECONDS_MAX = 60
READERS_MAX = 2
"""Processes at once, for each of ours; others wait their turn."""
WAIT_SECONDS_MAX = 60
_ROOT = Path(__file__).parents[2]
_readers = threading.BoundedSemaphore(READERS_MAX)

_TOO_MUCH = (
    "it takes more time or memory to read than a file may. Export a shorter period and import "
    "the parts one after the other."
)


class BusyError(Exception):
    """Others are reading files, and our turn did not come in time."""


class Question(msgspec.Struct):
    """What the process is asked; the bytes of the file follow on the next line."""

    file_name: str
    layout: CsvLayout | None


class Failure(msgspec.Struct):
    """A StatementError on its way."""

    message: str
    part: str
    line: int | None
    field: str


class WireAccount(msgspec.Struct):
    """An account; its balance lies flat, and its date is a day."""

    source_id: str
    name: str
    kind: str
    subtype: str | None
    mask: str | None
    currency: str
    current: Decimal | None
    available: Decimal | None
    as_of: dt.date | None


class WireStatement(msgspec.Struct):
    """A statement."""

    account: WireAccount
    currency: str
    transactions: tuple[TransactionRecord, ...]
    start: dt.date | None
    end: dt.date | None
    opening: BalanceAnchor | None
    closing: BalanceAnchor | None
    available: BalanceAnchor | None
    institution: str | None
    lines: tuple[int, ...]


class WireFile(msgspec.Struct):
    """A file."""

    format: str
    encoding: str
    notes: tuple[str, ...]
    rejected: tuple[RejectedRecord, ...]
    statements: tuple[WireStatement, ...]


class Answer(msgspec.Struct):
    """What the process found, or why it could not."""

    failure: Failure | None = None
    file: WireFile | None = None
    layout: CsvLayout | None = None
    samples: tuple[tuple[str, ...], ...] = ()
    problems: tuple[str, ...] = ()


_answers = msgspec.json.Decoder(Answer)


def read(file_name: str, data: bytes, layout: CsvLayout | None = None) -> Reading:
    """Return what `reading.read` returns, from a process with limits of its own.

    Takes about 0.2 seconds more than reading it here, so no transaction should be open.

    Raises:
        StatementError: It cannot be read, or not within the limits.
        BusyError: Others are being read, and our turn did not come.
    """
    return unpack(read_packed(file_name, data, layout))


def read_packed(file_name: str, data: bytes, layout: CsvLayout | None = None) -> bytes:
    """Return the process's own words, for `unpack`; to be kept, they are the smaller form.

    Raises:
        StatementError: It cannot be read, or not within the limits.
        BusyError: Others are being read, and our turn did not come.
    """
    question = msgspec.json.encode(Question(file_name, layout)) + b"\n" + data
    if not _readers.acquire(timeout=WAIT_SECONDS_MAX):
        raise BusyError
    try:
        done = subprocess.run(
            [sys.executable, "-m", "app.importers"],
            input=question,
            capture_output=True,
            cwd=_ROOT,
            env={"PYTHONDONTWRITEBYTECODE": "1"},  # and none of our secrets
            timeout=WALL_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StatementError(_TOO_MUCH) from error
    except OSError as error:
        raise BusyError from error
    finally:
        _readers.release()
    if done.returncode != 0:
        # It died of a limit, or of a fault of ours: its last words are for the log.
        raise StatementError(_TOO_MUCH)
    return done.stdout


def pack(reading: Reading) -> bytes:
    """Return a reading as the process writes it."""
    answer = Answer(None, None, reading.layout, reading.samples, reading.problems)
    if reading.file is not None:
        answer.file = _pack_file(reading.file)
    return msgspec.json.encode(answer)


def pack_failure(error: StatementError) -> bytes:
    """Return an error as the process writes it."""
    message = str(error.args[0])
    return msgspec.json.encode(Answer(Failure(message, error.part, error.line, error.field)))


def _pack_file(file: StatementFile) -> WireFile:
    statements = tuple(map(_pack, file.statements))
    return WireFile(file.format, file.encoding, file.notes, file.rejected, statements)


def _pack(statement: Statement) -> WireStatement:
    account, balance = statement.account, statement.account.balance
    as_of = balance.as_of.date() if isinstance(balance.as_of, dt.datetime) else balance.as_of
    return WireStatement(
        account=WireAccount(
            source_id=account.source_id,
            name=account.name,
            kind=account.kind,
            subtype=account.subtype,
            mask=account.mask,
            currency=balance.currency,
            current=balance.current,
            available=balance.available,
            as_of=as_of,
        ),
        currency=statement.currency,
        transactions=statement.transactions,
        start=statement.start,
        end=statement.end,
        opening=statement.opening,
        closing=statement.closing,
        available=statement.available,
        institution=statement.institution,
        lines=statement.lines,
    )


def unpack(packed: bytes) -> Reading:
    """Return the reading that the process wrote.

    Raises:
        StatementError: It wrote why it could not read the file, or nothing that makes sense.
    """
    try:
        answer = _answers.decode(packed)
    except msgspec.DecodeError as error:
        raise StatementError(_TOO_MUCH) from error
    if answer.failure is not None:
        raise StatementError(
            answer.failure.message,
            part=answer.failure.part,
            line=answer.failure.line,
            field=answer.failure.field,
        )
    file = None if answer.file is None else _unpack_file(answer.file)
    return Reading(file, answer.layout, answer.samples, answer.problems)


def _unpack_file(wire: WireFile) -> StatementFile:
    statements = tuple(map(_unpack_statement, wire.statements))
    return StatementFile(wire.format, statements, wire.rejected, wire.encoding, wire.notes)


def _unpack_statement(wire: WireStatement) -> Statement:
    account = wire.account
    return Statement(
        account=AccountRecord(
            source_id=account.source_id,
            name=account.name,
            kind=account.kind,
            subtype=account.subtype,
            mask=account.mask,
            balance=BalanceRecord(
                currency=account.currency,
                current=account.current,
                available=account.available,
                as_of=account.as_of,
            ),
        ),
        currency=wire.currency,
        transactions=wire.transactions,
        start=wire.start,
        end=wire.end,
        opening=wire.opening,
        closing=wire.closing,
        available=wire.available,
        institution=wire.institution,
        lines=wire.lines,
    )
