"""F11: what strangers write is text, on every page, in a real browser."""

from collections.abc import Iterator
from dataclasses import fields, replace
from urllib.parse import quote, urlsplit
from uuid import UUID

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Dialog,
    FilePayload,
    Page,
    Request,
    expect,
)

from tests.browser.conftest import Installation, SignedIn, sign_in
from tests.browser.payloads import PAYLOADS
from tests.routes import every_route

LEAVES = {
    "/connections/link/{link_session_id}",
    "/connections/linked/{link_session_id}",
    "/docs",
    "/events",
    "/health",
    "/health/ready",
    "/metrics",
    "/openapi.json",
    "/redoc",
}
"""No pages of ours, or pages that hold no text of others; the first two lead to the bank."""
INJECTED = """() => {
    const ours = (value) => {
        const { protocol, host, pathname } = new URL(value, location);
        const isHere = host === location.host && pathname === location.pathname;
        return /^https?:$/.test(protocol) && (isHere || !(host + pathname).includes("xss"));
    };
    const alien = /^(iframe|object|embed|base|xss|math|style|marquee)$/i;
    const found = [];
    if ("xss" in window) found.push("window.xss");
    for (const each of document.querySelectorAll("*")) {
        // Only of what is found: of every element it would be the page over and over.
        const tag = () => each.outerHTML.slice(0, 150);
        if (alien.test(each.tagName) || each.id === "xss") found.push(tag());
        if (each.tagName === "SCRIPT" && !each.src && each.textContent.trim()) found.push(tag());
        for (const { name, value } of each.attributes) {
            const leads = /^(src|href|xlink:href|action|formaction|data|srcdoc|hx-get|hx-post)$/;
            if (/^(on|hx-on|style$)/i.test(name)) found.push(tag());
            if (leads.test(name) && value && !ours(value)) found.push(tag());
        }
    }
    return found;
}"""


def fill(ada: SignedIn) -> dict[str, str]:
    """Give the household every text there is from others; return ids for addresses."""
    from tests.factories import ledger

    household_id, user_id = ada.person.household_id, ada.person.user_id
    owned = ledger.everything(household_id, user_id, description=PAYLOADS[0])
    book(household_id, owned.journal_page_id)
    rename(household_id)
    for payload in PAYLOADS[::8]:
        fail_and_invite(household_id, user_id, payload)
    edit(household_id, user_id, owned.transaction_id)
    ids = {each.name: str(getattr(owned, each.name)) for each in fields(owned)}
    return {**ids, "import_id": str(preview(household_id, user_id))}


def book(household_id: UUID, page_id: UUID) -> None:
    """Bring a transaction for each text, each on an account of its own, from a journal page."""
    from tests.features.transactions import ledgers

    opened = ledgers.open_ledger(household_id, [f"account {n}" for n in range(len(PAYLOADS))])
    codes = sorted(opened.categories)
    ledgers.bring(
        opened,
        *(
            replace(
                ledgers.record(
                    f"t{n}", f"-{n + 1}.00", account=f"account {n}", description=payload,
                    category=codes[n % len(codes)],
                ),
                counterparty=payload if n % 2 else None,
            )
            for n, payload in enumerate(PAYLOADS)
        ),
        page_id=page_id,
    )  # fmt: skip


def rename(household_id: UUID) -> None:
    """Call the household, its categories, accounts and banks so."""
    from sqlalchemy import text

    from app.core.database import engine

    with engine.begin() as owner:
        for table, column in (
            ("categories", "name"), ("accounts", "name"), ("accounts", "institution_name"),
            ("source_accounts", "name"), ("source_accounts", "official_name"),
        ):  # fmt: skip
            of_table = text(f"SELECT id FROM {table} WHERE household_id = :it ORDER BY id")
            found = owner.execute(of_table, {"it": household_id}).scalars()
            values = [
                {"id": each, "name": PAYLOADS[n % len(PAYLOADS)]} for n, each in enumerate(found)
            ]
            owner.execute(text(f"UPDATE {table} SET {column} = :name WHERE id = :id"), values)
        owner.execute(
            text("UPDATE households SET name = :name WHERE id = :id"),
            {"name": PAYLOADS[20], "id": household_id},
        )


def fail_and_invite(household_id: UUID, user_id: UUID, payload: str) -> None:
    """Link a bank of this name that says the same for an error, and invite somebody called so."""
    from sqlalchemy import text

    from app.core.database import engine, system_transaction
    from app.features.audit.service import Actor
    from app.features.households.service import invitations
    from tests.factories import ledger

    item_id = ledger.item(household_id, institution=payload)
    with engine.begin() as owner:
        owner.execute(
            text("UPDATE items SET error_code = 'X', error_message = :it WHERE id = :id"),
            {"it": payload, "id": item_id},
        )
    label = "".join(each for each in payload if each.isprintable())[:60]
    with system_transaction() as session:
        invitations.invite(session, household_id, "viewer", label, actor=Actor(user_id))


def preview(household_id: UUID, user_id: UUID) -> UUID:
    """Upload a file of this name, with such a column and such rows."""
    from app.features.imports.service import upload
    from tests.factories import files

    rows = [f'2026-11-02,"{each.replace(chr(34), chr(34) * 2)}",-1.00' for each in PAYLOADS]
    data = files.csv(*rows, header=f"Date,{PAYLOADS[20]},Amount")
    return upload.preview(household_id, user_id, PAYLOADS[20], data)


