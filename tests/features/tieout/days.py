"""A bank whose days pass, and the ledger that reads it each noon."""

import datetime as dt

import msgspec
import time_machine

from app.core.database import household_transaction
from app.features.connections.service.sync import sync_item

NOON = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)


def sync_on(bank, item_id, household_id, number, *events):
    """Let the bank's day begin, its events happen, and read them at noon."""
    with time_machine.travel(NOON + dt.timedelta(days=number), tick=False):
        for event in events:
            bank.stream.apply(event)
        assert sync_item(household_id, item_id).state == "done"


def on(number):
    return (NOON + dt.timedelta(days=number)).date()


def lose(household_id, source_id):
    """Remove a row as a defect of ours would."""
    with household_transaction(household_id) as session:
        session.connection().exec_driver_sql(
            "SELECT set_config('app.change_set_id',"
            " (SELECT id::text FROM change_sets ORDER BY sequence DESC LIMIT 1), true)"
        )
        session.connection().exec_driver_sql(
            "UPDATE transactions SET removed_at = now() WHERE source_id = %s", (source_id,)
        )


def let_it_stand(bank, event):
    """Let an event happen that the bank's balance never knew of: a row told by mistake, perhaps."""
    [account_id] = bank.stream.accounts
    before = bank.stream.balance(account_id).current
    bank.stream.apply(event)
    account = bank.stream.accounts[account_id]
    opening = account.opening + before - bank.stream.balance(account_id).current
    bank.stream.accounts[account_id] = msgspec.structs.replace(account, opening=opening)
