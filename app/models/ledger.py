"""The ledger: accounts and transactions as sources report them, joined with what people decide."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKeyConstraint,
    Index,
    Numeric,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import (
    Amount,
    Base,
    CreatedAt,
    HouseholdId,
    Id,
    Instant,
    OptionalAmount,
    belongs_to,
    owned_by_household,
)

NO_CATEGORY = UUID(int=0)
"""Stands for "no category" where a key may not be null."""


class Category(Base):
    """One node of the household's own tree of categories."""

    __tablename__ = "categories"
    __table_args__ = (
        owned_by_household(),
        belongs_to("categories", "parent_id", ondelete="SET NULL"),
        Index("uq_categories_household_id_code", "household_id", "code", unique=True),
    )

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    parent_id: Mapped[UUID | None]
    code: Mapped[str | None]
    """Plaid's personal finance category that it was seeded from; None for the user's own."""
    name: Mapped[str]
    kind: Mapped[str]
    """`income`, `spending` or `transfer`: whether it counts."""
    position: Mapped[int] = mapped_column(server_default="0")
    archived_at: Mapped[Instant | None]


class Account(Base):
    """One account as the user knows it; may be fed by several sources over its life."""

    __tablename__ = "accounts"
    __table_args__ = (
        owned_by_household(),
        CheckConstraint(
            "kind IN ('depository', 'credit', 'loan', 'investment', 'other')", name="kind"
        ),
    )

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    name: Mapped[str]
    name_user: Mapped[str | None]
    """What the user calls it, if not by the institution's name."""
    kind: Mapped[str]
    subtype: Mapped[str | None]
    currency: Mapped[str]
    mask: Mapped[str | None]
    institution_name: Mapped[str | None]
    is_manual: Mapped[bool] = mapped_column(server_default="false")
    hidden_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]


class SourceAccount(Base):
    """An account at a source, and the ledger account that it feeds."""

    __tablename__ = "source_accounts"
    __table_args__ = (
        owned_by_household(),
        belongs_to("accounts", "account_id"),
        belongs_to("items", "item_id", ondelete="SET NULL"),
        Index("uq_source_accounts_source", "household_id", "source", "item_id",
              "account_source_id", unique=True, postgresql_nulls_not_distinct=True),
        UniqueConstraint("household_id", "id", "account_id"),
        Index(None, "household_id", "account_id"),
    )  # fmt: skip

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    account_id: Mapped[UUID]
    item_id: Mapped[UUID | None]
    """None for files."""
    source: Mapped[str]
    """`plaid`, `simplefin`, or the format of a file: `ofx`, `camt`, `mt940`, `csv`."""
    account_source_id: Mapped[str]
    persistent_id: Mapped[str | None]
    name: Mapped[str]
    official_name: Mapped[str | None]
    mask: Mapped[str | None]
    kind: Mapped[str]
    subtype: Mapped[str | None]
    currency: Mapped[str]
    current: Mapped[OptionalAmount]
    """The balance last stated, the owner's sign: what is owed is negative."""
    available: Mapped[OptionalAmount]
    credit_limit: Mapped[OptionalAmount]
    balance_as_of: Mapped[Instant | None]
    missing_since: Mapped[Instant | None]
    """When the source stopped listing it: closed, deselected or renamed at the institution."""
    created_at: Mapped[CreatedAt]


class BalanceAnchor(Base):
    """A balance the institution stated on a day; what the ledger is tied out against."""

    __tablename__ = "balance_anchors"
    __table_args__ = (
        owned_by_household(),
        belongs_to("source_accounts", "source_account_id"),
        belongs_to("journal_pages", "journal_page_id"),
        Index(None, "household_id", "source_account_id", "as_of"),
    )

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    source_account_id: Mapped[UUID]
    as_of: Mapped[Instant]
    current: Mapped[Amount]
    available: Mapped[OptionalAmount]
    currency: Mapped[str]
    pending: Mapped[OptionalAmount]
    """What was pending on the account when it was stated; None for the balance of a day."""
    journal_page_id: Mapped[UUID]


