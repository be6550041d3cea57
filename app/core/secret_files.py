"""Secrets as files, as Docker and Kubernetes mount them."""

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads `NAME` from the file that `NAME_FILE` names, as Docker and Kubernetes mount secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the content of the field's file; None when no file is named, or it is empty."""
        del field
        path = os.environ.get(f"{field_name}_FILE")
        if not path:
            return None, field_name, False
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ValueError(
                f"{field_name}_FILE names {path}, which cannot be read: {reason}. Write the value "
                "into it, an empty one if there is none, or take the variable away."
            ) from None
        return text or None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all values that come from files.

        Raises:
            ValueError: A file that is named cannot be read.
        """
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}
