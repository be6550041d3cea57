"""sqlmap: whether SQL gets through any parameter of the API and the pages."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

from scripts.scan import planted, requests
from scripts.scan.findings import Outcome, run, say
from scripts.scan.requests import Request
from scripts.scan.target import Target

LEVEL, RISK = 2, 2
AT_ONCE = 2
MINUTES_IN_ALL = 15
"""Which the requests share: what one leaves over is there for those after it."""
SECONDS_ALONE = 300
"""For one that was suspected and then cut short: at a second look nobody else changes answers."""
SECONDS_MIN = 10
_CUT = "cut short"
TESTED = re.compile(r"testing for SQL injection on (.+?) parameter '(.+?)'")
FOUND = re.compile(r"^Parameter: (.+) \(.+\)$", re.MULTILINE)
SUSPECTED = re.compile(r"parameter '(.+?)' (?:appears to be .*injectable|is vulnerable)")
CLEARED = re.compile(r"parameter '(.+?)' does not seem to be injectable")
"""Of a suspicion, too: sqlmap tries again what it suspects, and says when it was a false one."""


def attack(target: Target, folder: Path, *, minutes: int) -> Outcome:
    """Let sqlmap at every request, two at a time, once it has found what is planted for it."""
    if not finds_what_is_planted(target.database, folder):
        return Outcome("sqlmap: blind", ("sqlmap does not find an injection that is there",))
    with urllib.request.urlopen(f"{target.url}/openapi.json", timeout=30) as answer:
        document = json.load(answer)
    wanted = requests.all_of(document, target)
    say(f"sqlmap: {len(wanted)} requests, level {LEVEL}, risk {RISK}")
    refused = tuple(_refused(target.url, wanted))
    logs = _attack_all(target.url, folder, wanted, minutes=minutes)
    tested = sum(len(TESTED.findall(log)) for log in logs)
    findings = tuple(
        finding
        for request, log in zip(wanted, logs, strict=True)
        for finding in judge(request, log)
    )
    findings = (*refused, *findings)
    summary = (
        f"sqlmap, level {LEVEL}, risk {RISK}: {tested} parameters of {len(wanted)} requests, "
        f"{sum(map(was_cut, logs))} cut short, {len(findings)} findings"
    )
    return Outcome(summary, findings)


def _attack_all(url: str, folder: Path, wanted: list[Request], *, minutes: int) -> list[str]:
    """Let sqlmap at the requests, each for its share of the time that is left; return its logs."""
    until = time.monotonic() + 60 * minutes

    def attack_next(number: int) -> str:
        seconds = share(until - time.monotonic(), len(wanted) - number)
        return _attack(url, folder, number, wanted[number], seconds_max=seconds)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        logs = list(pool.map(attack_next, range(len(wanted))))
    return [
        _attack(url, folder, number, wanted[number], seconds_max=SECONDS_ALONE)
        if is_in_doubt(log)
        else log
        for number, log in enumerate(logs)
    ]


def share(seconds_left: float, requests_left: int) -> float:
    """Return how long one of the requests may take so that all get their turn in time."""
    return max(SECONDS_MIN, seconds_left * AT_ONCE / (requests_left + AT_ONCE - 1))


def _refused(url: str, wanted: list[Request]) -> Iterator[str]:
    """Yield the requests that do not get as far as what is attacked, as they are without attack."""
    for request in wanted:
        connection = HTTPConnection(url.partition("//")[2], timeout=30)
        path = request.path.replace("*", "")
        headers = {name: value.replace("*", "") for name, value in request.headers.items()}
        connection.request(request.method, path, request.body.encode(), headers)
        status = connection.getresponse().status
        connection.close()
        if status in (403, 429) or status >= 500 or (status == 401 and not request.is_open):
            yield f"not attacked: {request.name} answers {status}"


def finds_what_is_planted(database: str, folder: Path) -> bool:
    """Tell whether sqlmap, as it is used here, finds a parameter that lets SQL through."""
    request = Request("GET", "/?name=tea", {}, "", ("name",))
    with planted.running(database) as url:
        log = _attack(url, folder, 999, request, seconds_max=SECONDS_ALONE)
    return list(judge(request, log)) == ["injectable: GET /, name"]


def _attack(url: str, folder: Path, number: int, request: Request, *, seconds_max: float) -> str:
    """Let sqlmap at one request; return what it wrote."""
    stem = folder / f"sqlmap-{number:03}"
    file, log = stem.with_suffix(".request"), stem.with_suffix(".log")
    file.write_text(_raw(url, request), encoding="utf-8", newline="")
    # Named, or sqlmap would take a parameter with `token` in its name for one against forgery.
    is_marked = request.parameters == requests.MARKED
    which = (
        "--skip=user-agent,referer,host,cookie"
        if is_marked
        else f"-p{','.join(request.parameters)}"
    )
    command = [
        "sqlmap", f"-r{file}", "--batch", f"--level={LEVEL}", f"--risk={RISK}",
        "--dbms=PostgreSQL", which, "--ignore-code=*",
        "--ignore-redirects", "--skip-waf", "--flush-session", "--disable-coloring",
        f"--output-dir={stem}", "--timeout=30", "--retries=1",
    ]  # fmt: skip
    status = run(command, log, seconds_max=seconds_max)
    written = log.read_text("utf-8", "replace")
    return written if status == 0 else f"{written}\n{_CUT if status is None else status}"


def was_cut(log: str) -> bool:
    """Tell whether sqlmap was stopped before it was through with a request."""
    return log.endswith(_CUT)


def is_in_doubt(log: str) -> bool:
    """Tell whether sqlmap was stopped between a suspicion and its own test of that."""
    suspected = set(SUSPECTED.findall(log)) - set(CLEARED.findall(log))
    return was_cut(log) and bool(suspected) and not FOUND.search(log)


def judge(request: Request, log: str) -> Iterator[str]:
    """Yield what sqlmap found, and whatever it was asked to try and did not.

    What it had no time for is counted in the summary, if it got as far as a first parameter.
    """
    suspected = set(SUSPECTED.findall(log)) - set(CLEARED.findall(log))
    for parameter in sorted({*FOUND.findall(log), *suspected}):
        yield f"injectable: {request.name}, {parameter}"
    tried = [parameter for _, parameter in TESTED.findall(log)]
    if tried and was_cut(log):
        return
    for name in request.parameters:
        if not any(each == name or each.endswith(f" {name}") for each in tried):
            yield f"not tested: {request.name}, {name}: {log.strip()[-300:]}"


def _raw(url: str, request: Request) -> str:
    lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {url.partition('//')[2]}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([*lines, "", request.body])
