"""A file, from the drop zone to the ledger, while the list is open beside it."""

import re

from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import SignedIn

STATEMENT = b"""Date,Description,Amount,Balance
2026-11-02,CAFFE NERO 0042,-4.50,95.50
2026-11-03,SALARY ACME ROBOTICS,1200.00,1295.50
2026-11-04,RENT,-700.00,595.50
"""


def bring(page: Page, name: str = "statement.csv") -> None:
    """Choose a file, which sends it, and look at what we make of it."""
    page.goto("/imports")
    page.locator("input[type=file]").set_input_files(
        FilePayload(name=name, mimeType="text/csv", buffer=STATEMENT)
    )
    expect(page.get_by_role("heading", name="As we read it")).to_be_visible()


def test_a_file_is_looked_at_booked_and_adds_nothing_twice(ada: SignedIn) -> None:
    page, beside = ada.page, ada.page.context.new_page()
    bring(page)
    page.get_by_role("button", name=re.compile("Add 3")).click()
    expect(page.get_by_text("3 transactions added to the ledger")).to_be_visible()

    beside.goto("/transactions")
    expect(beside.locator("tr[data-row]")).to_have_count(3)
    expect(beside.get_by_role("row", name=re.compile("RENT"))).to_contain_text("$700.00")

    bring(page, "again.csv")
    expect(page.locator("#preview dl").first).to_contain_text("already in the ledger")
    page.goto("/imports")
    page.get_by_role("link", name="statement.csv").click()
    page.get_by_role("button", name="Undo").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: its rows have left the ledger")).to_be_visible()

    expect(beside.locator("tr[data-row]")).to_have_count(0)
