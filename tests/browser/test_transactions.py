"""The list of transactions with a bank behind it: filters, scrolling, the drawer."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Installation, SignedIn, sign_in
from tests.providers import language_model
from tests.providers.local_server import Answer

ROWS_MAX = 2_000


@pytest.fixture(scope="module")
def grace(chromium: Browser, installation: Installation) -> Iterator[SignedIn]:
    """Somebody with two years of transactions; the page is not for tests to use."""
    context = chromium.new_context(base_url=installation.url)
    grace = sign_in(context.new_page(), installation, "Grace")
    grace.link("user_good")
    yield grace
    context.close()


@pytest.fixture
def list_page(grace: SignedIn, context: BrowserContext, page: Page) -> Page:
    """The list, opened by that person."""
    context.add_cookies(grace.page.context.cookies())
    page.goto("/transactions")
    return page


def rows(page: Page):
    return page.locator("tr[data-row]")


def count(page: Page) -> int:
    """Return how many transactions the list says it has."""
    text = page.locator("#totals").inner_text()
    return int(re.match(r"([\d,]+) transaction", text)[1].replace(",", ""))


def test_scrolling_reaches_the_very_last_row(list_page: Page) -> None:
    total = count(list_page)
    assert 50 < total < ROWS_MAX
    expect(rows(list_page)).to_have_count(50)

    for _ in range(ROWS_MAX // 50):
        if list_page.get_by_text("That is all.").count():
            break
        seen = rows(list_page).count()
        list_page.mouse.wheel(0, 100_000)
        list_page.locator(f"tr[data-row] >> nth={seen}").wait_for(state="attached")

    expect(rows(list_page)).to_have_count(total)
    days = list_page.locator("tr.day time").evaluate_all("all => all.map(each => each.dateTime)")
    assert days == sorted(set(days), reverse=True)


def test_filters_narrow_the_list_and_can_be_taken_away(list_page: Page) -> None:
    total = count(list_page)
    list_page.get_by_text("Filters", exact=True).click()
    list_page.get_by_label("Direction").select_option("in")
    expect(list_page).to_have_url(re.compile(r"/transactions\?direction=in$"))
    chip = list_page.get_by_role("link", name=re.compile("Money in"))
    expect(chip).to_be_visible()
    expect(rows(list_page).first.locator(".amount")).to_contain_text("+")
    assert list_page.locator("tr[data-row] .amount", has_not_text="+").count() == 0

    chip.click()
    expect(list_page).to_have_url(re.compile(r"/transactions$"))
    expect(list_page.locator("#totals")).to_contain_text(f"{total:,} transactions")


def test_a_wrong_filter_is_told_beside_its_field_and_the_focus_stays(
    list_page: Page, tolerated: list[str]
) -> None:
    tolerated.append("422")
    list_page.get_by_text("Filters", exact=True).click()
    least = list_page.get_by_label("At least")
    least.fill("lots")
    least.press("Tab")

    expect(list_page.locator("#amount_min-error")).to_have_text("Write the amount as 1234.56.")
    expect(list_page.get_by_label("At most")).to_be_focused()
    expect(least).to_have_value("lots")

    least.fill("100")
    least.press("Tab")
    expect(list_page.locator("#amount_min-error")).to_have_count(0)
    expect(list_page.get_by_role("link", name=re.compile("At least 100"))).to_be_visible()


def test_the_drawer_tells_all_and_takes_a_name_a_category_and_a_note(list_page: Page) -> None:
    row = rows(list_page).nth(1)
    row_id = row.get_attribute("id")
    row.locator("a.row-link").click()
    drawer = list_page.locator("#drawer")
    expect(drawer.get_by_text("What the bank wrote")).to_be_visible()
    drawer.get_by_text("Everything the bank said").click()
    expect(drawer.get_by_text("personal_finance_category.detailed")).to_be_visible()

    drawer.get_by_label("Name").fill("The place by the harbour")
    drawer.get_by_label("Category").select_option(label="\N{EM SPACE}Groceries")
    drawer.get_by_label("Note").fill("with Ben")
    drawer.get_by_role("button", name="Save").click()
    expect(drawer.get_by_text("Saved")).to_be_visible()
    expect(drawer.get_by_text("with Ben").last).to_be_visible()
    list_page.keyboard.press("Escape")

    changed = list_page.locator(f"#{row_id}")
    expect(changed).to_contain_text("The place by the harbour")
    expect(changed).to_contain_text("Groceries")
    list_page.reload()
    expect(changed).to_contain_text("The place by the harbour")


def test_a_language_model_suggests_and_one_click_fills_the_form(
    list_page: Page, grace: SignedIn, tolerated: list[str]
) -> None:
    server = grace.installation.model
    server.answers = [language_model.refusal(401)]
    rows(list_page).nth(4).locator("a.row-link").click()
    drawer = list_page.locator("#drawer")
    name, note = drawer.get_by_label("Name"), drawer.get_by_label("Note")
    note.fill("typed before asking")
    asked = len(server.requests)
    tolerated.append("503")
    drawer.get_by_role("button", name="What is this?").click()
    expect(drawer.get_by_text("corrects OPENAI_API_KEY")).to_be_visible()
    expect(note).to_have_value("typed before asking")

    server.answers = [suggestion(server.requests[asked].json, "Coffee")]
    drawer.get_by_role("button", name="Ask again").click()
    expect(drawer.get_by_text("<b>The corner</b>")).to_be_visible()
    assert name.input_value() == ""

    drawer.get_by_role("button", name="Fill it in").click()
    expect(name).to_have_value("<b>The corner</b>")
    expect(drawer.get_by_label("Category").locator("option:checked")).to_have_text(
        re.compile("Coffee")
    )
    expect(note).to_have_value("typed before asking")
    expect(drawer.get_by_role("button", name="Save")).to_be_focused()
    list_page.keyboard.press("Enter")
    expect(drawer.get_by_text("Saved")).to_be_visible()
    expect(drawer.get_by_role("heading", name="<b>The corner</b>")).to_be_visible()


def test_a_late_suggestion_does_not_land_at_another_transaction(
    list_page: Page, grace: SignedIn
) -> None:
    server, may_answer = grace.installation.model, threading.Event()

    def late(handler: BaseHTTPRequestHandler) -> None:
        may_answer.wait(20)
        values = {"name": "Too late", "category": "none", "reason": "It took long."}
        language_model.completion(values)(handler)

    server.answers = [late]
    asked = len(server.requests)
    rows(list_page).nth(5).locator("a.row-link").click()
    drawer = list_page.locator("#drawer")
    button = drawer.get_by_role("button", name="What is this?")
    button.click()
    expect(button).to_be_disabled()
    list_page.keyboard.press("Escape")
    with list_page.expect_response(re.compile("/ask$")):
        rows(list_page).nth(6).locator("a.row-link").click()
        expect(button).to_be_enabled()
        may_answer.set()
    list_page.wait_for_timeout(500)

    assert len(server.requests) == asked + 1
    expect(drawer.get_by_text("Too late")).to_have_count(0)
    expect(button).to_be_visible()
    expect(list_page.locator("#toasts .toast")).to_have_count(0)


def suggestion(asked: dict, category: str) -> Answer:
    """Return an answer that names one of the categories that were offered."""
    offered = json.loads(asked["messages"][1]["content"])["categories"]
    id_ = next(id_ for id_, path in offered.items() if path.endswith(category))
    values = {"name": "<b>The corner</b>", "category": id_, "reason": "It says so."}
    return language_model.completion(values)


def test_the_keyboard_is_enough(list_page: Page) -> None:
    list_page.keyboard.press("j")
    list_page.keyboard.press("j")
    list_page.keyboard.press("Enter")
    expect(list_page.locator("#drawer").get_by_text("What the bank wrote")).to_be_visible()
    list_page.keyboard.press("Escape")
    list_page.keyboard.press("/")
    expect(list_page.get_by_role("searchbox", name="Search transactions")).to_be_focused()


@pytest.mark.parametrize("path", ["/", "/transactions", "/accounts", "/connections", "/imports"])
def test_nothing_is_wider_than_a_phone(list_page: Page, path: str) -> None:
    list_page.set_viewport_size({"width": 375, "height": 812})
    list_page.goto(path)
    expect(list_page.get_by_role("heading", level=1)).to_be_visible()

    too_wide = list_page.evaluate(
        """() => [...document.querySelectorAll("body *")]
            .filter((each) => each.getBoundingClientRect().width > 0
                && each.getBoundingClientRect().right > innerWidth + 0.5
                && !each.closest(".table-wrap, .visually-hidden, dialog, [popover]"))
            .map((each) => `${each.tagName}.${each.className}`)"""
    )
    assert too_wide == []


def test_everything_needed_works_without_script(
    chromium: Browser, installation: Installation, grace: SignedIn
) -> None:
    context = chromium.new_context(base_url=installation.url, java_script_enabled=False)
    page = context.new_page()
    from tests.factories.people import PASSWORD  # reads the environment

    page.goto("/transactions")
    page.get_by_label("E-mail").fill(grace.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="Older transactions").click()
    expect(page.get_by_role("link", name="Back to the newest")).to_be_visible()
    page.get_by_role("link", name="Back to the newest").click()

    page.get_by_role("searchbox", name="Search transactions").fill("starbucks")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(rows(page).first).to_contain_text(re.compile("starbucks", re.IGNORECASE))
    page.get_by_role("link", name="Show the sums").click()
    expect(page.locator("#totals")).to_contain_text("transactions")

    rows(page).first.locator("a.row-link").click()
    page.get_by_label("Note").fill("seen without script")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("Note")).to_have_value("seen without script")
    context.close()
