"""`python -m app.importers`: read one file from standard input, under limits; see `sandbox`."""

import contextlib
import resource
import sys

import msgspec

from app.importers import reading, sandbox
from app.importers.base import StatementError


def main() -> None:
    """Answer one question."""
    _limit(resource.RLIMIT_AS, sandbox.MEMORY_BYTES_MAX)
    _limit(resource.RLIMIT_CPU, sandbox.CPU_SECONDS_MAX)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    head, _, data = sys.stdin.buffer.read().partition(b"\n")
    question = msgspec.json.decode(head, type=sandbox.Question)
    try:
        answer = sandbox.pack(reading.read(question.file_name, data, question.layout))
    except StatementError as error:
        answer = sandbox.pack_failure(error)
    except MemoryError:
        # Without an answer, which would need memory too; the parent knows what that means.
        sys.exit(3)
    sys.stdout.buffer.write(answer)


def _limit(kind: int, most: int) -> None:
    # Some systems do not have every limit, or have a lower one already.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
