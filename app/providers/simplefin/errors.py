"""What SimpleFIN's codes and statuses mean for us, and what we tell the user."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.http import HttpError
from app.providers.base import (
    ProviderContractError,
    ProviderError,
    ProviderSetupError,
    ProviderUnavailableError,
    ReauthRequiredError,
)
from app.providers.simplefin.structs import Trouble

SAID_CHARACTERS_MAX = 200
LIMITED_SECONDS = 6 * 3600.0
"""Servers look at the banks about once a day; asking sooner brings nothing."""
DEVELOPERS = "gen.api"
"""Words for whoever writes a program, of which users are not told."""

USED_UP = (
    "This setup token was used already, or never was one. If you did not use it yourself, somebody "
    "else may have: disable it at your SimpleFIN server. Then make a new one there and paste it."
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a code means."""

    error: type[ProviderError]
    message: str


_RULES = {
    "ACCESS_REFUSED": Rule(
        ReauthRequiredError,
        "Your SimpleFIN server does not let us in any more. Make a new setup token there, and "
        "paste it here.",
    ),
    "PAYMENT_REQUIRED": Rule(
        ReauthRequiredError,
        "Your SimpleFIN server asks for a payment. Settle it there, then try again here.",
    ),
    "TOO_MANY_REQUESTS": Rule(
        ProviderUnavailableError,
        "We asked your SimpleFIN server more often than it allows in a day. We will try again by "
        "ourselves.",
    ),
    "con.auth": Rule(
        ReauthRequiredError,
        "A bank wants you to sign in again. Do that at your SimpleFIN server, then try again here.",
    ),
    "con.": Rule(
        ProviderUnavailableError,
        "Your SimpleFIN server could not reach one of your banks. We will try again by ourselves.",
    ),
    "act.": Rule(
        ProviderUnavailableError,
        "Your SimpleFIN server could not read one of your accounts to the end. What it told before "
        "stays as it is.",
    ),
    "gen.": Rule(
        ProviderUnavailableError,
        "Your SimpleFIN server reports trouble. We will try again by ourselves.",
    ),
}
_RULES["gen.auth"] = _RULES["ACCESS_REFUSED"]
_WORST_FIRST = ("gen.auth", "con.auth", "act.", "con.", "gen.")

_ADDRESS = re.compile(r"\S*://\S*")
_SIGN_IN = re.compile(r"auth|sign.?in|log.?in|credential|password", re.IGNORECASE)


def explained(code: str, said: str | None = None) -> ProviderError:
    """Return what a code means; an unknown one as far as its beginning is known."""
    rule = _RULES.get(code) or _RULES.get(f"{code.partition('.')[0]}.") or _RULES["gen."]
    message = f"{rule.message} It says: “{said}”" if said else rule.message
    if rule.error is ProviderUnavailableError and code == "TOO_MANY_REQUESTS":
        return ProviderUnavailableError(code, message, retry_after_seconds=LIMITED_SECONDS)
    return rule.error(code, message)


def worst_of(troubles: Sequence[Trouble]) -> tuple[str, str] | None:
    """Return code and words for the trouble that the user should hear of first, if any."""
    told = [each for each in troubles if each.code != DEVELOPERS]
    if not told:
        return None
    worst = min(told, key=lambda each: _rank(each.code))
    said = cleaned(worst.msg or worst.message or "")
    return worst.code, explained(worst.code, said).message


def of_text(text: str) -> Trouble:
    """Return an error of version 1, which is nothing but a text."""
    return Trouble("con.auth" if _SIGN_IN.search(text) else "gen.", text)


def cleaned(text: str) -> str:
    """Return a server's text fit to be shown: one short line without addresses and controls.

    Addresses may hold secrets, and invisible characters turn a line into another.
    """
    text = _ADDRESS.sub("…", text[: 10 * SAID_CHARACTERS_MAX])
    visible = "".join(
        " " if unicodedata.category(each) in ("Cc", "Zl", "Zp", "Zs") else each
        for each in text
        if unicodedata.category(each) not in ("Cf", "Co", "Cn", "Cs")
    )
    line = " ".join(visible.split())
    return line if len(line) <= SAID_CHARACTERS_MAX else line[: SAID_CHARACTERS_MAX - 1] + "…"


def of_status(status: int) -> ProviderError:
    """Return what a status other than 200 of `GET /accounts` means."""
    if status in (401, 403):
        return explained("ACCESS_REFUSED")
    if status == 402:
        return explained("PAYMENT_REQUIRED")
    if status == 429:
        return explained("TOO_MANY_REQUESTS")
    if 300 <= status < 400:
        return ProviderContractError(
            "REDIRECTED",
            "Your SimpleFIN server sends us to another address, which we do not follow. Make a new "
            "setup token there, and paste it here.",
        )
    if status >= 500 or status == 408:
        return ProviderUnavailableError(
            "SERVER_DOWN",
            "Your SimpleFIN server is not answering at the moment. We try again.",
        )
    return ProviderContractError(
        "UNEXPECTED_STATUS", "Your SimpleFIN server did not accept what we asked of it."
    )


def of_http(failure: HttpError) -> ProviderError:
    """Return what it means that there was no answer."""
    if failure.temporary:
        return ProviderUnavailableError(
            "UNREACHABLE", "Your SimpleFIN server cannot be reached at the moment. Try again later."
        )
    return ProviderSetupError(
        "UNUSABLE_SERVER", f"Your SimpleFIN server cannot be used: {failure.reason}."
    )


def _rank(code: str) -> int:
    fits = (number for number, start in enumerate(_WORST_FIRST) if code.startswith(start))
    return next(fits, len(_WORST_FIRST))
