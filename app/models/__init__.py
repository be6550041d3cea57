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
    MatchSuggestion,
    MonthlyTotal,
    SourceAccount,
    TieOut,
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
    "MatchSuggestion",
    "Membership",
    "MonthlyTotal",
    "RefreshToken",
    "RejectedRow",
    "SourceAccount",
    "SyncRun",
    "TieOut",
    "Transaction",
    "User",
    "UserSession",
    "Webhook",
]
