"""What the page of accounts shows, made of what the service knows."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from app.core import clock
from app.domain.money import Money
from app.features.accounts import service
from app.features.accounts.service import AccountView, Group, Worth
from app.ui.views.accounts import AccountGroup, AccountRow, AccountsView, NetWorth

STALE = dt.timedelta(hours=36)
"""As for connections: without a look at the institution for this long, a balance is old."""
_DEBTS = ("credit", "loan")
_GROUPS = {
    "depository": "Cash",
    "investment": "Investments",
    "other": "Other",
    "credit": "Credit cards",
    "loan": "Loans",
}
_KINDS = {
    "depository": "Bank account",
    "credit": "Credit card",
    "loan": "Loan",
    "investment": "Investment",
    "other": "Account",
}
_ABBREVIATIONS = {
    "cd": "Certificate of deposit",
    "hsa": "Health savings",
    "ira": "IRA",
    "roth": "Roth IRA",
    "roth 401k": "Roth 401(k)",
    "401k": "401(k)",
    "401a": "401(a)",
    "403b": "403(b)",
    "457b": "457(b)",
    "529": "529 plan",
    "gic": "GIC",
    "isa": "ISA",
    "rrsp": "RRSP",
    "tfsa": "TFSA",
    "ebt": "EBT",
    "paypal": "PayPal",
}


def accounts_view(
    accounts: Sequence[AccountView], *, base_currency: str, in_trouble: int
) -> AccountsView:
    """Return the page: assets and debts by kind, net worth with the base currency first."""
    groups = service.group(accounts)
    worth = service.worth(accounts)
    return AccountsView(
        net_worth=tuple(
            net_worth(each)
            for each in sorted(worth, key=lambda each: each.currency != base_currency)
        ),
        assets=tuple(_group(each) for each in groups if each.kind not in _DEBTS),
        debts=tuple(_group(each) for each in groups if each.kind in _DEBTS),
        synced_at=min(
            (each.institution_seen_at for each in accounts if each.institution_seen_at),
            default=None,
        ),
        connections_in_trouble=in_trouble,
    )


def kind_words(kind: str, subtype: str | None) -> str:
    """Return what an account is in plain words: `Checking`, `Credit card`, `401(k)`."""
    if not subtype:
        return _KINDS.get(kind, "Account")
    known = _ABBREVIATIONS.get(subtype.lower())
    return known or subtype[:1].upper() + subtype[1:]


def net_worth(worth: Worth) -> NetWorth:
    """Return what is owned and owed in one currency as pages show it."""
    return NetWorth(
        total=Money(worth.net, worth.currency),
        assets=Money(worth.assets, worth.currency),
        debts=Money(worth.debts, worth.currency),
    )


def _group(group: Group) -> AccountGroup:
    return AccountGroup(
        label=_GROUPS[group.kind],
        totals=tuple(Money(total.net, total.currency) for total in group.totals),
        accounts=tuple(row(account) for account in group.accounts),
    )


def row(account: AccountView) -> AccountRow:
    """Return one account as lists show it."""
    return AccountRow(
        account_id=str(account.id),
        name=account.name,
        institution_name=account.institution_name or "",
        mask=account.mask or "",
        kind_words=kind_words(account.kind, account.subtype),
        balance=_money(account.current, account.currency),
        available=_money(account.available, account.currency),
        credit_limit=_money(account.credit_limit, account.currency),
        as_of=account.balance_as_of,
        state=_state(account),
        gap=_money(account.tie_out.gap, account.currency) if account.tie_out else None,
        tied_through=account.tie_out.tied_through if account.tie_out else None,
        is_accepted=account.tie_out is not None and account.tie_out.accepted_by is not None,
    )


def _money(amount: Decimal | None, currency: str) -> Money | None:
    return Money(amount, currency) if amount is not None else None


def _state(account: AccountView) -> str:
    if account.missing_since is not None:
        return "missing"
    if account.item_id is None:
        return "file"
    seen = account.institution_seen_at
    return "stale" if seen is not None and clock.now() - seen > STALE else ""
