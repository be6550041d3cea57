"""P7: what people agree to is kept with the link, by version, and no version is ever edited."""

import hashlib

import pytest

from app.core.database import household_transaction
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.connections import consent
from tests.cast import SignedInBrowser
from tests.features.connections.bank import linked, open_bank, query

DIGESTS = {
    "2026-11-29": "1dc90c9b701a844de82a1982dc2363638fad2647e506315b794144e26c17a021",
}
"""Of texts that people agreed to. Add one for a new version; change none."""


@pytest.mark.parametrize("version", [*consent.TEXTS])
def test_P7_a_text_that_people_agreed_to_stays_as_it_is(version: str) -> None:
    text = "\n\n".join(consent.TEXTS[version])

    assert hashlib.sha256(text.encode()).hexdigest() == DIGESTS[version]


def test_P7_the_newest_version_is_the_one_that_is_agreed_to() -> None:
    assert max(consent.TEXTS) == consent.CURRENT


def test_P7_the_page_has_the_text_who_agreed_and_until_when(
    ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    with linked(ada.household_id, open_bank()) as item_id:
        for details in ({}, {"consent": consent.CURRENT}):
            with household_transaction(ada.household_id) as session:
                audit.record(
                    session,
                    ada.household_id,
                    "item.linked",
                    actor=Actor(ada.user_id),
                    object_id=item_id,
                    details=details,
                )
        page = ada.get("/settings/privacy/consents").text
        assert consent.TEXTS[consent.CURRENT][0] in page
        assert page.count("In force") == 2
        assert "before texts had versions" in page
        assert "In force" not in ben.get("/settings/privacy/consents").text
        query(ada.household_id, "UPDATE items SET unlinked_at = now()")
        assert ada.get("/settings/privacy/consents").text.count("Taken back") == 2
