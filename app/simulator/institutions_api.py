"""Endpoints about institutions, categories and webhook keys."""

import base64
import struct
import zlib
from functools import lru_cache
from typing import Any

from app.simulator.calls import Answer, Call, endpoint, moment
from app.simulator.categories import DETAILED, primary_of
from app.simulator.errors import PlaidError, invalid_field
from app.simulator.identifiers import identifier
from app.simulator.institutions import INSTITUTIONS, Institution
from app.simulator.webhooks import find_key, public_jwk

COUNTRIES = frozenset("US GB ES NL FR IE CA DE IT PL DK NO SE EE LT LV PT BE AT FI".split())
"""The country codes Plaid takes."""


def check_countries(codes: list[Any]) -> None:
    """Refuse an empty list, or a country that Plaid does not serve.

    Raises:
        PlaidError: INVALID_FIELD.
    """
    if not codes or not set(codes) <= COUNTRIES:
        raise invalid_field("country_codes must name supported countries")


@lru_cache(maxsize=32)
def logo_png(color: str) -> str:
    """Return a round logo of one color as base64 of a PNG, 152 by 152 pixels."""
    size, radius = 152, 74
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    ink, clear = bytes((red, green, blue, 255)), bytes(4)
    rows = []
    for y in range(size):
        row = [ink if (x - 76) ** 2 + (y - 76) ** 2 <= radius**2 else clear for x in range(size)]
        rows.append(b"\x00" + b"".join(row))
    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 9)), (b"IEND", b""),
    ):  # fmt: skip
        png += struct.pack(">I", len(data)) + kind + data
        png += struct.pack(">I", zlib.crc32(kind + data))
    return base64.b64encode(png).decode()


def institution_json(call: Call, bank: Institution) -> Answer:
    """Return Plaid's institution object with what the options ask for."""
    shown: Answer = {
        "institution_id": bank.institution_id,
        "name": bank.name,
        "products": list(bank.products),
        "country_codes": list(bank.countries),
        "routing_numbers": list(bank.routing_numbers),
        "dtc_numbers": [],
        "oauth": bank.oauth,
        "connection_availability": "SUPPORTED",
    }
    if call.options.get("include_optional_metadata"):
        shown |= {
            "url": bank.url, "primary_color": bank.color, "logo": logo_png(bank.color),
        }  # fmt: skip
    if call.options.get("include_status"):
        shown["status"] = _status_json(call, bank)
    return shown


def _status_json(call: Call, bank: Institution) -> Answer:
    healthy = bank.status == "HEALTHY"
    breakdown = {
        "success": 0.97 if healthy else 0.48,
        "error_plaid": 0.01 if healthy else 0.02,
        "error_institution": 0.02 if healthy else 0.5,
    }
    since = moment(call.bank.now())
    request = {"status": bank.status, "last_status_change": since, "breakdown": breakdown}
    updates = request | {"breakdown": breakdown | {"refresh_interval": "NORMAL"}}
    return {"item_logins": request, "transactions_updates": updates}


def _offered(call: Call) -> list[Institution]:
    """Return the institutions that match the countries, products and options."""
    countries = set(call.body["country_codes"])
    check_countries(call.body["country_codes"])
    products = set(call.options.get("products") or call.body.get("products") or ())
    routing = set(call.options.get("routing_numbers") or ())
    oauth = call.options.get("oauth")
    return [
        bank
        for bank in INSTITUTIONS.values()
        if countries & set(bank.countries)
        and products <= set(bank.products)
        and (not routing or routing & set(bank.routing_numbers))
        and oauth in (None, bank.oauth)
    ]


@endpoint("/institutions/get")
def list_institutions(call: Call) -> Answer:
    """List institutions by offset."""
    count, offset = call.number("count", 1, 1, 500), call.number("offset", 0, 0, 100_000)
    banks = _offered(call)
    return {
        "institutions": [institution_json(call, each) for each in banks[offset : offset + count]],
        "total": len(banks),
    }


@endpoint("/institutions/get_by_id")
def get_institution(call: Call) -> Answer:
    """Describe one institution."""
    check_countries(call.body["country_codes"])
    bank = INSTITUTIONS.get(call.body["institution_id"])
    if bank is None:
        raise PlaidError("INVALID_INSTITUTION")
    return {"institution": institution_json(call, bank)}


@endpoint("/institutions/search")
def search_institutions(call: Call) -> Answer:
    """Find institutions by a part of their name, ten at most."""
    words = call.body["query"].casefold().split()
    found = [bank for bank in _offered(call) if all(word in bank.name.casefold() for word in words)]
    return {"institutions": [institution_json(call, each) for each in found[:10]]}


@endpoint("/categories/get")
def get_categories(call: Call) -> Answer:  # noqa: ARG001 - every endpoint takes the call
    """List categories in the legacy shape, made from the personal finance categories."""
    categories = []
    for detailed in sorted(DETAILED):
        primary = primary_of(detailed)
        words = [primary, detailed.removeprefix(f"{primary}_")]
        number = int.from_bytes(identifier(detailed).encode()[:4], "big") % 90_000_000
        categories.append(
            {
                "category_id": str(number + 10_000_000),
                "group": "special" if primary.startswith(("TRANSFER", "LOAN", "BANK")) else "place",
                "hierarchy": [word.replace("_", " ").title() for word in words],
            }
        )
    return {"categories": categories}


@endpoint("/webhook_verification_key/get")
def get_key(call: Call) -> Answer:
    """Return the public key that verifies webhooks."""
    return {"key": public_jwk(find_key(call.bank.state.keys, call.body["key_id"]))}
