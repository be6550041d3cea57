"""Pages, fragments, problems, and what templates may not contain."""

import re
from pathlib import Path

import pytest
from starlette.requests import Request

from app.ui.assets import static_assets
from app.ui.filters import Formatting
from app.ui.templating import (
    Flash,
    PageContext,
    Viewer,
    environment,
    render,
    render_problem,
    render_text,
)

TEMPLATES = sorted(
    [*Path("app/ui/templates").rglob("*.html"), *Path("app/features").glob("*/templates/**/*.html")]
)
SCRIPTS = sorted(Path("app/ui/static/js").glob("*.js"))


def request(*, context: PageContext | None = None, **headers: str) -> Request:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/somewhere",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()],
        "state": {"page_context": context} if context else {},
    }
    return Request(scope)


SIGNED_IN = PageContext(viewer=Viewer("Ada", "ada@example.com", "Winter"), csrf_token="t0ken")


def body(response) -> str:
    return response.body.decode()


def test_a_page_is_whole_for_a_link_and_a_part_for_htmx():
    page = {"page": "preview/home.html", "fragment": "errors/_toast.html"}
    context = {"message": "Hm", "retry_after_seconds": None}
    assert "<!doctype html>" in body(render(request(), **page, **context))
    assert "<!doctype html>" in body(render(request(hx_request_type="full"), **page, **context))
    assert "<html" not in body(render(request(hx_request_type="partial"), **page, **context))


def test_answers_are_kept_by_no_cache_and_vary_by_what_was_asked():
    headers = render_problem(request(), status=404, message="Hm").headers
    assert headers["cache-control"] == "no-store"
    assert headers["vary"] == "HX-Request-Type"


def test_text_from_banks_is_escaped_everywhere():
    hostile = "<img src=x onerror=alert(1)>\"'"
    flash = Flash(hostile, "danger")
    context = PageContext(viewer=Viewer(hostile, hostile, hostile), csrf_token='"><script>',
                          flashes=(flash,))  # fmt: skip
    for headers in ({}, {"hx_request_type": "partial"}):
        html = body(
            render_problem(request(context=context, **headers), status=404, message=hostile)
        )
        assert "<img" not in html
        assert '"><script>' not in html


@pytest.mark.parametrize("status", [403, 404, 418, 429, 500, 503])
def test_a_problem_has_a_page_and_a_toast(status):
    page = render_problem(request(), status=status, message="Why", retry_after_seconds=7)
    assert (page.status_code, page.headers["retry-after"]) == (status, "7")
    assert "Why" in body(page)
    assert "/sign-out" not in body(page)  # a stranger sees no navigation
    toast = render_problem(
        request(context=SIGNED_IN, hx_request_type="partial"), status=status, message="Why"
    )
    assert (toast.headers["hx-retarget"], toast.headers["hx-reswap"]) == ("#toasts", "beforeend")


@pytest.mark.parametrize(("cookie", "theme"), [("dark", "dark"), ("light", "light"), ("<x>", None)])
def test_the_theme_is_in_the_page_before_any_script_runs(cookie, theme):
    html = body(render_problem(request(cookie=f"theme={cookie}"), status=404, message="Hm"))
    found = re.search(r'<html lang="en"(?: data-theme="(\w+)")?>', html)
    assert found
    assert found.group(1) == theme


def test_the_reader_s_locale_decides_formats_and_ends_with_the_page():
    context = PageContext(formatting=Formatting("de_DE"))
    german = render_text(request(context=context), "errors/_toast.html", message="",
                         retry_after_seconds=12345)  # fmt: skip
    english = render_text(request(), "errors/_toast.html", message="", retry_after_seconds=12345)
    assert "12.345" in german
    assert "12,345" in english


def test_every_template_compiles():
    for name in environment.list_templates():
        environment.get_template(name)
    assert len(environment.list_templates()) == len(TEMPLATES)


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_a_template_holds_nothing_that_the_policy_forbids(path):
    text = path.read_text()
    assert not re.search(r"\son[a-z]+=|\sstyle=|<style|javascript:|hx-on|\"js:|hx-vals", text)
    assert not re.search(r"\|\s*safe\b|autoescape", text)
    for script in re.findall(r"<script\b[^>]*>(.*?)</script>", text, re.DOTALL):
        assert not script.strip()


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_every_form_that_changes_something_carries_a_token(path):
    for form in re.findall(r"<form\b.*?</form>", path.read_text(), re.DOTALL):
        if 'method="post"' in form.partition(">")[0]:
            assert "csrf(" in form


def test_every_icon_that_templates_name_was_fetched():
    text = "\n".join(path.read_text() for path in TEMPLATES)
    names = set(re.findall(r'icon(?:_name)?(?:\(|=)"([a-z0-9-]+)"', text))
    assert len(names) > 20
    assert names <= static_assets.icons.keys()


@pytest.mark.parametrize("path", SCRIPTS, ids=str)
def test_scripts_put_no_text_into_the_page_as_html_and_keep_no_data(path):
    text = path.read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(", text
    )
    assert not re.search(r"localStorage|sessionStorage|indexedDB", text)
    assert "http:" not in text.replace('"http:', "")
    assert len(text.splitlines()) < 300
