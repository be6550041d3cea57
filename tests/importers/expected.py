"""Write a read file down as JSON can hold it, for comparing with what a person expects."""

from typing import Any

from app.importers.base import BalanceAnchor, Statement, StatementFile


def describe(file: StatementFile) -> dict[str, Any]:
    return {
        "format": file.format,
        "encoding": file.encoding,
        "statements": [_statement(statement) for statement in file.statements],
        "rejected": [[row.where, row.reason, row.source_id] for row in file.rejected],
        "notes": list(file.notes),
    }


def _statement(statement: Statement) -> dict[str, Any]:
    account = statement.account
    return {
        "account": [account.name, account.kind, account.subtype, account.mask],
        "balance": [str(account.balance.current), str(account.balance.available)],
        "currency": statement.currency,
        "institution": statement.institution,
        "days": [str(statement.start), str(statement.end)],
        "opening": _anchor(statement.opening),
        "closing": _anchor(statement.closing),
        "transactions": [
            {
                "date": row.date.isoformat(),
                "amount": str(row.money.amount),
                "currency": row.money.currency,
                "description": row.description,
                "counterparty": row.counterparty,
                "authorized_date": row.authorized_date and row.authorized_date.isoformat(),
                "pending": row.pending,
            }
            for row in statement.transactions
        ],
    }


def _anchor(anchor: BalanceAnchor | None) -> list[str] | None:
    return [str(anchor.date), str(anchor.amount)] if anchor else None
