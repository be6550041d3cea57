"""What the pages of imports show, made of what the services know."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from app.features.imports.service.book import Result
from app.features.imports.service.look import Choices, PreviewData
from app.features.imports.service.plan import NEW
from app.importers.base import FILE_BYTES_MAX
from app.importers.csv_layout import SINGLE_ROLES, CsvLayout
from app.ui.views.imports import (
    ColumnGuess,
    ImportRow,
    Options,
    PreviewAccount,
    PreviewRow,
    PreviewView,
    RejectedLine,
    ResultView,
    StartView,
)

ROLES: Options = (
    ("", "Not used"),
    ("date", "Date"),
    ("authorized_date", "Date of purchase"),
    ("value_date", "Value date"),
    ("description", "Description"),
    ("counterparty", "Other party"),
    ("amount", "Amount"),
    ("debit", "Money out"),
    ("credit", "Money in"),
    ("direction", "In or out"),
    ("balance", "Balance"),
    ("currency", "Currency"),
    ("reference", "Reference"),
    ("account", "Account"),
    ("status", "State"),
)
DATE_ORDERS: Options = (
    ("DMY", "Day, month, year"),
    ("MDY", "Month, day, year"),
    ("YMD", "Year, month, day"),
)
SIGNS: Options = (("as_written", "Minus is money out"), ("inverted", "Plus is money out"))
BY_DIRECTION = ("by_direction", "A column says it")


def start_view(history: Sequence[Result], error: str = "") -> StartView:
    """Return the page that takes a file."""
    return StartView(
        history=tuple(
            ImportRow(
                import_id=str(each.id),
                file_name=each.file_name,
                format_name=each.format.upper(),
                created_at=each.created_at,
                state=each.state,
                added=each.added,
                known=each.known,
                rejected=each.rejected_count,
            )
            for each in history
        ),
        error=error,
        bytes_max=FILE_BYTES_MAX,
    )


def preview_view(shown: PreviewData, error: str = "") -> PreviewView:
    """Return the page that shows a file before it is booked."""
    layout = shown.layout
    return PreviewView(
        import_id=str(shown.id),
        file_name=shown.file_name,
        format_name=shown.format.upper(),
        rows=tuple(
            PreviewRow(
                line=row.line,
                date=row.date,
                description=row.description,
                amount=row.amount,
                is_known=row.state in ("known", "changed"),
                is_changed=row.state == "changed",
                is_matched=row.state == "matched",
            )
            for row in shown.rows
        ),
        row_count=shown.row_count,
        known_count=shown.known + shown.changed,
        rejected=tuple(RejectedLine(each.where, each.reason) for each in shown.rejected),
        rejected_count=shown.rejected_count,
        accounts=tuple(
            PreviewAccount(each.key, each.label, each.target, each.rows) for each in shown.accounts
        ),
        targets=_targets(shown),
        columns=_columns(layout, shown.samples) if layout else (),
        roles=ROLES,
        decimal_mark=layout.decimal_mark if layout else ".",
        date_order=layout.date_order if layout else "",
        date_orders=DATE_ORDERS if layout else (),
        first_date=shown.first_date,
        last_date=shown.last_date,
        error=error,
        notes=shown.notes,
        sign=layout.sign if layout else "",
        signs=_signs(layout) if layout else (),
        currency=shown.currency if shown.needs_currency else "",
        changed_count=shown.changed,
        matched_count=shown.matched,
        add_matches=shown.add_matches,
    )


def result_view(result: Result) -> ResultView:
    """Return the page that says what an import did."""
    query = urlencode([("account", str(each)) for each in dict.fromkeys(result.account_ids)])
    is_undone = result.state == "undone"
    return ResultView(
        import_id=str(result.id),
        file_name=result.file_name,
        added=result.added,
        known=result.known,
        rejected=tuple(RejectedLine(each.where, each.reason) for each in result.rejected),
        rejected_count=result.rejected_count,
        transactions_url="/transactions" if is_undone or not query else f"/transactions?{query}",
        can_undo=result.state == "booked",
        modified=result.modified,
        matched=result.matched,
        is_undone=is_undone,
    )


def read_choices(layout: CsvLayout | None, form: Mapping[str, str]) -> Choices:
    """Return what the form of the preview says; fields that are not there stay as they are."""
    wanted: dict[str, object] = {}
    if layout is not None:
        roles = tuple(
            form.get(f"column-{index}", role)[:50] for index, role in enumerate(layout.roles)
        )
        roles = moved_roles(layout.roles, roles)
        wanted = {"roles": roles}
        wanted |= {
            name: form[name][:50] for name in ("decimal_mark", "date_order", "sign") if name in form
        }
        if wanted.get("sign", layout.sign) == BY_DIRECTION[0] and "direction" not in roles:
            wanted["sign"] = SIGNS[0][0]
    targets = {
        name.removeprefix("account-"): value
        for name, value in form.items()
        if name.startswith("account-")
    }
    matches = form.get("matches")
    return Choices(
        layout=wanted or None,
        targets=targets or None,
        currency=form["currency"].strip().upper() if form.get("currency", "").strip() else None,
        add_matches=None if matches is None else matches == "add",
    )


def moved_roles(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Take a role from the column that had it when another column was given it."""
    moved = {
        role
        for old, role in zip(before, after, strict=True)
        if old != role and role in SINGLE_ROLES
    }
    return tuple(
        "" if role in moved and old == role else role
        for old, role in zip(before, after, strict=True)
    )


def _targets(shown: PreviewData) -> Options:
    options = [(NEW, "A new account")]
    for account in shown.ledger:
        name = f"{account.name} ··{account.mask}" if account.mask else account.name
        words = f"{name}, {account.institution_name}" if account.institution_name else name
        options.append((str(account.id), words))
    return tuple(options)


def _columns(layout: CsvLayout, samples: Sequence[tuple[str, ...]]) -> tuple[ColumnGuess, ...]:
    return tuple(
        ColumnGuess(
            index=index,
            heading=layout.names[index] if index < len(layout.names) else "",
            samples=samples[index][:3] if index < len(samples) else (),
            role=role,
        )
        for index, role in enumerate(layout.roles)
    )


def _signs(layout: CsvLayout) -> Options:
    return (*SIGNS, BY_DIRECTION) if "direction" in layout.roles else SIGNS
