"""What the page of one's own data shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PrivacyView:
    """privacy/privacy.html: POST /settings/privacy/erase with household_name."""

    household_name: str
    is_owner: bool
    errors: Mapping[str, str] = field(default_factory=dict)
