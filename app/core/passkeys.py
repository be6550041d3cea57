"""Passkeys: what a browser is asked for, and whether what it brings is right (WebAuthn level 2).

Name and origin of this server are those of PUBLIC_URL, to the letter: a passkey made here signs for
no other site, and what was signed on another site is refused here.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from webauthn.helpers import options_to_json_dict, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.core.config import settings
from app.core.tickets import LASTS

CREDENTIAL_LENGTH_MAX = 20_000
"""Characters of what a browser brings; without an attestation it is below 2,000."""
CREDENTIAL_ID_BYTES_MAX = 1_023
"""WebAuthn, section 4, "Credential ID"."""
_SITE = "Fintech"
_TIMEOUT_MILLISECONDS = int(LASTS.total_seconds() * 1000)
_public = urlsplit(settings.PUBLIC_URL)
HOST = _public.hostname or "localhost"
ORIGIN = f"{_public.scheme}://{_public.netloc}"
# What reading bytes of a stranger's choice may end in.
_BROKEN = (
    WebAuthnException, InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, LookupError,
    AttributeError, RecursionError, OverflowError,
)  # fmt: skip


class PasskeyError(Exception):
    """What the browser brought is not right; the text says why, for the log."""


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What is kept of a passkey that was just made."""

    credential_id: bytes
    public_key: bytes
    """COSE (RFC 9052)."""
    sign_count: int


def are_possible() -> bool:
    """Tell whether browsers make passkeys for this server: it needs a name, and https or itself."""
    try:
        ipaddress.ip_address(HOST)
    except ValueError:
        return settings.is_https or HOST == "localhost"
    return False


def creation_options(
    user_id: UUID, email: str, name: str, challenge: bytes, known: Iterable[bytes]
) -> dict[str, object]:
    """Return what `navigator.credentials.create` takes, as JSON.

    The passkey has to be found without a name being typed, and to ask for finger, face or PIN.
    """
    options = webauthn.generate_registration_options(
        rp_id=HOST,
        rp_name=_SITE,
        user_id=user_id.bytes,
        user_name=email,
        user_display_name=name,
        challenge=challenge,
        timeout=_TIMEOUT_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
    )
    return options_to_json_dict(options)


def request_options(
    challenge: bytes, allowed: Iterable[bytes] = (), *, verified: bool
) -> dict[str, object]:
    """Return what `navigator.credentials.get` takes, as JSON.

    Args:
        challenge: What is to be signed.
        allowed: Ids of the passkeys that will do; none: any that the person has for this server.
        verified: Whether finger, face or PIN must be asked for.
    """
    verification = UserVerificationRequirement
    options = webauthn.generate_authentication_options(
        rp_id=HOST,
        challenge=challenge,
        timeout=_TIMEOUT_MILLISECONDS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in allowed],
        user_verification=verification.REQUIRED if verified else verification.PREFERRED,
    )
    return options_to_json_dict(options)


def read_new(credential: str, challenge: bytes) -> NewPasskey:
    """Return a passkey that was just made for this challenge, here.

    Raises:
        PasskeyError: It was not, or its bytes are broken.
    """
    try:
        made = webauthn.verify_registration_response(
            credential=_limited(credential),
            expected_challenge=challenge,
            expected_rp_id=HOST,
            expected_origin=ORIGIN,
            require_user_verification=True,
        )
    except _BROKEN as error:
        raise PasskeyError(str(error)) from None
    if len(made.credential_id) > CREDENTIAL_ID_BYTES_MAX:
        raise PasskeyError("the id is too long")
    return NewPasskey(made.credential_id, made.credential_public_key, made.sign_count)


def read(credential: str) -> AuthenticationCredential:
    """Return what a browser brings, before anything of it is believed.

    Raises:
        PasskeyError: Its bytes are broken.
    """
    try:
        return parse_authentication_credential_json(_limited(credential))
    except _BROKEN as error:
        raise PasskeyError(str(error)) from None


def verify(
    given: AuthenticationCredential, challenge: bytes, public_key: bytes, *, verified: bool
) -> int:
    """Return the passkey's signature counter; the caller compares it with the last one.

    Args:
        given: What the browser brought.
        challenge: What had to be signed.
        public_key: Of the passkey that it names.
        verified: Whether finger, face or PIN must have been asked for.

    Raises:
        PasskeyError: Another challenge, site or key, nobody was there, or it was not verified.
    """
    try:
        return webauthn.verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=HOST,
            expected_origin=ORIGIN,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=verified,
        ).new_sign_count
    except _BROKEN as error:
        raise PasskeyError(str(error)) from None


def _limited(credential: str) -> str:
    if len(credential) > CREDENTIAL_LENGTH_MAX:
        raise ValueError("too long")
    return credential
