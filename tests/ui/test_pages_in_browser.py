"""What only a browser shows, on the preview's pages: reach, fit, keys, and life without scripts."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.ui.preview_data import LONG_ACCOUNT, LONG_CATEGORY

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("preview")]

AXE = Path(".tools/axe/axe.min.js")
PAGES = [
    "/components", "/sign-in", "/register", "/welcome", "/overview", "/overview?new",
    "/accounts", "/accounts?empty",
    "/accounts/everyday", "/accounts/store", "/accounts/brokerage",
    "/transactions", "/transactions?search=market&direction=out", "/transactions?search=zzzz",
    "/transactions/0002", "/connections", "/connections?empty", "/connections/heron/progress",
    "/imports", "/imports/preview", "/imports/1", "/settings", "/problems/404", "/problems/500",
    "/settings/privacy", "/settings/audit",
    "/sign-in/code", "/confirm", "/settings/two-step/off", "/settings/two-step/setup",
    "/settings/two-step/codes", "/settings/two-step/on", "/household", "/household?viewer", "/join",
    "/settings/tokens", "/settings/tokens?made", "/settings/tokens/new", "/reset-password",
    "/notices", "/notices?none", "/settings/passkeys", "/settings/passkeys?none",
]  # fmt: skip
WIDTHS = [320, 360, 375, 768, 1024, 1440]
BEYOND_THE_EDGE = """() => [...document.querySelectorAll("body *")]
  .filter((element) => element.checkVisibility() && !element.closest(
      ".table-wrap, .visually-hidden, .skip-link, .sparkline, .truncate"))
  .map((element) => [element, element.getBoundingClientRect()])
  .filter(([, box]) => box.width > 0 && (box.right > document.documentElement.clientWidth + 0.5
      || box.left < -0.5))
  .map(([element]) => `${element.tagName}.${element.getAttribute("class")}`)"""


BEYOND_THE_CELL = """() => [...document.querySelectorAll("[data-row] > td")].flatMap((cell) => {
    const edge = cell.getBoundingClientRect().right + 0.5;
    return [...cell.querySelectorAll(":not(.visually-hidden, .truncate *)")]
      .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > edge)
      .map((each) => each.textContent);
})"""


def open_page(browser: Browser, url: str, *, width: int = 1280, **options: object) -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(url)
    return page


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("dark", 375)])
def test_axe_finds_nothing(browser, preview_url, theme, width):
    if not AXE.exists():
        pytest.skip("axe-core is not there: python scripts/fetch_assets.py --dev")
    # axe is put into the page by a script element, which the policy forbids, rightly.
    page = open_page(browser, "about:blank", width=width, color_scheme=theme, bypass_csp=True)
    found = {}
    for path in PAGES:
        page.goto(preview_url + path)
        page.add_script_tag(path=AXE)
        violations = page.evaluate("async () => (await axe.run()).violations")
        if violations:
            found[path] = [
                (v["id"], [node["html"][:160] for node in v["nodes"]][:3]) for v in violations
            ]
    page.context.close()
    assert not found, json.dumps(found, indent=1)


@pytest.mark.parametrize("state", ["drawer", "palette", "shortcuts", "unlink", "menu", "filters"])
def test_axe_finds_nothing_in_what_opens(browser, preview_url, state):
    if not AXE.exists():
        pytest.skip("axe-core is not there: python scripts/fetch_assets.py --dev")
    path = "/connections" if state == "unlink" else "/transactions"
    page = open_page(browser, preview_url + path, bypass_csp=True, reduced_motion="reduce")
    expect(page.locator("[data-row], .connection").first).to_be_visible()
    open_state(page, state)
    page.add_script_tag(path=AXE)
    violations = page.evaluate("async () => (await axe.run()).violations")
    page.context.close()
    assert not violations, json.dumps([(v["id"], v["nodes"][0]["html"]) for v in violations])


def open_state(page: Page, state: str) -> None:
    if state == "drawer":
        page.locator("[data-row] a").first.click()
        expect(page.locator("#drawer")).to_be_visible()
    elif state == "palette":
        page.keyboard.press("Control+k")
        expect(page.locator(".palette-item").first).to_be_visible()
    elif state == "shortcuts":
        page.keyboard.press("?")
        expect(page.locator("#shortcuts")).to_be_visible()
    elif state == "unlink":
        page.get_by_role("button", name="Unlink").first.click()
        expect(page.get_by_role("dialog", name="Unlink")).to_be_visible()
    elif state == "menu":
        page.locator(".sidebar summary").click()
        expect(page.locator(".sidebar .menu-panel")).to_be_visible()
    else:
        page.locator(".filter-details summary").click()
        expect(page.locator("#direction")).to_be_visible()


def test_nothing_is_beyond_the_edge_of_the_screen(browser, preview_url):
    page = open_page(browser, preview_url)
    beyond = {}
    for path in PAGES:
        page.goto(preview_url + path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("innerWidth") == width
            if found := page.evaluate(BEYOND_THE_EDGE):
                beyond[f"{path} at {width}"] = found[:5]
    page.context.close()
    assert not beyond, json.dumps(beyond, indent=1)


@pytest.mark.parametrize("width", [390, 768, 1024, 1280])
def test_long_names_stay_in_their_columns_and_are_told_in_full(browser, preview_url, width):
    page = open_page(browser, preview_url + "/transactions?search=skyline", width=width)
    expect(page.locator("[data-row]").first).to_be_visible()
    beyond = page.evaluate(BEYOND_THE_CELL)
    hovered = page.locator("[data-row]").first.evaluate(
        """(row) => {
            const box = row.querySelector(".amount").getBoundingClientRect();
            const top = document.elementFromPoint(box.left - 20, box.top + box.height / 2);
            return top.closest("[title]").title;
        }"""
    )
    page.context.close()
    assert not beyond
    assert hovered == f"{LONG_ACCOUNT} · {LONG_CATEGORY}"


def test_no_page_breaks_the_policy_leaves_the_origin_or_complains(browser, preview_url):
    page = open_page(browser, "about:blank")
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    for path in PAGES:
        if not path.startswith("/problems"):
            page.goto(preview_url + path, wait_until="load")
    page.goto(preview_url + "/transactions")
    expect(page.locator("[data-row]").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#drawer .detail-amount")).to_be_visible()
    page.context.close()
    assert not complaints
    assert all(url.startswith(preview_url) for url in requests)


def test_the_first_page_is_light_and_does_not_move(browser, preview_url):
    page = open_page(browser, "about:blank")
    sizes = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.add_init_script(
        "globalThis.shift = 0; new PerformanceObserver((list) => { for (const entry of "
        "list.getEntries()) globalThis.shift += entry.value; })"
        ".observe({type: 'layout-shift', buffered: true});"
    )
    page.goto(preview_url + "/transactions")
    expect(page.locator("[data-row]").first).to_be_visible()
    shift = page.evaluate("globalThis.shift")
    page.context.close()
    assert sum(sizes) < 200_000  # the page itself is compressed by the edge, not by the preview
    assert shift < 0.01


def test_the_list_reaches_its_end_by_scrolling(browser, preview_url):
    page = open_page(browser, preview_url + "/transactions")
    rows = page.locator("[data-row]")
    expect(rows).to_have_count(50)
    for _ in range(60):
        if page.locator(".table-end-row", has_text="That is all").count():
            break
        page.mouse.wheel(0, 6000)
        page.wait_for_timeout(50)
    expect(rows).to_have_count(400)
    ids = page.evaluate("[...document.querySelectorAll('[data-row]')].map((row) => row.id)")
    days = page.locator(".day").all_inner_texts()
    page.context.close()
    assert len(set(ids)) == 400
    assert len(days) == len(set(days))  # a day that two pages share has one heading


def test_a_search_filters_as_one_types_and_is_in_the_address(browser, preview_url):
    page = open_page(browser, preview_url + "/transactions")
    expect(page.locator("[data-row]").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("market")
    expect(page.locator("#totals")).to_contain_text("45 transactions")
    expect(page).to_have_url(f"{preview_url}/transactions?search=market")
    expect(page.locator("#announcer")).to_have_text("45 transactions found")
    expect(page.locator("#search")).to_be_focused()
    page.context.close()


def test_keys_move_open_step_on_and_close(browser, preview_url):
    page = open_page(browser, preview_url + "/transactions")
    expect(page.locator("[data-row]").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("[data-row]").nth(1)).to_have_class("transaction is-pending is-current")
    page.keyboard.press("Enter")
    drawer = page.locator("#drawer h2")
    expect(drawer).to_have_text("Corner Bakery")
    page.keyboard.press("j")
    expect(drawer).to_have_text("Lumen Streaming")
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page).to_have_url(f"{preview_url}/connections")
    page.context.close()


def test_an_edit_is_confirmed_in_the_drawer_and_changes_the_row_behind_it(browser, preview_url):
    page = open_page(browser, preview_url + "/transactions")
    page.evaluate("document.querySelector('#transaction-0000').dataset.old = 'yes'")
    page.locator("#transaction-0000 a").click()
    page.locator("#note").fill("Shared with Ben")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#drawer").get_by_role("status")).to_have_text("Saved")
    expect(page.locator("#transaction-0000:not([data-old])")).to_have_count(1)
    page.context.close()


def test_the_theme_is_chosen_at_once_and_stays(browser, preview_url):
    page = open_page(browser, preview_url + "/accounts", color_scheme="light")
    page.locator(".sidebar summary").click()
    page.locator(".sidebar").get_by_role("button", name="Dark").click()
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(12, 13, 15)"
    page.goto(preview_url + "/sign-in")
    assert page.evaluate(background) == "rgb(12, 13, 15)"
    assert page.evaluate("Object.keys(localStorage).length") == 0
    page.context.close()


def test_pages_work_without_scripts(browser, preview_url):
    page = open_page(browser, preview_url + "/transactions", java_script_enabled=False)
    page.get_by_role("searchbox").fill("market")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("[data-row]")).to_have_count(45)
    page.locator("[data-row] a").first.click()
    expect(page.locator(".detail-amount")).to_be_visible()
    page.locator("#note").fill("By hand")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    page.goto(preview_url + "/transactions")
    page.get_by_role("link", name="Older transactions").click()
    expect(page).to_have_url(f"{preview_url}/transactions?after=50")
    page.goto(preview_url + "/connections")
    page.get_by_role("button", name="Unlink").first.click()
    expect(page.get_by_role("dialog", name="Unlink")).to_be_visible()
    page.context.close()


def test_motion_is_not_forced_on_those_who_asked_for_none(browser, preview_url):
    page = open_page(browser, preview_url + "/connections", reduced_motion="reduce")
    longest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('*')].flatMap((element) => "
        "getComputedStyle(element).transitionDuration.split(',').map(parseFloat)))"
    )
    page.context.close()
    assert longest <= 0.001
