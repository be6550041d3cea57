"""What a household owns, put into its tables as a sync or a link would leave it."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from uuid import UUID

from app.core import clock, database
from app.core.ids import uuid7
from app.features.audit.service import Actor
from app.features.changes import service as changes
from app.features.imports.service import upload
from app.features.journal import service as journal
from app.features.users import api_tokens
from app.features.users.api_tokens import NewToken
from app.features.vault import service as vault
from app.models import Account, Item, LinkSession, MatchSuggestion, SourceAccount, Transaction
from tests.factories import people

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Owned:
    """One of each thing that has an id of its own in addresses."""

    item_id: UUID
    link_session_id: UUID
    account_id: UUID
    transaction_id: UUID
    journal_page_id: UUID
    change_set_id: UUID
    import_id: UUID
    match_id: UUID
    invitation_id: UUID
    user_id: UUID
    token_id: UUID


def item(household_id: UUID, *, institution: str = "First Platypus Bank") -> UUID:
    """Link an Item whose sealed token the provider would not know."""
    item_id = uuid7()
    with database.household_transaction(household_id) as session:
        key = vault.get_key(session, household_id)
        session.add(
            Item(
                household_id=household_id,
                id=item_id,
                provider="plaid",
                item_source_id=f"item-{next(_numbers)}",
                institution_name=institution,
                access_token=key.seal(b"token", place="items.access_token", row_id=item_id),
            )
        )
    return item_id


def link_session(household_id: UUID, user_id: UUID) -> UUID:
    """Open a link flow."""
    link_session_id = uuid7()
    with database.household_transaction(household_id) as session:
        session.add(
            LinkSession(
                household_id=household_id,
                id=link_session_id,
                user_id=user_id,
                provider="plaid",
                link_token=f"link-sandbox-{next(_numbers)}",
                expires_at=clock.now() + dt.timedelta(hours=4),
            )
        )
    return link_session_id


def bank_file(household_id: UUID, user_id: UUID, *, description: str = "COFFEE BAR") -> UUID:
    """Bring a CSV file that waits to be booked."""
    data = f"Date,Description,Amount\n2026-03-02,{description},-4.50\n".encode()
    return upload.preview(household_id, user_id, "march.csv", data)


def everything(household_id: UUID, user_id: UUID, *, description: str = "COFFEE BAR") -> Owned:
    """Give a household an Item with one account and one posted transaction."""
    item_id = item(household_id)
    link_session_id = link_session(household_id, user_id)
    account_id, source_account_id, transaction_id = (uuid7() for _ in range(3))
    with database.household_transaction(household_id) as session:
        change_set_id = changes.open_change_set(session, household_id, kind="sync")
        journal_page_id = journal.write(
            session, household_id, kind="plaid.transactions_sync", payload=b"{}", item_id=item_id
        )
        session.add_all(
            [
                Account(
                    household_id=household_id,
                    id=account_id,
                    name="Checking",
                    kind="depository",
                    currency="USD",
                ),
            ]
        )
        session.flush()
        session.add(
            SourceAccount(
                household_id=household_id,
                id=source_account_id,
                account_id=account_id,
                item_id=item_id,
                source="plaid",
                account_source_id="account-1",
                name="Checking",
                kind="depository",
                currency="USD",
            )
        )
        session.flush()
        session.add(
            Transaction(
                household_id=household_id,
                id=transaction_id,
                account_id=account_id,
                source_account_id=source_account_id,
                source_id="transaction-1",
                date=clock.today(),
                amount=Decimal("-12.34"),
                currency="USD",
                pending=False,
                description=description,
                change_set_id=change_set_id,
                journal_page_id=journal_page_id,
            )
        )
    return Owned(
        item_id=item_id,
        link_session_id=link_session_id,
        account_id=account_id,
        transaction_id=transaction_id,
        journal_page_id=journal_page_id,
        change_set_id=change_set_id,
        import_id=bank_file(household_id, user_id, description=description),
        match_id=match(household_id, account_id, description=description),
        invitation_id=people.invitation(household_id, user_id).invitation_id,
        user_id=user_id,
        token_id=api_token(household_id, user_id).listed.id,
    )


def api_token(household_id: UUID, user_id: UUID, *scopes: str) -> NewToken:
    """Make an API token, which reads unless other scopes are given."""
    with database.system_transaction() as session:
        return api_tokens.create(
            session,
            household_id,
            name="A program",
            scopes=scopes or ("read",),
            days=30,
            actor=Actor(user_id),
        )


def match(household_id: UUID, account_id: UUID, *, description: str) -> UUID:
    """Ask whether two accounts are one."""
    match_id, other_id = uuid7(), uuid7()
    with database.household_transaction(household_id) as session:
        session.add(
            Account(
                household_id=household_id,
                id=other_id,
                name=description,
                kind="depository",
                currency="USD",
            )
        )
        session.add(
            MatchSuggestion(
                household_id=household_id,
                id=match_id,
                kind="same_account",
                left_id=account_id,
                right_id=other_id,
                confidence=Decimal("0.7"),
                reason=f"The same name: {description}.",
            )
        )
    return match_id
