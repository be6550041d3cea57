"""The database schema: one class per table, one file per family."""

from app.models.base import Base
from app.models.connections import Import, Item, LinkSession, SyncRun, Webhook
from app.models.journal import JournalPage, RejectedRow
from app.models.ledger import (
    NO_CATEGORY,
    Account,
    BalanceAnchor,
    Category,
    ChangeSet,
    DailyTotal,
    FieldChange,
    Holding,
    MonthlyTotal,
    SourceAccount,
    Transaction,
)
from app.models.people import (
    AttemptBucket,
    AuditEvent,
    Household,
    HouseholdKey,
    Membership,
    RefreshToken,
    User,
    UserSession,
)

__all__ = [
    "NO_CATEGORY",
    "Account",
    "AttemptBucket",
    "AuditEvent",
    "BalanceAnchor",
    "Base",
    "Category",
    "ChangeSet",
    "DailyTotal",
    "FieldChange",
    "Holding",
    "Household",
    "HouseholdKey",
    "Import",
    "Item",
    "JournalPage",
    "LinkSession",
    "Membership",
    "MonthlyTotal",
    "RefreshToken",
    "RejectedRow",
    "SourceAccount",
    "SyncRun",
    "Transaction",
    "User",
    "UserSession",
    "Webhook",
]
