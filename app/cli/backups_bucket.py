"""Which server a bucket is on and who asks it, by the variables that all programs use for S3.

AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN say who asks, else the file
AWS_SHARED_CREDENTIALS_FILE, else the role of the task, of the service account or of the machine.
AWS_ENDPOINT_URL names a server that is not Amazon's.
"""

import configparser
import os
from pathlib import Path

from app.core.backups import BackupError
from app.core.backups.bucket import Bucket

_CREDENTIALS = {
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
}


def open_bucket(url: str) -> Bucket:
    """Return the bucket of an address `s3://bucket/prefix`.

    Raises:
        BackupError: The address or the file of credentials cannot be used.
    """
    _forget_empty_variables()
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    return Bucket(url, endpoint=endpoint, credentials=_credentials_of_file())


def _forget_empty_variables() -> None:
    """Empty counts as not set, as everywhere in the program."""
    for name, value in list(os.environ.items()):
        if name.startswith("AWS_") and not value:
            del os.environ[name]


def _credentials_of_file() -> dict[str, str]:
    """Return what the file of credentials has for AWS_PROFILE, unless the environment has keys."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return {}
    chosen = os.environ.get("AWS_SHARED_CREDENTIALS_FILE")
    path = Path(chosen) if chosen else Path.home() / ".aws" / "credentials"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error):
        raise BackupError(f"{path} cannot be read as a file of credentials.") from None
    profile = os.environ.get("AWS_PROFILE", "default")
    section = parser[profile] if parser.has_section(profile) else {}
    return {ours: section[theirs] for ours, theirs in _CREDENTIALS.items() if theirs in section}
