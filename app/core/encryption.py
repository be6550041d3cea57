"""Sealing: AES-256-GCM under a key per household, which is wrapped by the operator's key.

A sealed value is bound to its table, column, row and household (additional data), so that a
value copied to another row does not open there. What belongs to a person, not to a household, is
sealed under a key derived from the operator's and the person's id.
"""

import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.config import parse_keys, settings

_VERSION = b"\x01"
_NONCE_BYTES = 12
DERIVED_KEY_ID = "derived"


class SealError(Exception):
    """The value was not sealed for this place, was changed, or its key is gone."""


def derive_key(label: str) -> bytes:
    """Return 32 bytes derived from SECRET_KEY for one purpose (HKDF, RFC 5869)."""
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=label.encode())
    return kdf.derive(settings.SECRET_KEY.get_secret_value().encode())


def _wrapping_keys() -> dict[str, bytes]:
    """Return the operator's keys, and last the one that served before there were any."""
    keys = parse_keys(settings.ENCRYPTION_KEYS.get_secret_value())
    return {**keys, DERIVED_KEY_ID: keys.get(DERIVED_KEY_ID) or _derived_wrapping_key()}


def _derived_wrapping_key() -> bytes:
    return derive_key("household key wrapping")


WRAPPING_KEYS = _wrapping_keys()
CURRENT_KEY_ID = next(iter(WRAPPING_KEYS))


class OwnerKey:
    """Opens and seals what belongs to one owner."""

    def __init__(self, owner_id: UUID, key: bytes) -> None:
        self._owner_id = owner_id
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, *, place: str, row_id: UUID) -> bytes:
        """Return version, nonce, ciphertext and tag; `place` is `table.column`."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, self._bind(place, row_id))

    def open(self, sealed: bytes, *, place: str, row_id: UUID) -> bytes:
        """Return the plain bytes.

        Raises:
            SealError: The value was not sealed for this place or was changed.
        """
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION:
            raise SealError(f"{place}: unknown seal version")
        try:
            return self._cipher.decrypt(nonce, body, self._bind(place, row_id))
        except InvalidTag as error:
            raise SealError(f"{place}: does not open") from error

    def _bind(self, place: str, row_id: UUID) -> bytes:
        return place.encode() + row_id.bytes + self._owner_id.bytes


class HouseholdKey(OwnerKey):
    """Opens and seals what belongs to one household."""


class PersonKey(OwnerKey):
    """Opens and seals what belongs to one person, whatever households they are in."""


def person_key(user_id: UUID, key_id: str) -> PersonKey:
    """Return the person's key: derived from the operator's, since it is nobody's to erase.

    Raises:
        SealError: ENCRYPTION_KEYS has no such key.
    """
    if key_id not in WRAPPING_KEYS:
        raise SealError(f"ENCRYPTION_KEYS has no key {key_id!r}: add the old key after the new one")
    info = b"key of a person" + user_id.bytes
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info)
    return PersonKey(user_id, kdf.derive(WRAPPING_KEYS[key_id]))


def new_wrapped_key(household_id: UUID) -> tuple[bytes, str]:
    """Make a household's key; return it wrapped, and the id of the key that wraps it."""
    return _wrap(household_id, os.urandom(32)), CURRENT_KEY_ID


def _wrap(household_id: UUID, key: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(WRAPPING_KEYS[CURRENT_KEY_ID]).encrypt(nonce, key, household_id.bytes)


def rewrap_key(household_id: UUID, wrapped: bytes, key_id: str) -> tuple[bytes, str]:
    """Return a household's key wrapped by the newest of ENCRYPTION_KEYS, and that one's id.

    Raises:
        SealError: As `unwrap_key`.
    """
    return _wrap(household_id, _unwrap(household_id, wrapped, key_id)), CURRENT_KEY_ID


def unwrap_key(household_id: UUID, wrapped: bytes, key_id: str) -> HouseholdKey:
    """Open a household's key.

    Raises:
        SealError: The wrapping key is not in ENCRYPTION_KEYS, or is another one of that id.
    """
    return HouseholdKey(household_id, _unwrap(household_id, wrapped, key_id))


def _unwrap(household_id: UUID, wrapped: bytes, key_id: str) -> bytes:
    if key_id not in WRAPPING_KEYS:
        raise SealError(f"ENCRYPTION_KEYS has no key {key_id!r}: add the old key after the new one")
    try:
        cipher = AESGCM(WRAPPING_KEYS[key_id])
        return cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], household_id.bytes)
    except InvalidTag as error:
        raise SealError(f"key {key_id!r} does not open this household's key") from error
