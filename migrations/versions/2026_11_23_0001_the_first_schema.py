"""The first schema.

The tables come from the models; what the models cannot say stands in the SQL file beside.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    # It ships with PostgreSQL and is trusted: the database's owner may create it.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "attempt_buckets",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_attempt_buckets")),
    )
    op.create_table(
        "households",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("base_currency", sa.Text(), server_default="USD", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_households")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column(
            "preferences",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
        ),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_key", name=op.f("uq_users_email_key")),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("signature_hash", sa.LargeBinary(), nullable=False),
        sa.Column("webhook_type", sa.Text(), nullable=False),
        sa.Column("webhook_code", sa.Text(), nullable=False),
        sa.Column("item_source_id", sa.Text(), nullable=True),
        sa.Column("household_id", sa.Uuid(), nullable=True),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("signature_hash", name=op.f("uq_webhooks_signature_hash")),
    )
    op.create_index(
        op.f("ix_webhooks_item_source_id"), "webhooks", ["item_source_id"], unique=False
    )
    op.create_index(op.f("ix_webhooks_received_at"), "webhooks", ["received_at"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_user", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subtype", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("mask", sa.Text(), nullable=True),
        sa.Column("institution_name", sa.Text(), nullable=True),
        sa.Column("is_manual", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("hidden_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind IN ('depository', 'credit', 'loan', 'investment', 'other')",
            name=op.f("ck_accounts_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_accounts_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "audit_events",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("actor_user_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_audit_events_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_audit_events")),
    )
    op.create_table(
        "categories",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["household_id", "parent_id"],
            ["categories.household_id", "categories.id"],
            name=op.f("fk_categories_household_id_parent_id"),
            ondelete="SET NULL (parent_id)",
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_categories_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_categories")),
    )
    op.create_index(
        "uq_categories_household_id_code", "categories", ["household_id", "code"], unique=True
    )
    op.create_table(
        "change_sets",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor_user_id", sa.Uuid(), nullable=True),
        sa.Column("sync_run_id", sa.Uuid(), nullable=True),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("undone_by", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_change_sets_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_change_sets")),
        sa.UniqueConstraint(
            "household_id", "sequence", name=op.f("uq_change_sets_household_id_sequence")
        ),
    )
    op.create_index(
        op.f("ix_change_sets_household_id_sync_run_id"),
        "change_sets",
        ["household_id", "sync_run_id"],
        unique=False,
    )
    op.create_table(
        "daily_totals",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("money_in", sa.Numeric(precision=24, scale=8), nullable=False),
        sa.Column("money_out", sa.Numeric(precision=24, scale=8), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_daily_totals_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "household_id",
            "date",
            "account_id",
            "category_id",
            "currency",
            "pending",
            name=op.f("pk_daily_totals"),
        ),
    )
    op.create_table(
        "household_keys",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_household_keys_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", name=op.f("pk_household_keys")),
    )
    op.create_table(
        "items",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("item_source_id", sa.Text(), nullable=False),
        sa.Column("institution_source_id", sa.Text(), nullable=True),
        sa.Column("institution_name", sa.Text(), nullable=False),
        sa.Column("access_token", sa.LargeBinary(), nullable=True),
        sa.Column("linked_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("unlinked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("history_complete", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("state", sa.Text(), server_default="good", nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("consent_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("institution_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_sync_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sync_wanted_by", sa.Text(), nullable=True),
        sa.Column("hinted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lost_runs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_id", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('good', 'expiring', 'needs_user', 'dead')", name=op.f("ck_items_state")
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_items_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_items")),
    )
    op.create_index(
        "ix_items_due",
        "items",
        ["next_sync_at"],
        unique=False,
        postgresql_where="unlinked_at IS NULL",
    )
    op.create_index(
        op.f("ix_items_provider_item_source_id"),
        "items",
        ["provider", "item_source_id"],
        unique=False,
    )
    op.create_index(
        "uq_items_household_id_provider_item_source_id",
        "items",
        ["household_id", "provider", "item_source_id"],
        unique=True,
    )
    op.create_table(
        "journal_pages",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("sync_run_id", sa.Uuid(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cursor_before", sa.Text(), nullable=True),
        sa.Column("cursor_after", sa.Text(), nullable=True),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("payload_bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_journal_pages_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_journal_pages")),
    )
    op.create_index(
        op.f("ix_journal_pages_household_id_item_id_id"),
        "journal_pages",
        ["household_id", "item_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_journal_pages_household_id_sync_run_id"),
        "journal_pages",
        ["household_id", "sync_run_id"],
        unique=False,
    )
    op.create_table(
        "link_sessions",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("link_token", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'exchanging', 'linked', 'repaired', 'abandoned', 'unknown')",
            name=op.f("ck_link_sessions_state"),
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_link_sessions_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_link_sessions")),
    )
    op.create_index(
        op.f("ix_link_sessions_link_token"), "link_sessions", ["link_token"], unique=False
    )
    op.create_table(
        "match_suggestions",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("left_id", sa.Uuid(), nullable=False),
        sa.Column("right_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("confidence", sa.Numeric(precision=5, scale=4), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("change_set_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'merged', 'rejected', 'gone')",
            name=op.f("ck_match_suggestions_state"),
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_match_suggestions_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_match_suggestions")),
        sa.UniqueConstraint(
            "household_id",
            "kind",
            "left_id",
            "right_id",
            name=op.f("uq_match_suggestions_household_id_kind_left_id_right_id"),
        ),
    )
    op.create_index(
        "ix_match_suggestions_open",
        "match_suggestions",
        ["household_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "memberships",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "role IN ('owner', 'member', 'viewer')", name=op.f("ck_memberships_role")
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_memberships_household_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_memberships_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("household_id", "user_id", name=op.f("pk_memberships")),
    )
    op.create_index(op.f("ix_memberships_user_id"), "memberships", ["user_id"], unique=False)
    op.create_table(
        "monthly_totals",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("money_in", sa.Numeric(precision=24, scale=8), nullable=False),
        sa.Column("money_out", sa.Numeric(precision=24, scale=8), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_monthly_totals_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "household_id",
            "month",
            "account_id",
            "category_id",
            "currency",
            "pending",
            name=op.f("pk_monthly_totals"),
        ),
    )
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_user_sessions_household_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_user_sessions_token_hash")),
    )
    op.create_index(
        op.f("ix_user_sessions_expires_at"), "user_sessions", ["expires_at"], unique=False
    )
    op.create_index(op.f("ix_user_sessions_user_id"), "user_sessions", ["user_id"], unique=False)
    op.create_table(
        "field_changes",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("change_set_id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Numeric(), nullable=True),
        sa.ForeignKeyConstraint(
            ["household_id", "change_set_id"],
            ["change_sets.household_id", "change_sets.id"],
            name=op.f("fk_field_changes_household_id_change_set_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_field_changes_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "household_id",
            "change_set_id",
            "transaction_id",
            "field",
            name=op.f("pk_field_changes"),
        ),
    )
    op.create_index(
        op.f("ix_field_changes_household_id_transaction_id_change_set_id"),
        "field_changes",
        ["household_id", "transaction_id", "change_set_id"],
        unique=False,
    )
    op.create_table(
        "imports",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("layout", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "targets", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("add_matches", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("journal_page_id", sa.Uuid(), nullable=False),
        sa.Column("change_set_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("added", sa.Integer(), server_default="0", nullable=False),
        sa.Column("modified", sa.Integer(), server_default="0", nullable=False),
        sa.Column("known", sa.Integer(), server_default="0", nullable=False),
        sa.Column("matched", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rejected", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('previewed', 'failed', 'booked', 'undone', 'discarded')",
            name=op.f("ck_imports_state"),
        ),
        sa.ForeignKeyConstraint(
            ["household_id", "journal_page_id"],
            ["journal_pages.household_id", "journal_pages.id"],
            name=op.f("fk_imports_household_id_journal_page_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_imports_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_imports")),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["user_sessions.id"],
            name=op.f("fk_refresh_tokens_session_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_refresh_tokens")),
    )
    op.create_index(
        op.f("ix_refresh_tokens_session_id"), "refresh_tokens", ["session_id"], unique=False
    )
    op.create_table(
        "rejected_rows",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("journal_page_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["household_id", "journal_page_id"],
            ["journal_pages.household_id", "journal_pages.id"],
            name=op.f("fk_rejected_rows_household_id_journal_page_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_rejected_rows_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_rejected_rows")),
    )
    op.create_table(
        "source_accounts",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("account_source_id", sa.Text(), nullable=False),
        sa.Column("persistent_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("official_name", sa.Text(), nullable=True),
        sa.Column("mask", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subtype", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("current", sa.Numeric(precision=24, scale=8), nullable=True),
        sa.Column("available", sa.Numeric(precision=24, scale=8), nullable=True),
        sa.Column("credit_limit", sa.Numeric(precision=24, scale=8), nullable=True),
        sa.Column("balance_as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["household_id", "account_id"],
            ["accounts.household_id", "accounts.id"],
            name=op.f("fk_source_accounts_household_id_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id", "item_id"],
            ["items.household_id", "items.id"],
            name=op.f("fk_source_accounts_household_id_item_id"),
            ondelete="SET NULL (item_id)",
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_source_accounts_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_source_accounts")),
        sa.UniqueConstraint(
            "household_id",
            "id",
            "account_id",
            name=op.f("uq_source_accounts_household_id_id_account_id"),
        ),
    )
    op.create_index(
        op.f("ix_source_accounts_household_id_account_id"),
        "source_accounts",
        ["household_id", "account_id"],
        unique=False,
    )
    op.create_index(
        "uq_source_accounts_source",
        "source_accounts",
        ["household_id", "source", "item_id", "account_source_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "sync_runs",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trace_id", sa.Text(), nullable=True),
        sa.Column("cursor_before", sa.Text(), nullable=True),
        sa.Column("cursor_after", sa.Text(), nullable=True),
        sa.Column("pages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_read", sa.Integer(), server_default="0", nullable=False),
        sa.Column("added", sa.Integer(), server_default="0", nullable=False),
        sa.Column("modified", sa.Integer(), server_default="0", nullable=False),
        sa.Column("removed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rejected", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('running', 'done', 'failed', 'lost')", name=op.f("ck_sync_runs_state")
        ),
        sa.ForeignKeyConstraint(
            ["household_id", "item_id"],
            ["items.household_id", "items.id"],
            name=op.f("fk_sync_runs_household_id_item_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_sync_runs_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_sync_runs")),
    )
    op.create_index(
        op.f("ix_sync_runs_household_id_item_id_id"),
        "sync_runs",
        ["household_id", "item_id", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_sync_runs_started_at"), "sync_runs", ["started_at"], unique=False)
    op.create_table(
        "tie_outs",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("tied_from", sa.Date(), nullable=True),
        sa.Column("tied_through", sa.Date(), nullable=True),
        sa.Column("tied_amount", sa.Numeric(precision=24, scale=8), nullable=True),
        sa.Column("stated", sa.Numeric(precision=24, scale=8), nullable=True),
        sa.Column("stated_on", sa.Date(), nullable=True),
        sa.Column("computed", sa.Numeric(precision=24, scale=8), nullable=True),
        sa.Column("broke_by", sa.Date(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("treatment", sa.Text(), nullable=False),
        sa.Column(
            "explanation",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.Column("gap_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('tied', 'gap', 'unproven')", name=op.f("ck_tie_outs_state")),
        sa.ForeignKeyConstraint(
            ["household_id", "account_id"],
            ["accounts.household_id", "accounts.id"],
            name=op.f("fk_tie_outs_household_id_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_tie_outs_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "account_id", name=op.f("pk_tie_outs")),
    )
    op.create_table(
        "balance_anchors",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_account_id", sa.Uuid(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("current", sa.Numeric(precision=24, scale=8), nullable=False),
        sa.Column("available", sa.Numeric(precision=24, scale=8), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("pending", sa.Numeric(precision=24, scale=8), nullable=True),
        sa.Column("journal_page_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["household_id", "journal_page_id"],
            ["journal_pages.household_id", "journal_pages.id"],
            name=op.f("fk_balance_anchors_household_id_journal_page_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id", "source_account_id"],
            ["source_accounts.household_id", "source_accounts.id"],
            name=op.f("fk_balance_anchors_household_id_source_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_balance_anchors_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_balance_anchors")),
    )
    op.create_index(
        op.f("ix_balance_anchors_household_id_source_account_id_as_of"),
        "balance_anchors",
        ["household_id", "source_account_id", "as_of"],
        unique=False,
    )
    op.create_table(
        "holdings",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("source_account_id", sa.Uuid(), nullable=False),
        sa.Column("security_source_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ticker", sa.Text(), nullable=True),
        sa.Column("isin", sa.Text(), nullable=True),
        sa.Column("security_type", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("price", sa.Numeric(precision=38, scale=18), nullable=True),
        sa.Column("value", sa.Numeric(precision=24, scale=8), nullable=True),
        sa.Column("cost_basis", sa.Numeric(precision=24, scale=8), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=True),
        sa.Column("journal_page_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["household_id", "source_account_id"],
            ["source_accounts.household_id", "source_accounts.id"],
            name=op.f("fk_holdings_household_id_source_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["household_id"],
            ["households.id"],
            name=op.f("fk_holdings_household_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "household_id", "source_account_id", "security_source_id", name=op.f("pk_holdings")
        ),
    )
    op.create_table(
        "transactions",
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("source_account_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("authorized_date", sa.Date(), nullable=True),
        sa.Column("amount", sa.Numeric(precision=24, scale=8), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("pending_source_id", sa.Text(), nullable=True),
        sa.Column("category_code", sa.Text(), nullable=True),
        sa.Column("counterparty_source", sa.Text(), nullable=True),
        sa.Column("counterparty_enriched", sa.Text(), nullable=True),
        sa.Column("counterparty_user", sa.Text(), nullable=True),
        sa.Column(
            "counterparty",
            sa.Text(),
            sa.Computed(
                "coalesce(counterparty_user, counterparty_enriched, counterparty_source)",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.Column("category_source", sa.Uuid(), nullable=True),
        sa.Column("category_enriched", sa.Uuid(), nullable=True),
        sa.Column("category_user", sa.Uuid(), nullable=True),
        sa.Column(
            "category_id",
            sa.Uuid(),
            sa.Computed(
                "coalesce(category_user, category_enriched, category_source)", persisted=True
            ),
            nullable=True,
        ),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duplicate_of_id", sa.Uuid(), nullable=True),
        sa.Column("stands_in", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "is_live",
            sa.Boolean(),
            sa.Computed(
                "removed_at IS NULL AND (duplicate_of_id IS NULL OR stands_in)", persisted=True
            ),
            nullable=False,
        ),
        sa.Column("change_set_id", sa.Uuid(), nullable=False),
        sa.Column("journal_page_id", sa.Uuid(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "search_text",
            sa.Text(),
            sa.Computed(
                "left(lower(description || ' ' || coalesce(coalesce(counterparty_user, counterparty_enriched, counterparty_source), '') || ' ' || coalesce(note, '')), 400)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column(
            "amount_key",
            sa.BigInteger(),
            sa.Computed("trunc(amount * 100)::bigint", persisted=True),
            nullable=False,
        ),
        sa.CheckConstraint("amount <> 'NaN'", name=op.f("ck_transactions_amount")),
        sa.ForeignKeyConstraint(
            ["household_id", "source_account_id", "account_id"],
            ["source_accounts.household_id", "source_accounts.id", "source_accounts.account_id"],
            name=op.f("fk_transactions_household_id_source_account_id_account_id"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("household_id", "id", name=op.f("pk_transactions")),
        postgresql_partition_by="HASH (household_id)",
    )
    op.create_index(
        "ix_transactions_account",
        "transactions",
        [
            "household_id",
            "account_id",
            sa.literal_column("date DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
        postgresql_where=sa.text("is_live"),
    )
    op.create_index(
        "ix_transactions_amount",
        "transactions",
        ["household_id", "amount_key"],
        unique=False,
        postgresql_where=sa.text("is_live"),
    )
    op.create_index(
        "ix_transactions_awaited",
        "transactions",
        ["household_id", "source_account_id", "date"],
        unique=False,
        postgresql_where=sa.text("pending AND duplicate_of_id IS NULL"),
    )
    op.create_index(
        "ix_transactions_category",
        "transactions",
        [
            "household_id",
            "category_id",
            sa.literal_column("date DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
        postgresql_where=sa.text("is_live"),
    )
    op.create_index(
        "ix_transactions_change_set",
        "transactions",
        ["household_id", "change_set_id"],
        unique=False,
    )
    op.create_index(
        "ix_transactions_duplicate_of",
        "transactions",
        ["household_id", "duplicate_of_id"],
        unique=False,
        postgresql_where=sa.text("duplicate_of_id IS NOT NULL"),
    )
    op.create_index(
        "ix_transactions_list",
        "transactions",
        ["household_id", sa.literal_column("date DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_include=[
            "search_text",
            "amount",
            "currency",
            "account_id",
            "category_id",
            "pending",
        ],
        postgresql_where=sa.text("is_live"),
    )
    op.create_index(
        "ix_transactions_pending",
        "transactions",
        ["household_id", sa.literal_column("date DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("pending AND is_live"),
    )
    op.create_index(
        "ix_transactions_search",
        "transactions",
        ["search_text"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
        postgresql_where=sa.text("is_live"),
    )
    op.create_index(
        "uq_transactions_source",
        "transactions",
        ["household_id", "source_account_id", "source_id"],
        unique=True,
    )

    guards = Path(__file__).parents[1] / "sql" / "first_schema_guards.sql"
    # The driver's own cursor: the text holds percent signs and colons that are not parameters.
    op.get_bind().connection.cursor().execute(guards.read_text(encoding="utf-8"))


def downgrade() -> None:
    op.drop_index("uq_transactions_source", table_name="transactions")
    op.drop_index(
        "ix_transactions_search",
        table_name="transactions",
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
        postgresql_where=sa.text("is_live"),
    )
    op.drop_index(
        "ix_transactions_pending",
        table_name="transactions",
        postgresql_where=sa.text("pending AND is_live"),
    )
    op.drop_index(
        "ix_transactions_list",
        table_name="transactions",
        postgresql_include=[
            "search_text",
            "amount",
            "currency",
            "account_id",
            "category_id",
            "pending",
        ],
        postgresql_where=sa.text("is_live"),
    )
    op.drop_index(
        "ix_transactions_duplicate_of",
        table_name="transactions",
        postgresql_where=sa.text("duplicate_of_id IS NOT NULL"),
    )
    op.drop_index("ix_transactions_change_set", table_name="transactions")
    op.drop_index(
        "ix_transactions_category", table_name="transactions", postgresql_where=sa.text("is_live")
    )
    op.drop_index(
        "ix_transactions_awaited",
        table_name="transactions",
        postgresql_where=sa.text("pending AND duplicate_of_id IS NULL"),
    )
    op.drop_index(
        "ix_transactions_amount", table_name="transactions", postgresql_where=sa.text("is_live")
    )
    op.drop_index(
        "ix_transactions_account", table_name="transactions", postgresql_where=sa.text("is_live")
    )
    op.drop_table("transactions")
    op.drop_table("holdings")
    op.drop_index(
        op.f("ix_balance_anchors_household_id_source_account_id_as_of"),
        table_name="balance_anchors",
    )
    op.drop_table("balance_anchors")
    op.drop_table("tie_outs")
    op.drop_index(op.f("ix_sync_runs_started_at"), table_name="sync_runs")
    op.drop_index(op.f("ix_sync_runs_household_id_item_id_id"), table_name="sync_runs")
    op.drop_table("sync_runs")
    op.drop_index(
        "uq_source_accounts_source",
        table_name="source_accounts",
        postgresql_nulls_not_distinct=True,
    )
    op.drop_index(op.f("ix_source_accounts_household_id_account_id"), table_name="source_accounts")
    op.drop_table("source_accounts")
    op.drop_table("rejected_rows")
    op.drop_index(op.f("ix_refresh_tokens_session_id"), table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_table("imports")
    op.drop_index(
        op.f("ix_field_changes_household_id_transaction_id_change_set_id"),
        table_name="field_changes",
    )
    op.drop_table("field_changes")
    op.drop_index(op.f("ix_user_sessions_user_id"), table_name="user_sessions")
    op.drop_index(op.f("ix_user_sessions_expires_at"), table_name="user_sessions")
    op.drop_table("user_sessions")
    op.drop_table("monthly_totals")
    op.drop_index(op.f("ix_memberships_user_id"), table_name="memberships")
    op.drop_table("memberships")
    op.drop_index(
        "ix_match_suggestions_open",
        table_name="match_suggestions",
        postgresql_where=sa.text("state = 'open'"),
    )
    op.drop_table("match_suggestions")
    op.drop_index(op.f("ix_link_sessions_link_token"), table_name="link_sessions")
    op.drop_table("link_sessions")
    op.drop_index(op.f("ix_journal_pages_household_id_sync_run_id"), table_name="journal_pages")
    op.drop_index(op.f("ix_journal_pages_household_id_item_id_id"), table_name="journal_pages")
    op.drop_table("journal_pages")
    op.drop_index("uq_items_household_id_provider_item_source_id", table_name="items")
    op.drop_index(op.f("ix_items_provider_item_source_id"), table_name="items")
    op.drop_index("ix_items_due", table_name="items", postgresql_where="unlinked_at IS NULL")
    op.drop_table("items")
    op.drop_table("household_keys")
    op.drop_table("daily_totals")
    op.drop_index(op.f("ix_change_sets_household_id_sync_run_id"), table_name="change_sets")
    op.drop_table("change_sets")
    op.drop_index("uq_categories_household_id_code", table_name="categories")
    op.drop_table("categories")
    op.drop_table("audit_events")
    op.drop_table("accounts")
    op.drop_index(op.f("ix_webhooks_received_at"), table_name="webhooks")
    op.drop_index(op.f("ix_webhooks_item_source_id"), table_name="webhooks")
    op.drop_table("webhooks")
    op.drop_table("users")
    op.drop_table("households")
    op.drop_table("attempt_buckets")
    op.execute(
        "DROP FUNCTION lock_household_ledger(), keep_daily_totals(), keep_field_changes(), keep_stand_ins(), keep_monthly_totals(), search_transactions(text)"
    )
