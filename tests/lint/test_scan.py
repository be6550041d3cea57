"""C4, F13: `make scan` sees what its scanners find, and does not take silence for safety.

That they find nothing is what `make scan` shows; it takes minutes and packages from PyPI.
"""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI

from app.core.config import settings
from scripts.scan import flows, injections, planted, properties, requests, samples
from scripts.scan.requests import Request
from scripts.scan.target import Target
from tests.routes import NOBODY

ROOT = Path(__file__).resolve().parents[2]
CLEAN: dict[str, Any] = {
    "schemathesis_version": "4.32.5",
    "seed": 7,
    "complete": True,
    "exit_code": 0,
    "operations": {"total": 9, "selected": 3, "tested": 3},
    "test_cases": {"generated": 1234, "unique_failures": 0},
    "failures": [],
    "errors": [],
    "auth": {"reauth_broke": False},
}
FAILURE = {"title": "Server error", "operations": ["GET /api/v1/history/"], "count": 2}


def test_C4_a_run_without_findings_is_clean() -> None:
    outcome = properties.judge(CLEAN)
    assert outcome.findings == ()
    assert outcome.summary == (
        "schemathesis 4.32.5: 3 of 3 operations, 1,234 requests, 0 findings, seed 7"
    )


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"failures": [FAILURE], "exit_code": 1}, "Server error: GET /api/v1/history/"),
        ({"errors": [{"title": "Network Error", "count": 2}]}, "Network Error, 2 times"),
        ({"complete": False}, "schemathesis did not finish"),
        ({"operations": {"total": 9, "selected": 0, "tested": 0}}, "schemathesis did not finish"),
        ({"operations": {"selected": 3, "tested": 2}}, "1 operations were not tested"),
        ({"auth": {"reauth_broke": True}}, "schemathesis could not sign in again"),
        ({"exit_code": 1}, "schemathesis ended with status 1"),
    ],
)
def test_C4_whatever_schemathesis_finds_or_leaves_out_is_a_finding(
    change: dict[str, Any], finding: str
) -> None:
    assert properties.judge({**CLEAN, **change}).findings == (finding,)


# --- What sqlmap is let at ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def wanted(app: FastAPI) -> list[Request]:
    """The requests that sqlmap attacks."""
    names = re.findall(r"\{(\w+)\}", " ".join(app.openapi()["paths"]))
    ids = dict.fromkeys(names, NOBODY)
    target = Target(
        url="http://localhost", home=ROOT, email="", database="", password="", token="t",
        cookie="c=1", csrf_token="x", ids=ids,
    )  # fmt: skip
    return requests.all_of(app.openapi(), target)


def test_F13_every_parameter_of_the_api_is_attacked(app: FastAPI, wanted: list[Request]) -> None:
    attacked = {request.name: set(request.parameters) for request in wanted}
    of_filter = attacked["GET /api/v1/transactions/"]
    assert {"search", "account", "date_to", "amount_min", "direction", "cursor"} <= of_filter
    seen = 0
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            names = {
                each["name"]
                for each in operation.get("parameters", ())
                if each["in"] == "query" and not re.search('"boolean"|"csv"', json.dumps(each))
            }
            if path.startswith("/api/v1/") and names:
                name = f"{method.upper()} {re.sub('{.*?}', NOBODY, path)}"
                if "search" in names:
                    names -= of_filter
                assert names <= attacked.get(name, set()), name
                seen += len(names)
    assert seen >= 12


def test_F13_bodies_and_forms_are_attacked(wanted: list[Request]) -> None:
    attacked = {request.name: set(request.parameters) for request in wanted}
    for name, parameters in {
        f"PUT /api/v1/transactions/{NOBODY}": {"note", "counterparty"},
        "POST /api/v1/auth/login": {"username", "password"},
        "POST /api/v1/imports/": {"currency", "account_id"},
        "POST /sign-in": {"email", "password"},
    }.items():
        assert parameters <= attacked[name], name


# --- What sqlmap says ---------------------------------------------------------------------------

ASKED = Request("GET", "/?name=tea&page=1", {}, "", ("name", "page"))
TRIED = """
[16:24:40] [INFO] testing for SQL injection on GET parameter 'name'
[16:24:41] [INFO] GET parameter 'name' appears to be 'AND boolean-based blind' injectable
{name}
[16:24:50] [INFO] testing for SQL injection on (custom) POST parameter 'JSON page'
[16:24:58] [WARNING] (custom) POST parameter 'JSON page' does not seem to be injectable
"""
CLEARED = "[16:24:49] [WARNING] GET parameter 'name' does not seem to be injectable"
POINT = "sqlmap identified the following injection point(s)\n---\nParameter: name (GET)\n---"


@pytest.mark.parametrize(
    ("log", "findings"),
    [
        (TRIED.format(name=CLEARED), []),
        (TRIED.format(name=POINT), ["injectable: GET /, name"]),
        (TRIED.format(name=""), ["injectable: GET /, name"]),
    ],
)
def test_F13_what_sqlmap_finds_or_suspects_to_the_end_is_a_finding(
    log: str, findings: list[str]
) -> None:
    assert list(injections.judge(ASKED, log)) == findings