def edit(household_id: UUID, user_id: UUID, transaction_id: UUID) -> None:
    """Note all of the texts on a transaction."""
    from app.core.database import household_transaction
    from app.features.transactions.service import Edit, edit_transaction

    values = Edit(
        frozenset(("note", "counterparty")),
        note="\n".join(PAYLOADS)[:2_000],
        counterparty=PAYLOADS[38],
    )
    with household_transaction(household_id) as session:
        edit_transaction(session, household_id, user_id, transaction_id, values)


@pytest.fixture(scope="module")
def mallory(chromium: Browser, installation: Installation) -> Iterator[tuple[SignedIn, dict]]:
    """Somebody who is called so, and whose household strangers filled; and its ids."""
    context = chromium.new_context(base_url=installation.url)
    signed_in = sign_in(context.new_page(), installation, PAYLOADS[20])
    yield signed_in, fill(signed_in)
    context.close()


@pytest.fixture
def victim(
    mallory: tuple[SignedIn, dict], context: BrowserContext, page: Page, tolerated: list[str]
) -> Iterator[Page]:
    """A page of theirs; a dialog, or a request for what a text names, fails the test."""
    tolerated.append("the server responded with a status of 4")
    context.add_cookies(mallory[0].page.context.cookies())
    alarms: list[str] = []

    def close(dialog: Dialog) -> None:
        alarms.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", close)
    page.on("request", lambda asked: alarms.append(asked.url) if _is_named(asked) else None)
    yield page
    assert alarms == []


def _is_named(asked: Request) -> bool:
    # Where the test itself goes may hold a text; what leads away from here the page refuses.
    return not asked.is_navigation_request() and "xss" in urlsplit(asked.url).path


def look(page: Page, what: str) -> None:
    """Unfold all that is folded, and look for what nobody of us put there."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate(INJECTED) == [], what


def test_F11_there_are_enough_texts_of_each_kind() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 60


def test_F11_no_page_runs_what_strangers_wrote(
    victim: Page, mallory: tuple[SignedIn, dict]
) -> None:
    from app.main import app

    seen = 0
    for route in every_route(app):
        if route.method == "GET" and not route.is_api and route.path not in LEAVES:
            answer = victim.goto(route.url(**mallory[1]))
            assert answer is not None
            assert answer.status < 500, str(route)
            look(victim, str(route))
            seen += 1
    assert seen > 25


def test_F11_rows_that_come_later_and_the_drawer_are_text(victim: Page) -> None:
    victim.goto("/transactions")
    rows = victim.locator("tr[data-row]")
    expect(rows).to_have_count(50)
    victim.mouse.wheel(0, 100_000)
    expect(victim.get_by_text("That is all.")).to_be_visible()
    assert rows.count() > len(PAYLOADS)
    look(victim, "scrolled")
    drawer = victim.locator("#drawer")
    for number in range(0, len(PAYLOADS), 9):
        rows.nth(number).locator("a.row-link").click()
        expect(drawer.get_by_text("What the bank wrote")).to_be_visible()
        look(victim, f"drawer {number}")
        expect(drawer.get_by_role("link", name="Read the journal page")).to_have_count(0)
        look(victim, f"what the bank said {number}")
        victim.keyboard.press("Escape")
        expect(drawer).to_be_hidden()
    shown = victim.locator("body").inner_text()
    assert "<iframe id=xss" in shown, "as text, it is there"


def test_F11_rows_that_an_event_brings_are_text(
    victim: Page, mallory: tuple[SignedIn, dict]
) -> None:
    from app.core import events
    from tests.features.transactions import ledgers

    household_id, page_id = mallory[0].person.household_id, UUID(mallory[1]["journal_page_id"])
    victim.goto("/transactions")
    expect(victim.locator("tr[data-row]")).to_have_count(50)
    opened = ledgers.open_ledger(household_id, ["late"])
    late = ledgers.record("late", "-77.77", account="late", description=f"LATE {PAYLOADS[20]}")
    ledgers.bring(opened, late, page_id=page_id)
    events.publish(household_id, "transactions_edited", toast=PAYLOADS[20])

    expect(victim.get_by_text("LATE <img").first).to_be_visible()
    look(victim, "live")


def test_F11_what_is_typed_and_comes_back_is_text(victim: Page) -> None:
    victim.goto("/transactions")
    for payload in PAYLOADS[::16]:
        victim.get_by_role("searchbox", name="Search transactions").fill(payload)
        victim.get_by_role("searchbox", name="Search transactions").press("Enter")
        expect(victim.get_by_label("Active filters")).to_contain_text(payload[:20])
        look(victim, payload)
    victim.goto("/imports")
    chosen = FilePayload(name=PAYLOADS[20], mimeType="text/csv", buffer=b"%PDF-1.4 <img id=xss>")
    victim.locator("input[type=file]").set_input_files(chosen)
    expect(victim.get_by_text("It is a PDF").first).to_be_visible()
    look(victim, "refused file")


@pytest.mark.parametrize(
    "address",
    [
        "/{}",
        "/transactions/{}",
        "/transactions?search={0}&amount_min={0}&account={0}",
        "/history?account={}",
        "/sign-in?next={}",
        "/confirm?next={}",
        "/join?token={}",
        "/reset-password?token={}",
    ],
)
def test_F11_an_address_and_its_error_page_are_text(victim: Page, address: str) -> None:
    for payload in PAYLOADS[1::10]:
        answer = victim.goto(address.format(quote(payload, safe="")))
        assert answer is not None
        assert answer.status < 500, payload
        look(victim, payload)
