"""The banks one can pick: Plaid's sandbox ids, and banks of our own invention."""

from dataclasses import dataclass

TRANSACTIONS = ("transactions", "auth", "balance", "identity", "recurring_transactions")
EVERYTHING = (*TRANSACTIONS, "investments", "liabilities", "assets", "transactions_refresh")


@dataclass(frozen=True, slots=True)
class Institution:
    """One bank as /institutions/get_by_id describes it."""

    institution_id: str
    name: str
    products: tuple[str, ...] = EVERYTHING
    countries: tuple[str, ...] = ("US",)
    color: str = "#1f4fd8"
    url: str | None = None
    oauth: bool = False
    routing_numbers: tuple[str, ...] = ()
    gives_all_history: bool = False
    """Hands over everything it has, whatever `days_requested` says: for ten-year demos."""
    status: str = "HEALTHY"
    counts_pending: bool = False
    """Its `current` balances have pending rows in them; most banks' have not."""


INSTITUTIONS: dict[str, Institution] = {
    each.institution_id: each
    for each in (
        Institution("ins_900001", "Harbor & Pine Bank", color="#14557b",
                    routing_numbers=("325099991",), url="https://harborpine.invalid"),
        Institution("ins_900002", "Cardinal Card Company", color="#b3262e", oauth=True,
                    counts_pending=True,
                    products=(*TRANSACTIONS, "liabilities", "transactions_refresh"),
                    url="https://cardinalcard.invalid"),
        Institution("ins_900003", "Northlight Investments", color="#3a3f94",
                    products=("investments", "balance", "identity", "assets", "transactions",
                              "liabilities"),
                    url="https://northlight.invalid"),
        Institution("ins_900004", "Evergreen Trust", color="#1e6b3a", gives_all_history=True,
                    routing_numbers=("325099992",), url="https://evergreentrust.invalid"),
        Institution("ins_900005", "Mosaic Credit Union", color="#c2570c",
                    routing_numbers=("325099993",), url="https://mosaiccu.invalid"),
        Institution("ins_900006", "Banque du Canal", countries=("FR", "DE", "IE", "GB"),
                    color="#155e9b", oauth=True, products=TRANSACTIONS, counts_pending=True,
                    url="https://banqueducanal.invalid"),
        Institution("ins_900007", "Slowpoke Savings", color="#6b6b6b", status="DEGRADED"),
        Institution("ins_109508", "First Platypus Bank", color="#0f7c63",
                    routing_numbers=("011000138",), url="https://platypus.invalid"),
        Institution("ins_109509", "First Gingham Credit Union", color="#a8383b",
                    routing_numbers=("011200365",), url="https://gingham.invalid"),
        Institution("ins_109510", "Tattersall Federal Credit Union", color="#7a5a12",
                    routing_numbers=("011400495",)),
        Institution("ins_109511", "Tartan Bank", color="#2c6e2f"),
        Institution("ins_109512", "Houndstooth Bank", color="#33415c"),
        Institution("ins_127287", "Platypus OAuth Bank", oauth=True, color="#5b3cc4"),
    )
}  # fmt: skip
"""By institution id, in the order of the list on the Link page."""