def test_F13_what_sqlmap_left_out_is_a_finding() -> None:
    found = list(injections.judge(ASKED, "[CRITICAL] unable to connect to the target URL"))
    assert [finding.partition(": [")[0] for finding in found] == [
        "not tested: GET /, name", "not tested: GET /, page",
    ]  # fmt: skip


def test_F13_what_sqlmap_had_no_time_for_is_counted_and_no_finding() -> None:
    begun = TRIED.format(name=CLEARED).partition("[16:24:50]")[0] + "\ncut short"
    assert injections.was_cut(begun)
    assert list(injections.judge(ASKED, begun)) == []


def test_F13_requests_share_the_time_so_that_the_last_gets_its_turn() -> None:
    in_all = 60 * injections.MINUTES_IN_ALL
    at, running = 0.0, [0.0, 0.0]
    for number in range(43):  # as if each took all it may
        at = min(running)
        running[running.index(at)] += injections.share(in_all - at, 43 - number)
    assert at < in_all
    assert max(running) <= in_all + 2 * injections.SECONDS_MIN
    assert injections.share(400, 1) == 400


def test_F13_what_sqlmap_suspects_or_never_began_is_a_finding_though_time_ran_out() -> None:
    suspected = TRIED.format(name="") + "\ncut short"
    assert list(injections.judge(ASKED, suspected)) == ["injectable: GET /, name"]
    for log in ("", "[INFO] testing connection\ncut short"):
        assert len(list(injections.judge(ASKED, log))) == 2, log


@pytest.mark.parametrize(
    ("log", "is_in_doubt"),
    [
        (TRIED.format(name=""), False),
        (TRIED.format(name="") + "\ncut short", True),
        (TRIED.format(name=CLEARED) + "\ncut short", False),
        (TRIED.format(name=POINT) + "\ncut short", False),
    ],
)
def test_F13_what_was_stopped_before_it_tested_its_suspicion_is_asked_again_alone(
    log: str, is_in_doubt: bool
) -> None:
    assert injections.is_in_doubt(log) is is_in_doubt


def test_F13_what_is_planted_for_sqlmap_lets_sql_through() -> None:
    address = settings.DATABASE_URL.get_secret_value()
    with planted.running(address) as url:
        answers = [
            urllib.request.urlopen(f"{url}/?{urlencode({'name': name})}").read()
            for name in ("tea", "milk", "milk' OR true --", "milk' UNION SELECT 'stolen")
        ]
    assert answers == [b"tea", b"nothing", b"tea\ncoffee\ncake", b"stolen"]


# --- What semgrep reads -------------------------------------------------------------------------

REPORT: dict[str, Any] = {
    "version": "1.185.0",
    "paths": {"scanned": ["app/main.py", "app/icon.svg"]},
    "results": [],
    "errors": [],
}
RESULT = {
    "check_id": "scripts.scan.text-in-sql",
    "path": "app/main.py",
    "start": {"line": 7},
    "extra": {"message": "No."},
}
SILENCED = re.compile(r"(#|<!--|\{#) nosemgrep")
REASONED = re.compile(r"# nosemgrep: ([a-z-]+) - \w+")


def test_C4_code_without_findings_is_clean() -> None:
    outcome = flows.judge(REPORT, {"app/main.py"})
    assert outcome.findings == ()
    assert outcome.summary == "semgrep 1.185.0: 13 rules, 1 files, 0 findings"


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"results": [RESULT]}, "text-in-sql: app/main.py:7: No."),
        ({"errors": [{"type": "Timeout", "message": "long"}]}, "semgrep: Timeout: long"),
        ({"paths": {"scanned": []}}, "semgrep did not read app/main.py"),
    ],
)
def test_C4_whatever_semgrep_finds_or_leaves_out_is_a_finding(
    change: dict[str, Any], finding: str
) -> None:
    assert flows.judge({**REPORT, **change}, {"app/main.py"}).findings == (finding,)


def test_C4_every_rule_has_code_that_breaks_it_and_code_that_does_not() -> None:
    rules = set(re.findall(r"^  - id: (\S+)$", flows.RULES.read_text("utf-8"), re.MULTILINE))
    assert rules == set(samples.BROKEN) == set(samples.RIGHT)
    assert all((*samples.BROKEN.values(), *samples.RIGHT.values()))


def test_C4_what_semgrep_is_told_to_overlook_is_one_rule_with_a_reason() -> None:
    seen = 0
    for path in sorted((ROOT / "app").rglob("*")):
        if path.suffix in (".py", ".html") and "vendor" not in path.parts:
            for line in path.read_text("utf-8").splitlines():
                if SILENCED.search(line):
                    found = REASONED.search(line)
                    assert found is not None, f"{path}: {line}"
                    assert found[1] in samples.BROKEN, f"{path}: {line}"
                    seen += 1
    assert seen