_COUNTERPARTY = "coalesce(counterparty_user, counterparty_enriched, counterparty_source)"


class Transaction(Base):
    """One movement on one account.

    Columns without suffix belong to the source; `_enriched` to rules and models; `_user` to
    people. The effective value, under the plain name, is the user's, else the enrichment's,
    else the source's. A sync writes the source's columns alone.
    """

    __tablename__ = "transactions"
    __table_args__ = (
        # One foreign key for three columns: each costs a look-up for every row that is written.
        ForeignKeyConstraint(
            ["household_id", "source_account_id", "account_id"],
            ["source_accounts.household_id", "source_accounts.id", "source_accounts.account_id"],
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        CheckConstraint("amount <> 'NaN'", name="amount"),
        # A name that says nothing would hide the one below it.
        CheckConstraint(
            "btrim(counterparty_enriched) <> '' AND btrim(counterparty_user) <> ''", name="names"
        ),
        Index("uq_transactions_source", "household_id", "source_account_id", "source_id",
              unique=True),
        Index("ix_transactions_list", "household_id", text("date DESC"), text("id DESC"),
              postgresql_include=["search_text", "amount", "currency", "account_id",
                                  "category_id", "pending"],
              postgresql_where=text("is_live")),
        Index("ix_transactions_account", "household_id", "account_id", text("date DESC"),
              text("id DESC"),
              postgresql_include=["amount", "currency", "category_id", "pending"],
              postgresql_where=text("is_live")),
        Index("ix_transactions_category", "household_id", "category_id", text("date DESC"),
              text("id DESC"),
              postgresql_include=["amount", "currency", "account_id", "pending"],
              postgresql_where=text("is_live")),
        Index("ix_transactions_amount", "household_id", "amount_key",
              postgresql_where=text("is_live")),
        Index("ix_transactions_pending", "household_id", text("date DESC"), text("id DESC"),
              postgresql_where=text("pending AND is_live")),
        # Few are pending at any time, and of those that vanished only the unexplained stay.
        Index("ix_transactions_awaited", "household_id", "source_account_id", "date",
              postgresql_where=text("pending AND duplicate_of_id IS NULL")),
        Index("ix_transactions_duplicate_of", "household_id", "duplicate_of_id",
              postgresql_where=text("duplicate_of_id IS NOT NULL")),
        Index("ix_transactions_change_set", "household_id", "change_set_id"),
        Index("ix_transactions_search", "search_text", postgresql_using="gin",
              postgresql_ops={"search_text": "gin_trgm_ops"},
              postgresql_where=text("is_live")),
        {"postgresql_partition_by": "HASH (household_id)"},
    )  # fmt: skip

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    """Stays when a pending transaction is posted under another source id."""
    account_id: Mapped[UUID]
    source_account_id: Mapped[UUID]
    source_id: Mapped[str]

    date: Mapped[dt.date]
    authorized_date: Mapped[dt.date | None]
    amount: Mapped[Amount]
    currency: Mapped[str]
    pending: Mapped[bool]
    description: Mapped[str]
    """The institution's text, untouched."""
    pending_source_id: Mapped[str | None]
    """Which pending transaction of the source this one was."""
    category_code: Mapped[str | None]
    """The source's own word for the category."""

    counterparty_source: Mapped[str | None]
    counterparty_enriched: Mapped[str | None]
    counterparty_user: Mapped[str | None]
    counterparty: Mapped[str | None] = mapped_column(Computed(_COUNTERPARTY, persisted=True))
    category_source: Mapped[UUID | None]
    category_enriched: Mapped[UUID | None]
    category_user: Mapped[UUID | None]
    category_id: Mapped[UUID | None] = mapped_column(
        Computed("coalesce(category_user, category_enriched, category_source)", persisted=True)
    )
    note: Mapped[str | None]
    """The user's."""
    reviewed_at: Mapped[Instant | None]

    removed_at: Mapped[Instant | None]
    """Withdrawn by the source, or brought by a change set that was undone; hidden, kept."""
    duplicate_of_id: Mapped[UUID | None]
    """The transaction of the same household that is the same movement, told by another source;
    this one is kept, follows its own source, and does not count."""
    stands_in: Mapped[bool] = mapped_column(server_default="false")
    """A duplicate that counts, because what it is a duplicate of is removed; kept by a trigger."""
    is_live: Mapped[bool] = mapped_column(
        Computed("removed_at IS NULL AND (duplicate_of_id IS NULL OR stands_in)", persisted=True)
    )
    """Shown and counted."""
    change_set_id: Mapped[UUID]
    """The change set that brought it."""
    journal_page_id: Mapped[UUID]
    """The page that last spoke of it."""
    updated_at: Mapped[CreatedAt]
    search_text: Mapped[str] = mapped_column(
        # Bounded, because an index entry may not exceed a third of a page.
        Computed(
            f"left(lower(description || ' ' || coalesce({_COUNTERPARTY}, '') || ' '"
            " || coalesce(note, '')), 400)",
            persisted=True,
        )
    )

    amount_key: Mapped[int] = mapped_column(
        BigInteger, Computed("trunc(amount * 100)::bigint", persisted=True)
    )
    """Hundredths, cut off: row-level security lets an index compare integers, not decimals."""


class DailyTotal(Base):
    """What came in and went out, per day, account, category and currency: a view of the ledger.

    Kept by triggers on `transactions` in the same statement, so that no writer can forget it. No
    foreign key, which each new row would look up: one of `households` takes them away.
    """

    __tablename__ = "daily_totals"

    household_id: Mapped[HouseholdId]
    date: Mapped[dt.date] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    category_id: Mapped[UUID] = mapped_column(primary_key=True)
    """NO_CATEGORY where the transaction has none."""
    currency: Mapped[str] = mapped_column(primary_key=True)
    pending: Mapped[bool] = mapped_column(primary_key=True)
    money_in: Mapped[Amount]
    money_out: Mapped[Amount]
    """Negative, like every amount that leaves."""
    count: Mapped[int]


class MonthlyTotal(Base):
    """The same by month, for spans of years; kept by triggers on `daily_totals`."""

    __tablename__ = "monthly_totals"

    household_id: Mapped[HouseholdId]
    month: Mapped[dt.date] = mapped_column(primary_key=True)
    """Its first day."""
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    category_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    pending: Mapped[bool] = mapped_column(primary_key=True)
    money_in: Mapped[Amount]
    money_out: Mapped[Amount]
    count: Mapped[int]


class Holding(Base):
    """What an investment account holds, as last reported."""

    __tablename__ = "holdings"
    __table_args__ = (owned_by_household(), belongs_to("source_accounts", "source_account_id"))

    household_id: Mapped[HouseholdId]
    source_account_id: Mapped[UUID] = mapped_column(primary_key=True)
    security_source_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    ticker: Mapped[str | None]
    isin: Mapped[str | None]
    security_type: Mapped[str | None]
    quantity: Mapped[Decimal] = mapped_column(Numeric(38, 18))
    price: Mapped[Decimal | None] = mapped_column(Numeric(38, 18))
    value: Mapped[OptionalAmount]
    cost_basis: Mapped[OptionalAmount]
    currency: Mapped[str]
    as_of: Mapped[dt.date | None]
    journal_page_id: Mapped[UUID]


class ChangeSet(Base):
    """Changes that were made together and can be undone together."""

    __tablename__ = "change_sets"
    __table_args__ = (
        owned_by_household(),
        UniqueConstraint("household_id", "sequence"),
        Index(None, "household_id", "sync_run_id"),
        Index(
            "ix_change_sets_accepted_differences",
            "household_id",
            postgresql_where=text("counts ? 'accepted_difference'"),
        ),
    )

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    sequence: Mapped[int] = mapped_column(BigInteger)
    """1, 2, 3, … in the household, in the order of the commits: the ledger's own clock."""
    kind: Mapped[str]
    """`sync`, `import`, `edit`, `match`, `replay`, `undo`, `redo`."""
    actor_user_id: Mapped[UUID | None]
    sync_run_id: Mapped[UUID | None]
    """The sync run, or the import, whose journal pages it booked."""
    target_id: Mapped[UUID | None]
    """The change set that this one undoes or redoes."""
    undone_by: Mapped[UUID | None]
    """The change set that undid this one; None while it is in force."""
    reason: Mapped[str | None]
    """Why, in words, where the kind alone does not say it."""
    created_at: Mapped[CreatedAt]
    counts: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")


class TieOut(Base):
    """How far an account's rows explain the balances that its institution stated: a view."""

    __tablename__ = "tie_outs"
    __table_args__ = (
        owned_by_household(),
        belongs_to("accounts", "account_id"),
        CheckConstraint("state IN ('tied', 'gap', 'unproven')", name="state"),
    )

    household_id: Mapped[HouseholdId]
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    reason: Mapped[str | None]
    """Why it is `unproven`: `no_balance`, `one_balance`, `no_rows` or `value`."""
    tied_from: Mapped[dt.date | None]
    """The first day whose stated balance is what the rows come to."""
    tied_through: Mapped[dt.date | None]
    """The last such day."""
    tied_amount: Mapped[OptionalAmount]
    """The balance stated for that day."""
    stated: Mapped[OptionalAmount]
    """The balance stated last."""
    stated_on: Mapped[dt.date | None]
    computed: Mapped[OptionalAmount]
    """What opening and rows come to on that day; stated less computed is the gap."""
    broke_by: Mapped[dt.date | None]
    """The first day with this gap: it opened after `tied_through`, and by then."""
    currency: Mapped[str]
    treatment: Mapped[str]
    """Whether the institution's balance has pending rows in it: `posted` or `pending`."""
    explanation: Mapped[list[dict[str, object]]] = mapped_column(JSONB, server_default="[]")
    """The smallest sets of rows found that close the gap, the likeliest first."""
    gap_since: Mapped[Instant | None]
    """When the account stopped tying out."""
    accepted_by: Mapped[UUID | None]
    """The change set in force by which a person accepted this very gap."""
    checked_at: Mapped[Instant]

    @property
    def gap(self) -> Decimal | None:
        """Return stated less computed: zero where it ties, None where it cannot be told."""
        if self.stated is None or self.computed is None:
            return None
        return self.stated - self.computed


class MatchSuggestion(Base):
    """Two rows, or two accounts, that may be one; waits for a person, who is remembered."""

    __tablename__ = "match_suggestions"
    __table_args__ = (
        owned_by_household(),
        UniqueConstraint("household_id", "kind", "left_id", "right_id"),
        CheckConstraint("state IN ('open', 'merged', 'rejected', 'gone')", name="state"),
        Index("ix_match_suggestions_open", "household_id", "id",
              postgresql_where=text("state = 'open'")),
    )  # fmt: skip

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    kind: Mapped[str]
    """`pending_posted`, `same_movement` or `same_account`."""
    left_id: Mapped[UUID]
    """The transaction or account that stays."""
    right_id: Mapped[UUID]
    """The one that would become its duplicate."""
    state: Mapped[str] = mapped_column(server_default="open")
    confidence: Mapped[Decimal] = mapped_column(Numeric(5, 4))
    """From 0 to 1: how often such a pair is one movement."""
    reason: Mapped[str]
    """In words: what agrees, and what does not."""
    created_at: Mapped[CreatedAt]
    decided_at: Mapped[Instant | None]
    decided_by: Mapped[UUID | None]
    change_set_id: Mapped[UUID | None]
    """The change set that merged them."""


class FieldChange(Base):
    """One field of one transaction that got another value, from whom and why."""

    __tablename__ = "field_changes"
    __table_args__ = (
        owned_by_household(),
        belongs_to("change_sets", "change_set_id"),
        Index(None, "household_id", "transaction_id", "change_set_id"),
    )

    household_id: Mapped[HouseholdId]
    change_set_id: Mapped[UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    field: Mapped[str] = mapped_column(primary_key=True)
    """The column, suffix included: `category_user`."""
    before: Mapped[str | None]
    after: Mapped[str | None]
    reason: Mapped[str | None]
    confidence: Mapped[Decimal | None]
