"""Invented people and money for app/ui/preview.py: the same on every run."""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import groupby

from app.core import clock
from app.domain.money import Money
from app.ui.views.accounts import AccountGroup, AccountRow, AccountsView, NetWorth
from app.ui.views.connections import (
    ConnectionCard,
    ConnectionsView,
    ConnectionView,
    LinkedAccount,
    NoticeRow,
    SetAsideRow,
    SyncRunRow,
)
from app.ui.views.imports import (
    ColumnGuess,
    ImportRow,
    PreviewAccount,
    PreviewRow,
    PreviewView,
    RejectedLine,
    ResultView,
    StartView,
)
from app.ui.views.transactions import (
    ChangeGroup,
    Chip,
    CurrencyTotals,
    Day,
    FieldChangeRow,
    FieldSource,
    FilterForm,
    RowsView,
    TotalsView,
    TransactionDetail,
    TransactionRow,
    TransactionsView,
)
from app.ui.views.users import (
    AccountNotice,
    NewTokenView,
    NoticesView,
    PasskeyRow,
    PasskeysView,
    QrCode,
    SessionRow,
    SettingsView,
    TokenRow,
    TokensView,
    TwoStepView,
)

PAGE_ROWS = 50
ROWS_MAX = 400

LONG_CATEGORY = "Travel, commuting and whatever else is on the way there"
LONG_ACCOUNT = "Joint current account of Maximiliane Oberhuber-Sommer and Ben"

# Name, description, category, account, typical amount, whether it is pending when new.
_HABITS = (
    ("Greenleaf Market", "GREENLEAF MKT #0231 OAKTON", "Groceries", "Everyday", "-64.18"),
    ("Corner Bakery", "SQ *CORNER BAKERY 4029", "Eating out", "Travel Card", "-7.45"),
    ("Metro Transit", "METRO TRANSIT TAP 8837112", "Transport", "Travel Card", "-2.90"),
    ("Northwind Energy", "NORTHWIND ENERGY DD 00918", "Home", "Everyday", "-118.02"),
    ("Lumen Streaming", "LUMEN*PREMIUM 8006132210", "Subscriptions", "Travel Card", "-15.99"),
    ("Acme Robotics", "ACME ROBOTICS PAYROLL 1147", "Salary", "Everyday", "3480.00"),
    ("Harbour Coffee", "HARBOUR COFFEE CO 12", "Eating out", "Travel Card", "-4.80"),
    ("Petrol Point", "PETROL POINT 5521 FUEL", "Transport", "Travel Card", "-51.30"),
    ("Dr. Okafor", "OKAFOR DENTAL PRACTICE", "Health", "Everyday", "-90.00"),
    ("Savings", "TRANSFER TO SAV 9921", "Transfers", "Everyday", "-400.00"),
    ("Paperback & Sons Second-hand Booksellers", "PAPERBACK SONS", "", "Travel Card", "-23.60"),
    ("Skyline Air", "SKYLINE AIR 0162230091 REFUND", LONG_CATEGORY, LONG_ACCOUNT, "212.40"),
)
_ACCOUNTS = (("everyday", "Everyday"), ("travel", "Travel Card"), ("savings", "Rainy Day"))
CATEGORIES = tuple((name.lower(), name) for name in sorted({habit[2] for habit in _HABITS} - {""}))


def usd(text: str) -> Money:
    """Return dollars."""
    return Money(Decimal(text), "USD")


def _ago(**span: int) -> dt.datetime:
    return clock.now() - dt.timedelta(**span)


