"""Which events people are told of, and in what words."""

from collections.abc import Mapping
from dataclasses import dataclass

_CHANGE_IT = "If it was not you, change your password: that ends every other session."
_TOKENS = (
    "If it was not you, revoke the token under Settings, API tokens, and change your password."
)
_PASSKEYS = (
    "If it was not you, look at Settings, Passkeys, remove what you do not know, and change your "
    "password."
)
_IDENTITIES = "If it was not you, unlink it under Settings, and change your password."
_OPERATOR = "If you did not ask for it, ask whoever runs this server."
_BANK = "If it was not you, change your password and look at Connections."


@dataclass(frozen=True, slots=True)
class Told:
    """What a notice says."""

    title: str
    advice: str
    """What to do if it was not them."""


TOLD: Mapping[str, Told] = {
    "user.new_device": Told("New browser or program signed in", _CHANGE_IT),
    "user.refresh_token_reused": Told(
        "The sign-in of a program was used twice, and ended",
        "Somebody may have copied it. Sign the program in again, and change your password.",
    ),
    "user.password_changed": Told(
        "Your password was changed", "If it was not you, ask whoever runs this server for a link."
    ),
    "user.reset_link_made": Told("A link to reset your password was made", _OPERATOR),
    "user.password_reset": Told("Your password was reset through a link", _OPERATOR),
    "user.password_set_by_operator": Told("The operator set your password", _OPERATOR),
    "user.second_factor_turned_on": Told("Two-step sign-in was turned on", _OPERATOR),
    "user.second_factor_turned_off": Told("Two-step sign-in was turned off", _CHANGE_IT),
    "user.second_factor_turned_off_by_operator": Told(
        "The operator turned your two-step sign-in off", _OPERATOR
    ),
    "user.recovery_code_used": Told(
        "A recovery code was used",
        "If it was not you, set two-step sign-in up anew and change your password.",
    ),
    "user.passkey_added": Told("A passkey was added to your account", _PASSKEYS),
    "user.passkey_removed": Told("A passkey was removed from your account", _PASSKEYS),
    "user.passkey_copied": Told(
        "A passkey was refused: somebody may have copied it",
        "Remove it under Settings, Passkeys, and add a new one.",
    ),
    "user.identity_linked": Told("Another way to sign in was linked to your account", _IDENTITIES),
    "user.identity_unlinked": Told("A way to sign in was unlinked from your account", _IDENTITIES),
    "user.api_token_created": Told("An API token was made", _TOKENS),
    "item.linked": Told("A bank was linked", _BANK),
    "item.unlinked": Told("A bank was disconnected", _BANK),
    "transactions.exported": Told("Your transactions were exported", _CHANGE_IT),
}
"""By the action of the event; of others nobody is told."""
