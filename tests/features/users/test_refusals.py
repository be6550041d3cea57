"""What a form refuses leaves nothing, though its page is shown in the same request."""

import pytest

from app.core.errors import ConflictError
from app.features.audit import service as audit
from tests.cast import SignedInBrowser
from tests.database import digest


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("/settings/tokens/new", {"name": "Sheet", "scopes": "read"}),
        ("/household/invitations", {"role": "member"}),
        ("/household/members/{ben}/role", {"role": "viewer"}),
        ("/household/members/{ben}/remove", {}),
        ("/household/members/{ben}/transfer", {}),
    ],
)
def test_what_a_form_did_before_it_was_refused_is_undone(
    ada: SignedInBrowser, ben: SignedInBrowser, action: str, fields: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def refuse(*_: object, **__: object) -> None:
        raise ConflictError("Refused when all was done.")

    monkeypatch.setattr(audit, "record", refuse)
    before = people_and_keys()
    answer = ada.post(action.format(ben=ben.user_id), data=fields)

    assert answer.status_code == 409
    assert "Refused when all was done." in answer.text
    assert people_and_keys() == before


def people_and_keys() -> dict[str, str]:
    kept = digest()
    return {table: kept[table] for table in ("api_tokens", "invitations", "memberships", "users")}
