"""What may be told of an error to strangers, and nothing else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import PurePath
from traceback import walk_tb
from types import FrameType
from uuid import uuid4

TAGS = ("process", "method", "route", "task", "request_id", "task_id", "trace_id")
CAUSES_MAX = 10
FRAMES_MAX = 100


@dataclass(frozen=True, slots=True)
class Frame:
    """A call on the way to an error."""

    file: str
    """Below the folder that its package was found in: where that is stays here."""
    module: str
    function: str
    line: int

    @property
    def is_ours(self) -> bool:
        """Whether it is not a library's."""
        return self.module.partition(".")[0] == "app"


@dataclass(frozen=True, slots=True)
class Cause:
    """An error by its kind; its message stays here."""

    kind: str
    module: str
    frames: tuple[Frame, ...]
    """The outermost call first."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An error that nobody expected, without anything of what the program was working on."""

    id: str
    """32 hexadecimal digits."""
    at: datetime
    causes: tuple[Cause, ...]
    """The error that was raised last first, then what it was raised from."""
    tags: dict[str, str]


def describe(error: BaseException, tags: Mapping[str, object]) -> Incident:
    """Return what may be told of an error, with those of the tags that may leave."""
    causes = tuple(
        Cause(type(each).__name__, type(each).__module__, tuple(_frames(each)))
        for each in islice(_chain(error), CAUSES_MAX)
    )
    kept = {name: str(tags[name]) for name in TAGS if name in tags}
    return Incident(uuid4().hex, datetime.now(UTC), causes, kept)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> Iterator[Frame]:
    # The last calls are the nearest to the error; of endless recursion they are enough.
    calls = list(walk_tb(error.__traceback__))[-FRAMES_MAX:]
    for call, line in calls:
        module = str(call.f_globals.get("__name__", ""))
        yield Frame(_file(call, module), module, call.f_code.co_name, line)


def _file(call: FrameType, module: str) -> str:
    name = PurePath(call.f_code.co_filename).name
    folders = module.split(".")
    if name != "__init__.py":
        folders.pop()
    return "/".join((*folders, name))
