"""Faults that can be switched on: what goes wrong, how often, for whom."""

import msgspec

KINDS = {
    "mutation": "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION on page `page` (2 or later)",
    "invalid_cursor": "a sync refuses its cursor, as one that belongs to no Item of ours",
    "error": "the error `code`, as for ITEM_LOGIN_REQUIRED on page `page` of a sync",
    "http_500": "INTERNAL_SERVER_ERROR",
    "http_503": "PLANNED_MAINTENANCE",
    "html": "an HTML page with status 502, as a proxy sends",
    "html_200": "an HTML page with status 200",
    "timeout": "no answer for `seconds`",
    "redirect": "302 to an address inside the network, of the SimpleFIN server",
    "half_response": "the connection ends in the middle of the body",
    "truncated_json": "a body that ends too early, with a matching length",
    "rate_limit": "429 with the endpoint's code",
    "concurrently_deleted": "ITEM_CONCURRENTLY_DELETED",
    "split_pairs": "pages end between a pending removal and its posted row",
    "repeat_rows": "later pages repeat rows of the page before",
    "swap_added_modified": "rows are listed under the other of added and modified",
    "unknown_removals": "pages remove transactions that never were",
    "raw_log": "a loop shows each step, so that an id is on several pages",
    "small_pages": "pages hold at most `page` rows, whatever `count` says",
    "unknown_values": "unknown enum values and fields in every row",
    "null_merchant": "merchant_name and personal_finance_category are null",
    "webhook_duplicate": "the next webhooks are sent twice",
    "webhook_delay": "the next webhooks are delayed by `seconds`",
    "webhook_reorder": "the next webhook is sent after the one that follows it",
    "webhook_drop": "the next webhooks are lost",
    "webhook_late": "the next webhooks say they were signed 24 hours ago",
    "webhook_bad_signature": "the next webhooks are signed by a stranger's key",
    "webhook_bad_hash": "the next webhooks are changed after signing",
}
"""Every kind of fault, with what it does."""

NOISE = (
    "split_pairs repeat_rows swap_added_modified unknown_removals raw_log small_pages "
    "unknown_values null_merchant"
).split()
"""Kinds that stay on until `times` is set to 0 or the fault is cleared."""


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault; it strikes `times` times and is gone."""

    kind: str
    times: int = 1
    item_id: str | None = None
    path: str | None = None
    page: int = 0
    """Page of a sync loop; 0 is any (for `mutation`: any but the first). Of `small_pages` and
    `repeat_rows`: the number of rows."""
    code: str = "INTERNAL_SERVER_ERROR"
    seconds: float = 0.0


class Faults:
    """The faults that are switched on."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Switch a fault on.

        Raises:
            ValueError: There is no such kind, or a number is out of range.
        """
        if fault.kind not in KINDS:
            raise ValueError(f"unknown fault {fault.kind!r}; known are {', '.join(KINDS)}")
        if not 1 <= fault.times <= 1_000_000 or fault.page < 0 or fault.seconds < 0:
            raise ValueError("times must be 1 to 1,000,000, page at least 0, seconds at least 0")
        if len(self.armed) >= 1_000:
            raise ValueError("there are 1,000 faults already; clear them first")
        self.armed.append(fault)

    def clear(self, item_id: str | None = None) -> None:
        """Switch off all faults, or those of one Item."""
        self.armed = [each for each in self.armed if item_id and each.item_id != item_id]

    def strike(
        self, kind: str, *, item_id: str | None = None, path: str | None = None, page: int = 0
    ) -> Fault | None:
        """Return a fault of the kind that applies, and use it up once."""
        for fault in self.armed:
            applies = (
                fault.kind == kind
                and fault.item_id in (None, item_id)
                and fault.path in (None, path)
                and (page == 0 or fault.page in (0, page))
            )
            if applies:
                fault.times -= 1
                if fault.times <= 0:
                    self.armed.remove(fault)
                return fault
        return None

    def lasting(self, kind: str, item_id: str) -> Fault | None:
        """Return a fault of the kind that applies to the Item, without using it up."""
        return next(
            (
                fault
                for fault in self.armed
                if fault.kind == kind and fault.item_id in (None, item_id)
            ),
            None,
        )
