"""The truth about a simulated life, for measuring what others make of it."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from app.simulator.feed import amount_of, cents
from app.simulator.items import LiveItem
from app.simulator.life import Life, Movement


def truth_of(life: Life, items: Sequence[LiveItem] = ()) -> dict[str, Any]:
    """Return every movement with its category, series, transfer pair and ids.

    Amounts have Plaid's sign. `pair` and `refund_of` are numbers of other movements. `ids` names,
    for each Item that shows the account, the ids while pending, once posted and after churn
    (ids that a movement never got are listed too: they are a function of its number).
    """
    return {
        "login": life.household.login,
        "title": life.household.title,
        "lived_until": date.fromordinal(life.lived_until),
        "movements": [_movement(each, items) for each in life.movements],
        "series": _series(life),
        "pairs": sorted(
            (each.number, each.pair)
            for each in life.movements
            if each.pair is not None and each.number < each.pair
        ),
    }


def _movement(movement: Movement, items: Sequence[LiveItem]) -> dict[str, Any]:
    return {
        "number": movement.number,
        "account": movement.account,
        "authorized": date.fromordinal(movement.authorized),
        "posted": date.fromordinal(movement.posted),
        "amount": amount_of(movement),
        "pending_amount": None if movement.pending is None else cents(movement.pending),
        "text": movement.text,
        "merchant": movement.facts.merchant,
        "category": movement.facts.category,
        "series": movement.series,
        "pair": movement.pair,
        "refund_of": movement.refund_of,
        "fate": movement.fate,
        "ids": {
            item.item_id: item.feed.ids(movement) for item in items if item.feed.sees(movement)
        },
    }


def _series(life: Life) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for movement in life.movements:
        if movement.series is not None:
            found.setdefault(movement.series, []).append(movement.number)
    return {key: numbers for key, numbers in found.items() if len(numbers) > 1}
