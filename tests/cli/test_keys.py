"""`fintech keys`: K2, rotation while everything runs."""

import base64
import os
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from app.cli import keys
from app.core import encryption
from app.core.database import household_transaction, system_transaction
from app.features.users import repository as people
from app.features.users import second_factor
from app.features.vault import repository, rotation
from app.features.vault import service as vault
from tests.cast import SignedInBrowser
from tests.features.users.phones import set_up

ROW = "items.access_token"


class Keys:
    """The keys of this process, as restarting it with other settings would set them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.old = dict(encryption.WRAPPING_KEYS)
        self.old_id = encryption.CURRENT_KEY_ID
        self.new = {"new": os.urandom(32)}

    def use(self, given: dict[str, bytes]) -> None:
        for module in (encryption, keys):
            self._patch.setattr(module, "WRAPPING_KEYS", given)
            self._patch.setattr(module, "CURRENT_KEY_ID", next(iter(given)))


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    """The test's own; all that it wrapped anew goes back, as other tests know the old key only."""
    ring = Keys(monkeypatch)
    monkeypatch.setattr(rotation, "BATCH", 3)
    ring.use(ring.new | ring.old)
    yield ring
    monkeypatch.undo()
    ring.use(ring.old | ring.new)
    rotation.rewrap_all()
    second_factor.reseal_all()


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(keys.command, list(arguments))
    return result.exit_code, result.output


def sealed_of(person: SignedInBrowser) -> bytes:
    with household_transaction(person.household_id) as session:
        key = vault.get_key(session, person.household_id)
    return key.seal(b"access-sandbox-1", place=ROW, row_id=person.user_id)


def opened(person: SignedInBrowser, sealed: bytes) -> bytes:
    with household_transaction(person.household_id) as session:
        key = vault.get_key(session, person.household_id)
    return key.open(sealed, place=ROW, row_id=person.user_id)


def test_K2_what_is_sealed_opens_before_between_and_after(
    ada: SignedInBrowser, cleo: SignedInBrowser, ring: Keys
) -> None:
    phone = set_up(ada)
    sealed = sealed_of(ada)
    code, before = run("status")
    assert (code, "new" in before) == (0, True)

    code, said = run("rotate")

    assert code == 0, said
    assert set(rotation.count_by_key(rotation.HOUSEHOLD_KEYS)) == {"new"}
    assert set(rotation.count_by_key(second_factor.SECRETS)) == {"new"}
    assert f"{ring.old_id:<16} older        0 households, 0 authenticator apps" in run("status")[1]
    # Without the old key: what is sealed is as it was, and opens.
    ring.use(ring.new)
    assert opened(ada, sealed) == b"access-sandbox-1"
    with system_transaction() as session:
        app = people.find_totp(session, ada.user_id, confirmed=True)
    assert app is not None
    assert second_factor.unseal(app.secret, app.key_id, ada.user_id) == phone.secret
    assert run("rotate")[1].startswith("0 households and 0 authenticator apps")


def test_K2_a_rotation_that_is_killed_anywhere_is_begun_again(
    ada: SignedInBrowser, cleo: SignedInBrowser, ring: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = [(person, sealed_of(person)) for person in (ada, cleo)]
    replace = repository.replace
    left = 0

    def die_after_some(*arguments: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        replace(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(repository, "replace", die_after_some)
    deaths = 0
    for survived in range(50):
        left = survived
        try:
            rotation.rewrap_all()
        except KeyboardInterrupt:
            deaths += 1
        else:
            break
        assert all(opened(person, value) == b"access-sandbox-1" for person, value in sealed)
        assert rotation.count_by_key(rotation.HOUSEHOLD_KEYS).keys() <= {"new", ring.old_id}
    assert deaths >= 2
    monkeypatch.setattr(repository, "replace", replace)

    _, failed = rotation.rewrap_all()

    assert failed == {}
    assert set(rotation.count_by_key(rotation.HOUSEHOLD_KEYS)) == {"new"}
    assert all(opened(person, value) == b"access-sandbox-1" for person, value in sealed)


def test_K2_a_key_that_is_missing_is_named_and_nothing_of_it_is_touched(
    ada: SignedInBrowser, ring: Keys
) -> None:
    sealed = sealed_of(ada)
    ring.use(ring.new)

    code, said = run("rotate")
    assert (code, f"has no key {ring.old_id!r}" in said) == (1, True)
    code, said = run("status")
    assert (code, "MISSING" in said, f"has no key {ring.old_id}" in said) == (1, True, True)

    ring.use(ring.new | ring.old)
    assert opened(ada, sealed) == b"access-sandbox-1"


def test_keys_are_read_in_their_order() -> None:
    from app.core.config import parse_keys

    one, two = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    assert list(parse_keys(f"b:{one}, a:{two}")) == ["b", "a"]
