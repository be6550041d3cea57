"""K1, K3: what is sealed opens only where it belongs, and nothing runs without a key."""

import os
import subprocess
import sys
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.encryption import HouseholdKey, OwnerKey, SealError, new_wrapped_key, unwrap_key

PLACE = "items.access_token"


def opens(key: OwnerKey, sealed: bytes, place: str, row_id: UUID) -> bool:
    try:
        key.open(sealed, place=place, row_id=row_id)
    except SealError:
        return False
    return True


@given(plain=st.binary(max_size=200), position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_K1_one_bit_or_another_place_and_it_does_not_open(
    plain: bytes, position: int, bit: int
) -> None:
    household_id, row_id = uuid4(), uuid4()
    secret = os.urandom(32)
    key = HouseholdKey(household_id, secret)
    sealed = key.seal(plain, place=PLACE, row_id=row_id)
    flipped = bytearray(sealed)
    flipped[position % len(sealed)] ^= 1 << bit

    assert key.open(sealed, place=PLACE, row_id=row_id) == plain
    assert not opens(key, bytes(flipped), PLACE, row_id)
    assert not opens(key, sealed[:-1], PLACE, row_id)
    assert not opens(key, sealed, "items.cursor", row_id)
    assert not opens(key, sealed, PLACE, uuid4())
    assert not opens(HouseholdKey(uuid4(), secret), sealed, PLACE, row_id)
    assert sealed != key.seal(plain, place=PLACE, row_id=row_id)


def test_K1_a_households_key_opens_for_that_household_alone() -> None:
    household_id = uuid4()
    wrapped, key_id = new_wrapped_key(household_id)

    assert unwrap_key(household_id, wrapped, key_id)
    with pytest.raises(SealError, match="does not open"):
        unwrap_key(uuid4(), wrapped, key_id)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "shorter than 32"),
        ({"SECRET_KEY": "changethis-changethis-changethis-changethis"}, "placeholder"),
        ({"ENCRYPTION_KEYS": "k1:c2hvcnQ="}, "id:base64 of 32 bytes"),
        ({"ENCRYPTION_KEYS": "no-key"}, "id:base64 of 32 bytes"),
        ({"ENCRYPTION_KEYS_FILE": "/nowhere/at/all"}, "/nowhere/at/all"),
    ],
)
def test_K3_without_a_good_key_nothing_starts(changed: dict[str, str], said: str) -> None:
    environment = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "SECRET_KEY": "q8vN3xTz6LkW1rYb9HsJ4mPd7GcF2aEu",
        "PYTHONPATH": ":".join(sys.path),
        "PATH": "/usr/bin:/bin",
        "APP_ENV": "production",
        **changed,
    }

    done = subprocess.run(
        [sys.executable, "-c", "import app.core.encryption"],
        env=environment, capture_output=True, text=True, timeout=60, cwd="/",
    )  # fmt: skip

    assert done.returncode != 0
    assert said in done.stderr


def test_K3_keys_for_different_purposes_differ() -> None:
    from app.core import encryption

    labels = ("csrf", "tokens", "household key wrapping")
    derived = {encryption.derive_key(label) for label in labels}
    assert len(derived) == len(labels)
    assert encryption.settings.SECRET_KEY.get_secret_value().encode() not in derived


def test_K2_a_first_key_of_its_own_follows_the_derived_one() -> None:
    from app.core import encryption

    assert list(encryption.WRAPPING_KEYS)[-1] == encryption.DERIVED_KEY_ID
