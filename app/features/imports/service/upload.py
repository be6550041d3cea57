"""Bring a file in: into the journal first, whatever it is, then read it."""

import re
import unicodedata
from uuid import UUID

import structlog

from app.core.database import household_transaction
from app.core.errors import ConflictError, InvalidInputError, NotFoundError, TooLargeError
from app.core.faults import fault
from app.core.ids import uuid7
from app.features.imports import repository
from app.features.imports.service import files
from app.features.imports.service.files import UnreadableFileError
from app.features.journal import service as journal
from app.importers.base import FILE_BYTES_MAX
from app.importers.files import detect_format

log = structlog.get_logger(__name__)

FILE_NAME_CHARACTERS_MAX = 120
_PATH = re.compile(r"[/\\]")


def preview(household_id: UUID, user_id: UUID, file_name: str, data: bytes) -> UUID:
    """Keep a file, and see whether it can be read.

    The file is in the journal before anything looks into it. One that cannot be read is kept
    too: its import has the state `failed` and says why.

    Returns:
        The id of the import, which adds nothing to the ledger before it is booked.

    Raises:
        InvalidInputError: The file is empty.
        TooLargeError: It has more than 20 MiB.
    """
    if not data:
        raise InvalidInputError("The file is empty. Download it from your bank again.")
    if len(data) > FILE_BYTES_MAX:
        raise TooLargeError(
            f"The file has more than {FILE_BYTES_MAX // 1024**2} MiB. Export a shorter period and "
            "import the parts one after the other."
        )
    name = clean_name(file_name)
    kind = detect_format(name, data)
    import_id, page_id = _keep(household_id, user_id, name, kind, data)
    fault("import.uploaded")
    values: dict[str, object]
    try:
        reading = files.read(page_id, name, data, None)
        values = {"layout": reading.layout.to_dict()} if reading.layout else {}
    except UnreadableFileError as error:
        values = {"state": "failed", "error": error.message}
    fault("import.read")
    if values:
        with household_transaction(household_id) as session:
            repository.update_import(session, household_id, import_id, values)
    fault("import.previewed")
    log.info("file_imported", import_id=str(import_id), format=kind, bytes=len(data))
    return import_id


def discard(household_id: UUID, import_id: UUID) -> None:
    """Forget a file that was not booked; the journal keeps it.

    Raises:
        NotFoundError: The household has no such import.
        ConflictError: It was booked; it can be undone.
    """
    with household_transaction(household_id) as session:
        row = repository.find_import(session, household_id, import_id, lock=True)
        if row is None or row.state == "discarded":
            raise NotFoundError("There is no such import.")
        if row.state == "booked":
            raise ConflictError("This import was booked. Undo it instead.")
        repository.update_import(session, household_id, import_id, {"state": "discarded"})


def clean_name(file_name: str) -> str:
    """Return the last part of a file's name, without what cannot be shown."""
    last = _PATH.split(file_name)[-1]
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    return shown[:FILE_NAME_CHARACTERS_MAX] or "file"


def _keep(
    household_id: UUID, user_id: UUID, name: str, kind: str, data: bytes
) -> tuple[UUID, UUID]:
    import_id = uuid7()
    with household_transaction(household_id) as session:
        page_id = journal.write(
            session, household_id, kind=f"file.{kind}", payload=data, sync_run_id=import_id
        )
        repository.insert_import(
            session,
            {
                "household_id": household_id,
                "id": import_id,
                "user_id": user_id,
                "file_name": name,
                "format": kind,
                "journal_page_id": page_id,
                "state": "previewed",
            },
        )
    return import_id, page_id
