"""The endpoint about cards, mortgages and student loans."""

import datetime as dt
from typing import Any

from app.simulator.calls import Answer, Call, accounts_json, chosen_accounts, endpoint, item_json
from app.simulator.errors import PlaidError
from app.simulator.feed import cents
from app.simulator.items import LiveItem
from app.simulator.life import Movement
from app.simulator.people import AccountPlan
from app.simulator.rows import ZERO
from app.simulator.stream import NOT_READY


def _next(day: dt.date, number: int) -> dt.date:
    """Return the next date with this number in its month."""
    if day.day < number:
        return day.replace(day=number)
    return dt.date(day.year + day.month // 12, day.month % 12 + 1, number)


def _payments(item: LiveItem, key: str) -> list[Movement]:
    """Return the payments an account received, oldest first."""
    return [
        movement
        for movement in item.life.movements
        if movement.account == key and movement.amount < 0 and movement.pair is not None
        and movement.posted <= item.day
    ]  # fmt: skip


def _last_payment(item: LiveItem, key: str) -> Answer:
    paid = _payments(item, key)
    if not paid:
        return {"last_payment_amount": None, "last_payment_date": None}
    return {
        "last_payment_amount": cents(-paid[-1].amount),
        "last_payment_date": dt.date.fromordinal(paid[-1].posted),
    }


def _owed(item: LiveItem, plan: AccountPlan) -> Any:  # noqa: ANN401 - a Decimal or zero
    return item.stream.balance(item.feed.id_of(plan.key)).current or ZERO


def _credit(item: LiveItem, plan: AccountPlan) -> Answer:
    today = item.today
    owed = _owed(item, plan)
    issued = dt.date(today.year, today.month, 26)
    if today.day < 26:
        issued = (issued.replace(day=1) - dt.timedelta(days=1)).replace(day=26)
    return {
        "account_id": item.feed.id_of(plan.key),
        "aprs": [
            {
                "apr_percentage": cents(plan.rate),
                "apr_type": "purchase_apr",
                "balance_subject_to_apr": owed,
                "interest_charge_amount": ZERO,
            },
            {
                "apr_percentage": cents(plan.rate + 500),
                "apr_type": "cash_apr",
                "balance_subject_to_apr": ZERO,
                "interest_charge_amount": ZERO,
            },
        ],
        "is_overdue": False,
        "last_statement_issue_date": issued,
        "last_statement_balance": owed,
        "minimum_payment_amount": max(cents(2_500), (owed / 50).quantize(cents(1))),
        "next_payment_due_date": _next(today, 20),
        **_last_payment(item, plan.key),
    }


def _this_year(item: LiveItem, key: str) -> Answer:
    start = dt.date(item.today.year, 1, 1).toordinal()
    mine = [each for each in item.life.movements if each.account == key
            and start <= each.posted <= item.day]  # fmt: skip
    interest = sum(each.amount for each in mine if each.amount > 0)
    paid = -sum(each.amount for each in mine if each.amount < 0)
    return {"ytd_interest_paid": cents(interest), "ytd_principal_paid": cents(paid - interest)}


def _mortgage(item: LiveItem, plan: AccountPlan) -> Answer:
    home = item.life.household
    began = dt.date.fromordinal(item.life.first_day) - dt.timedelta(days=3 * 365)
    last = _last_payment(item, plan.key)
    return {
        "account_id": item.feed.id_of(plan.key),
        "account_number": f"312019{plan.mask}",
        "current_late_fee": cents(2_500),
        "escrow_balance": cents(314_154),
        "has_pmi": False,
        "has_prepayment_penalty": False,
        "interest_rate": {"percentage": cents(plan.rate), "type": "fixed"},
        "loan_type_description": "conventional",
        "loan_term": "30 year",
        "maturity_date": began.replace(year=began.year + 30, day=1),
        "next_monthly_payment": last["last_payment_amount"],
        "next_payment_due_date": _next(item.today, 1),
        "origination_date": began.replace(day=1),
        "origination_principal_amount": cents(plan.principal),
        "past_due_amount": ZERO,
        "property_address": {
            "street": "41 Alder Street", "city": home.city, "region": home.region,
            "postal_code": home.postal_code, "country": "US",
        },
        **last, **_this_year(item, plan.key),
    }  # fmt: skip


def _student(item: LiveItem, plan: AccountPlan) -> Answer:
    began = dt.date.fromordinal(item.life.first_day) - dt.timedelta(days=4 * 365)
    last = _last_payment(item, plan.key)
    end = began.replace(year=began.year + 14, day=1)
    return {
        "account_id": item.feed.id_of(plan.key),
        "account_number": f"427707{plan.mask}",
        "disbursement_dates": [began],
        "expected_payoff_date": end,
        "guarantor": "DEPT OF ED",
        "interest_rate_percentage": cents(plan.rate),
        "is_overdue": False,
        "last_statement_balance": _owed(item, plan),
        "last_statement_issue_date": item.today.replace(day=1),
        "loan_name": plan.official_name or plan.name,
        "loan_status": {"end_date": end, "type": "repayment"},
        "minimum_payment_amount": last["last_payment_amount"],
        "next_payment_due_date": _next(item.today, 21),
        "origination_date": began,
        "origination_principal_amount": cents(plan.principal),
        "outstanding_interest_amount": ZERO,
        "payment_reference_number": f"427707{plan.mask}",
        "pslf_status": {
            "estimated_eligibility_date": None, "payments_made": None, "payments_remaining": None,
        },
        "repayment_plan": {"description": "Standard Repayment", "type": "standard"},
        "sequence_number": "1",
        "servicer_address": {
            "street": "123 Relaxation Road", "city": "San Matias", "region": "CA",
            "postal_code": "99415", "country": "US",
        },
        **last, **_this_year(item, plan.key),
    }  # fmt: skip


@endpoint("/liabilities/get")
def get_liabilities(call: Call) -> Answer:
    """Describe what is owed on cards, mortgages and student loans."""
    call.need("liabilities")
    item = call.live()
    if item.stream.status == NOT_READY:
        raise PlaidError("PRODUCT_NOT_READY")
    accounts = chosen_accounts(call, item, ("credit", "loan"))
    ids = {account.account_id for account in accounts}
    plans = [plan for plan in item.plans() if item.feed.id_of(plan.key) in ids]
    if not plans:
        raise PlaidError("NO_LIABILITY_ACCOUNTS")
    makers = {"credit card": ("credit", _credit), "mortgage": ("mortgage", _mortgage),
              "student": ("student", _student)}  # fmt: skip
    liabilities: dict[str, list[Answer] | None] = dict.fromkeys(("credit", "mortgage", "student"))
    for plan in plans:
        if plan.subtype in makers:
            kind, make = makers[plan.subtype]
            liabilities[kind] = [*(liabilities[kind] or []), make(item, plan)]
    return {
        "accounts": accounts_json(item, chosen_accounts(call, item)),
        "liabilities": liabilities,
        "item": item_json(call.state),
    }