def all_rows() -> list[TransactionRow]:
    """Return every transaction, newest first."""
    today = clock.today()
    rows = []
    for place in range(ROWS_MAX):
        name, description, category, account, amount = _HABITS[(place * place + place // 3) % 12]
        change = Decimal((place * 37) % 900) / 100 if abs(Decimal(amount)) > 20 else Decimal(0)
        rows.append(
            TransactionRow(
                transaction_id=f"{place:04d}",
                date=today - dt.timedelta(days=place * 2 // 5),
                name=name,
                description=description,
                category=category,
                account_name=account,
                amount=usd(str(Decimal(amount) - change)),
                pending=place in (0, 1, 3),
                note="Ask Ben for his half" if place == 2 else "",
            )
        )
    return rows


def find_rows(search: str, direction: str = "") -> list[TransactionRow]:
    """Return the transactions whose words hold the search."""
    words = search.lower().split()
    return [
        row
        for row in all_rows()
        if all(word in f"{row.name} {row.description} {row.note}".lower() for word in words)
        and (direction != "in" or row.amount.amount > 0)
        and (direction != "out" or row.amount.amount < 0)
    ]


def rows_view(found: list[TransactionRow], after: int, url: str) -> RowsView:
    """Return one page of rows by day."""
    page = found[after : after + PAGE_ROWS]
    before = found[after - 1].date if after else None
    days = tuple(
        Day(
            date=day,
            rows=tuple(rows),
            sums=(_sum(row for row in found if row.date == day),),
            is_continued=day == before,
        )
        for day, grouped in groupby(page, key=lambda row: row.date)
        for rows in [list(grouped)]
    )
    end = after + PAGE_ROWS
    joint = "&" if "?" in url else "?"
    return RowsView(days, f"{url}{joint}after={end}" if end < len(found) else "")


def _sum(rows: Iterator[TransactionRow]) -> Money:
    return Money(sum((row.amount.amount for row in rows), Decimal(0)), "USD")


def transactions_view(
    filter_form: FilterForm, chips: tuple[Chip, ...], after: int, url: str
) -> TransactionsView:
    """Return the list with totals of what was found."""
    found = find_rows(filter_form.search, filter_form.direction)
    sums = CurrencyTotals(
        money_in=_sum(row for row in found if row.amount.amount > 0),
        money_out=_sum(row for row in found if row.amount.amount < 0),
        net=_sum(iter(found)),
    )
    return TransactionsView(
        filter=filter_form,
        accounts=_ACCOUNTS,
        categories=CATEGORIES,
        chips=chips,
        totals=TotalsView(len(found), (sums,) if found else ()),
        rows=rows_view(found, after, url),
        url=url,
        is_first_page=after == 0,
    )


def detail(transaction_id: str, *, saved: bool = False) -> TransactionDetail | None:
    """Return the drawer of one transaction."""
    row = next((row for row in all_rows() if row.transaction_id == transaction_id), None)
    if row is None:
        return None
    return TransactionDetail(
        row=row,
        account_url="/transactions?account=everyday",
        institution_name="First Heron Bank",
        counterparty="",
        counterparty_source=row.name,
        category="",
        category_source=row.category,
        categories=CATEGORIES,
        bank_text=row.description,
        authorized_date=row.date - dt.timedelta(days=1),
        sources=(
            FieldSource("Date", row.date.isoformat(), "Bank", is_effective=True, at=_ago(hours=3)),
            FieldSource(
                "Category", row.category or "none", "Rule", is_effective=True, at=_ago(days=2),
                reason="the name contains “market”", confidence=Decimal("0.97"),
            ),
            FieldSource("Category", "General merchandise", "Bank"),
            FieldSource("Name", row.name, "Bank", is_effective=True),
        ),
        bank_said=(
            ("transaction_id", "lPNjeW1nR6CDn5okmGQ6hEpMo4lLNoSrzqDje"),
            ("amount", str(-row.amount.amount)),
            ("iso_currency_code", "USD"),
            ("merchant_name", row.name),
            ("payment_channel", "in store"),
            ("location.city", "Oakton"),
            ("personal_finance_category.detailed", "FOOD_AND_DRINK_GROCERIES"),
        ),
        journal_reference="412 · 9f2c61ab",
        journal_received_at=_ago(hours=3),
        source_name="Plaid",
        source_id="lPNjeW1nR6CDn5okmGQ6hEpMo4lLNoSrzqDje",
        changes=(
            ChangeGroup(
                "/history/2",
                _ago(days=2),
                "Rule",
                (
                    FieldChangeRow(
                        "Category", "General merchandise", "Groceries",
                        "the name contains “market”", Decimal("0.97"),
                    ),
                ),
                can_undo=True,
            ),
            ChangeGroup(
                "/history/1",
                _ago(days=3),
                "You",
                (FieldChangeRow("Note", "", "ask the shop"),),
                is_undone=True,
            ),
        ),
        saved=saved,
        undo_url="/history/3" if saved else "",
    )  # fmt: skip


def accounts_view(*, empty: bool = False) -> AccountsView:
    """Return accounts of every kind and state."""
    if empty:
        return AccountsView((), (), ())
    zero = usd("0")
    cash = (
        AccountRow("everyday", "Everyday", "First Heron Bank", "4417", "Checking",
                   usd("5241.18"), usd("5120.40"), as_of=_ago(minutes=12), gap=zero),
        AccountRow("savings", "Rainy Day", "First Heron Bank", "9921", "Savings",
                   usd("18400.00"), as_of=_ago(minutes=12), gap=zero),
        AccountRow("euro", "Girokonto", "Sparkasse Musterstadt", "0077", "Checking",
                   Money(Decimal("2310.55"), "EUR"), as_of=_ago(hours=5), gap=zero),
    )  # fmt: skip
    invested = (
        AccountRow("brokerage", "Long Term", "Tern Investments", "3350", "Brokerage",
                   usd("84112.09"), as_of=_ago(hours=15)),
        AccountRow("coins", "Cold storage", "", "", "Crypto", Money(Decimal("0.41870000"), "BTC"),
                   as_of=_ago(days=3), state="file"),
    )  # fmt: skip
    cards = (
        AccountRow("travel", "Travel Card", "Kestrel Card Services", "1008", "Credit card",
                   usd("-1284.77"), usd("6715.23"), usd("8000"), _ago(hours=2), gap=zero),
        AccountRow("store", "Store Card With A Remarkably Long Name", "Kestrel Card Services",
                   "2219", "Credit card", usd("-1612.00"), usd("388.00"), usd("2000"),
                   _ago(days=4), state="stale", gap=usd("-24.90")),
    )  # fmt: skip
    loans = (
        AccountRow("mortgage", "Home", "Oakton Building Society", "7012", "Mortgage",
                   usd("-212880.46"), as_of=_ago(days=1)),
    )  # fmt: skip
    return AccountsView(
        net_worth=(
            NetWorth(usd("-108023.96"), usd("107753.27"), usd("-215777.23")),
            NetWorth(Money(Decimal("2310.55"), "EUR"), Money(Decimal("2310.55"), "EUR"),
                     Money(Decimal(0), "EUR")),
        ),
        assets=(
            AccountGroup("Cash", (usd("23641.18"), Money(Decimal("2310.55"), "EUR")), cash),
            AccountGroup("Investments", (usd("84112.09"),), invested),
        ),
        debts=(
            AccountGroup("Credit cards", (usd("-2896.77"),), cards),
            AccountGroup("Loans", (usd("-212880.46"),), loans),
        ),
        synced_at=_ago(hours=2),
        connections_in_trouble=1,
    )  # fmt: skip


def connections_view() -> ConnectionsView:
    """Return connections in every state."""
    heron = ConnectionCard(
        "heron", "First Heron Bank", "Plaid", "good", "Up to date",
        "All is well: the next sync is scheduled.",
        _ago(minutes=12), _ago(minutes=12), clock.now() + dt.timedelta(hours=5, minutes=40),
        (LinkedAccount("Everyday", "4417", "/accounts/everyday", clock.today(), usd("0")),
         LinkedAccount("Rainy Day", "9921", "/accounts/savings", clock.today(), usd("0"))),
        transactions=1208,
    )  # fmt: skip
    kestrel = ConnectionCard(
        "kestrel", "Kestrel Card Services", "Plaid", "needs_user", "Needs you",
        "The bank wants you to sign in again. Nothing is lost: we go on where we stopped.",
        _ago(days=4), _ago(days=4), None,
        (LinkedAccount("Travel Card", "1008", "/accounts/travel", clock.today(), usd("-24.90")),),
        transactions=812,
    )  # fmt: skip
    tern = ConnectionCard(
        "tern", "Tern Investments", "SimpleFIN", "syncing", "Syncing", "Reading what is new.",
        _ago(hours=15), _ago(hours=15), clock.now() + dt.timedelta(minutes=2),
        (LinkedAccount("Long Term", "3350", "/accounts/brokerage"),),
        rows_so_far=340, transactions=95,
    )  # fmt: skip
    sparkasse = ConnectionCard(
        "sparkasse", "Sparkasse Musterstadt", "Plaid", "stale", "Bank not reached",
        "Our provider has not reached the bank since yesterday. It keeps trying by itself.",
        _ago(days=1), _ago(hours=1), clock.now() + dt.timedelta(hours=3), (), transactions=40,
    )  # fmt: skip
    return ConnectionsView((kestrel, tern, sparkasse, heron), practice_banks=True)


def connection_view() -> ConnectionView:
    """Return one connection with all that happened to it."""
    runs = (
        SyncRunRow(_ago(minutes=12), _ago(minutes=12), "Notice of the bank", "done",
                   added=3, modified=1, pages=3, reading="340 ms", booking="25 ms",
                   trace_id="01a207ffdc7c7000bf8f48f325f25b44"),
        SyncRunRow(_ago(hours=6), _ago(hours=6), "Schedule", "done"),
        SyncRunRow(_ago(days=1), _ago(days=1), "You", "failed",
                   error_message="The bank did not answer. We tried three times."),
        SyncRunRow(_ago(days=2), _ago(days=2), "First link", "done", added=1204, rejected=1),
    )  # fmt: skip
    return ConnectionView(
        connections_view().connections[-1], runs,
        set_aside=(SetAsideRow("tx-881", "It has no amount.", 2, _ago(days=2)),),
        notices=(NoticeRow("There is something new", "SYNC_UPDATES_AVAILABLE", _ago(minutes=12)),),
    )  # fmt: skip


def start_view(error: str = "") -> StartView:
    """Return the start of an import, with a past."""
    history = (
        ImportRow("1", "statement-2026-10.ofx", "OFX", _ago(days=3), "booked", 42, 3, 0),
        ImportRow("2", "umsaetze-with-a-very-long-file-name-from-a-german-bank-2025.csv", "CSV",
                  _ago(days=40), "booked", 1204, 0, 2),
        ImportRow("3", "old-card.csv", "CSV", _ago(days=41), "previewed"),
    )  # fmt: skip
    return StartView(history, error)


def preview_view() -> PreviewView:
    """Return a CSV file that was read with three things to look at."""
    today = clock.today()
    rows = tuple(
        PreviewRow(index + 2, today - dt.timedelta(days=index), row.description, row.amount,
                   is_known=index in (0, 4))
        for index, row in enumerate(all_rows()[:12])
    )  # fmt: skip
    roles = (
        ("", "Not used"), ("date", "Date"), ("description", "Description"), ("amount", "Amount"),
        ("counterparty", "Counterparty"), ("balance", "Balance"), ("note", "Note"),
    )  # fmt: skip
    columns = (
        ColumnGuess(0, "Buchungstag", ("21.11.2026", "20.11.2026", "20.11.2026"), "date"),
        ColumnGuess(1, "Verwendungszweck", ("KARTENZAHLUNG GREENLEAF", "MIETE NOVEMBER"),
                    "description"),
        ColumnGuess(2, "Betrag", ("-64,18", "-1.250,00", "3.480,00"), "amount"),
        ColumnGuess(3, "Saldo nach Buchung", ("5.241,18", "5.305,36"), "balance"),
        ColumnGuess(4, "", ("EUR", "EUR"), ""),
    )  # fmt: skip
    rejected = (
        RejectedLine("line 17, Betrag", "“1.2O4,00” is not an amount: it holds the letter O."),
        RejectedLine("line 33, Buchungstag", "The day 31.02.2026 does not exist."),
    )
    return PreviewView(
        "1", "umsaetze-2026.csv", "CSV", rows, 148, 12, rejected, 2,
        (PreviewAccount("0", "Konto DE89 ···· 0077", "new", 148),),
        (("new", "A new account"), ("everyday", "Everyday ··4417"), ("euro", "Girokonto ··0077")),
        columns, roles, ",", "dmy",
        (("dmy", "31.12.2026"), ("mdy", "12/31/2026"), ("ymd", "2026-12-31")),
        today - dt.timedelta(days=90), today,
    )  # fmt: skip


def result_view() -> ResultView:
    """Return a booked import."""
    return ResultView("1", "umsaetze-2026.csv", 136, 12, preview_view().rejected, 2,
                      "/transactions", can_undo=True)  # fmt: skip


def two_step_view(state: str) -> TwoStepView:
    """Return the second factor's settings in one state."""
    squares = ((x, y) for x in range(4, 33) for y in range(4, 33) if (x * y + x // 3) % 2)
    return TwoStepView(
        state,
        "ada@example.com",
        secret="JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP",  # noqa: S106  # invented
        uri="otpauth://totp/Fintech%3Aada%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Fintech",
        qr=QrCode(37, "".join(f"M{x} {y}h1v1h-1z" for x, y in squares)),
        codes=tuple(f"abcd-efgh-ijkl-{number:04}" for number in range(10)),
        codes_left=9,
    )


def passkeys_view() -> PasskeysView:
    """Return a page of passkeys."""
    return PasskeysView(
        (
            PasskeyRow("1", "Chrome on Android", _ago(days=40), _ago(days=2)),
            PasskeyRow("2", "A key with a name that is far too long for any screen", _ago(days=90)),
        ),
        suggested_name="Firefox on Linux",
    )


def tokens_view(*, made: bool) -> TokensView:
    """Return a page of API tokens, with one that was just made."""
    ends = _ago(days=-90)
    return TokensView(
        (
            TokenRow("1", "Spreadsheet", "4fQz", ("read",), "Winter & Sommer", ends),
            TokenRow(
                "2",
                "A script with a name that is far too long for any narrow screen",
                "x9Lm",
                ("read", "edit", "connect", "export"),
                "Winter & Sommer",
                ends,
                _ago(days=2),
                "198.51.100.7",
            ),
        ),
        token="fta_" + "7Kx9" * 8 + "4fQzAb" if made else "",
    )


def notices_view() -> NoticesView:
    """Return what an invented person is told of their account."""
    advice = "If it was not you, change your password: that ends every other session."
    place = "Firefox on Linux · 198.51.100.7"
    new = AccountNotice(
        "New browser or program signed in", _ago(hours=2), place, advice, is_new=True
    )
    token = AccountNotice(
        "An API token was made", _ago(days=1), "198.51.100.7", advice, is_new=True
    )
    bank = AccountNotice("A bank was linked", _ago(days=20), "", advice)
    return NoticesView((new, token, bank), unread=2, up_to="1", older_url="/notices")


def new_token_view(errors: Mapping[str, str]) -> NewTokenView:
    """Return the form of a new token."""
    return NewTokenView(
        (("read", "See accounts, transactions, connections and history"), ("edit", "Change them")),
        (("30", "in 30 days"), ("90", "in 90 days")),
        chosen=("read",),
        errors=errors,
    )


def settings_view(theme: str) -> SettingsView:
    """Return the settings of an invented person."""
    return SettingsView(
        name="Ada Winter",
        email="ada@example.com",
        household_name="Winter & Sommer",
        locale="en_US",
        timezone="Europe/Berlin",
        base_currency="USD",
        theme=theme,
        passkeys=2,
        provider="Example SSO",
        locales=(("en_US", "English (United States)"), ("de_DE", "Deutsch (Deutschland)")),
        timezones=(("Europe/Berlin", "Europe/Berlin"), ("UTC", "UTC")),
        currencies=(("USD", "US Dollar"), ("EUR", "Euro")),
        sessions=(
            SessionRow("1", "Chromium on Linux", _ago(minutes=1), is_current=True),
            SessionRow("2", "Safari on iPhone", _ago(days=1), is_current=False),
        ),
    )
