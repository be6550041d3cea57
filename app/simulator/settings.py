"""The simulator's settings: the only place that reads its environment."""

import datetime as dt
import os
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """How the simulator behaves; every field has an environment variable, see README.md."""

    client_id: str | None = None
    """SIMULATOR_CLIENT_ID; None accepts any that is not empty."""
    secret: str | None = None
    """SIMULATOR_SECRET; None accepts any that is not empty."""
    state_path: Path | None = None
    """FINTECH_SIMULATOR_STATE; None keeps everything in memory."""
    today: dt.date | None = None
    """SIMULATOR_TODAY: the day on which history ends; None follows the clock."""
    initial_seconds: float = 1.0
    """SIMULATOR_INITIAL_SECONDS: from the exchange until 30 days of history are there."""
    historical_seconds: float = 2.5
    """SIMULATOR_HISTORICAL_SECONDS: from the exchange until all history is there."""
    time_scale: float = 1.0
    """SIMULATOR_TIME_SCALE: factor on the webhook retry delays; 0.001 makes 30 s 30 ms."""
    rate_limits: str = "sandbox"
    """SIMULATOR_RATE_LIMITS: `sandbox`, `production` or `off`."""
    webhook_timeout_seconds: float = 10.0
    """SIMULATOR_WEBHOOK_TIMEOUT_SECONDS."""
    hang_seconds: float = 40.0
    """SIMULATOR_HANG_SECONDS: how long a `timeout` fault keeps a request waiting."""
    item_life_days: int = 30
    """SIMULATOR_ITEM_LIFE_DAYS: days until an Item wants a new login; 0 is never."""
    programs_url: str = ""
    """SIMULATOR_PROGRAMS_URL: where programs reach its SimpleFIN server; empty: as browsers do."""
    control_network: IPv4Network | IPv6Network | None = None
    """SIMULATOR_CONTROL_NETWORK: who besides this machine may use the control API."""
    webhook_retries: int = 6
    """SIMULATOR_WEBHOOK_RETRIES: attempts after the first."""


def read_settings() -> Settings:
    """Return the settings of the environment.

    Raises:
        ValueError: A number is not one, or is negative, a choice is unknown, or a network none.
    """
    known = Settings()
    rate_limits = os.environ.get("SIMULATOR_RATE_LIMITS", known.rate_limits)
    if rate_limits not in ("sandbox", "production", "off"):
        raise ValueError("SIMULATOR_RATE_LIMITS must be sandbox, production or off")
    today = os.environ.get("SIMULATOR_TODAY")
    path = os.environ.get("FINTECH_SIMULATOR_STATE")
    control = os.environ.get("SIMULATOR_CONTROL_NETWORK")
    return Settings(
        client_id=os.environ.get("SIMULATOR_CLIENT_ID") or None,
        secret=os.environ.get("SIMULATOR_SECRET") or None,
        state_path=Path(path) if path else None,
        today=dt.date.fromisoformat(today) if today else None,
        initial_seconds=_number("INITIAL_SECONDS", known.initial_seconds),
        historical_seconds=_number("HISTORICAL_SECONDS", known.historical_seconds),
        time_scale=_number("TIME_SCALE", known.time_scale),
        rate_limits=rate_limits,
        webhook_timeout_seconds=_number("WEBHOOK_TIMEOUT_SECONDS", known.webhook_timeout_seconds),
        hang_seconds=_number("HANG_SECONDS", known.hang_seconds),
        item_life_days=int(_number("ITEM_LIFE_DAYS", known.item_life_days)),
        programs_url=os.environ.get("SIMULATOR_PROGRAMS_URL", known.programs_url).rstrip("/"),
        control_network=ip_network(control) if control else None,
        webhook_retries=int(_number("WEBHOOK_RETRIES", known.webhook_retries)),
    )


def _number(name: str, default: float) -> float:
    text = os.environ.get(f"SIMULATOR_{name}", str(default))
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"SIMULATOR_{name} must be a number, not {text!r}") from None
    if not 0 <= value <= 1_000_000:
        raise ValueError(f"SIMULATOR_{name} must be 0 to 1,000,000")
    return value
