"""The rules of this house that no linter knows; a line with `# rule: why` is let through."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
NAMELESS = {"utils", "helpers", "util", "helper", "common", "misc", "manager", "handler"}
MONEY = re.compile(r"(^|_)(amount|balance|money|price|cost|fee|total)s?($|_)")
ESCAPE = re.compile(r"# rule: \w+")

# Who may read the environment: the settings, and what prepares it for the processes it starts.
ENVIRONMENT = (
    "app/core/config.py", "app/core/secret_files.py", "app/core/embedded/", "app/cli/",
    "app/simulator/settings.py",
)  # fmt: skip
# Who may see all households: signing in and joining one, webhooks, the schedule, and the operator
# with proofs.
CROSS_HOUSEHOLD = (
    "app/core/database.py",
    "app/features/audit/digests.py",
    "app/features/users/",
    "app/features/households/",
    "app/features/connections/service/hints.py",
    "app/features/connections/service/schedule.py",
    "app/features/connections/service/statistics.py",
    "app/features/notices/mailing.py",
    "app/features/operations/",
    "app/features/privacy/service/",
    "app/features/proof/",
    "app/features/vault/rotation.py",
    "app/cli/user.py",
)
# What may read where a replica answers: reports and exports, which never decide about a write.
READERS = (
    "app/features/dashboard/",
    "app/features/reports/",
    "app/features/transactions/exporting.py",
    "app/features/privacy/service/exporting.py",
)
# SQL lives in repositories; `system.py` holds the few statements that cross households.
SQL = ("/repository.py", "/repository/", "/system.py", "/apply.py")
SQL_NAMES = {"select", "insert", "update", "delete"}
SQL_WORDS = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|FROM|AND|ORDER BY|LIMIT|SET)\b")
CONSTANT = re.compile(r"_?[A-Z][A-Z_]*(\[\d\])?")
# What speaks HTTP, and who may: the client of the outside, and tools that ask their own server.
CLIENTS = ("urllib3", "requests", "httpx", "httpx2", "aiohttp", "http.client", "urllib.request")
WAYS_OUT = (
    "app/core/http.py",
    "app/core/outbound.py",
    "app/core/timed.py",
    "app/simulator/",
    "app/cli/",
)
LOGGED = re.compile(r"(self\.)?_?log\.(debug|info|warning|error|exception|critical)")
UNLOGGED = {
    "body", "payload", "headers", "cookie", "password", "secret", "token", "access_token",
    "description", "amount", "balance", "email", "url",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the project, its text and, for Python, its syntax tree."""

    path: str
    text: str
    tree: ast.Module | None

    def is_under(self, *prefixes: str) -> bool:
        """Tell whether the file is one of these, or lies in one of these folders."""
        return self.path.startswith(prefixes)


Node = TypeVar("Node", bound=ast.AST)
Finding = tuple[int, str]
Rule = Callable[[Source], Iterator[Finding]]


def short_files(source: Source) -> Iterator[Finding]:
    """A file that outgrew one screenful of ideas is split by use case."""
    lines = source.text.count("\n")
    if source.path.endswith(".py") and lines > FILE_LINES_MAX and "migrations/" not in source.path:
        yield 1, f"{lines} lines; at most {FILE_LINES_MAX}: split it by use case"


def short_functions(source: Source) -> Iterator[Finding]:
    """A function fits on a screen."""
    for node in _functions(source):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES_MAX and "migrations/" not in source.path:
            yield node.lineno, f"{node.name} has {lines} lines; at most {FUNCTION_LINES_MAX}"


def telling_names(source: Source) -> Iterator[Finding]:
    """A module is named for what it holds."""
    if PurePosixPath(source.path).stem in NAMELESS:
        yield 1, "this name says nothing: name the file for what it holds"


def one_reader_of_the_environment(source: Source) -> Iterator[Finding]:
    """Settings come from `app.core.config`."""
    if not source.is_under("app/") or source.is_under(*ENVIRONMENT):
        return
    for node in _nodes(source, ast.Attribute):
        if ast.unparse(node) in ("os.environ", "os.getenv"):
            yield node.lineno, "read settings from app.core.config, not from the environment"


def few_see_all_households(source: Source) -> Iterator[Finding]:
    """Everybody else works inside one household."""
    if not source.is_under("app/") or source.is_under(*CROSS_HOUSEHOLD):
        return
    for node in _nodes(source, ast.Call):
        if _called(node) == "system_transaction":
            yield node.lineno, "use household_transaction: this module may not see all households"


def reports_alone_read_replicas(source: Source) -> Iterator[Finding]:
    """D12: what is decided, then written, is read in the transaction that writes."""
    if not source.is_under("app/") or source.is_under(*READERS):
        return
    if source.is_under("app/core/", "app/features/users/current.py"):
        return  # where it is defined
    for kind in (ast.Name, ast.Attribute):
        for node in _nodes(source, kind):
            if ast.unparse(node).rpartition(".")[2] in ("reading_transaction", "ReadingSession"):
                yield node.lineno, "a replica may lag: only reports and exports read there"


def sql_in_repositories(source: Source) -> Iterator[Finding]:
    """One door to owned data: a feature's SQL is in its repository."""
    if not source.is_under("app/features/") or any(part in source.path for part in SQL):
        return
    for node in _nodes(source, ast.Call):
        is_statement = isinstance(node.func, ast.Name) and node.func.id in SQL_NAMES
        if is_statement or ast.unparse(node.func) == "session.get":
            yield node.lineno, f"{_called(node)}() belongs in the feature's repository.py"


def statements_are_fixed(source: Source) -> Iterator[Finding]:
    """F13: a function puts constants into a statement; values travel as parameters."""
    if not source.is_under("app/") or source.is_under("app/simulator/"):
        return
    for function in _functions(source):
        for node in ast.walk(function):
            if isinstance(node, ast.JoinedStr) and not _is_fixed_sql(node):
                yield node.lineno, "put no values into SQL: pass them as parameters"


def one_way_out(source: Source) -> Iterator[Finding]:
    """O1: one client bounds, checks and traces every request to other people's servers."""
    if not source.is_under("app/") or source.is_under(*WAYS_OUT):
        return
    for node in _nodes(source, ast.Import):
        for name in node.names:
            if _is_client(name.name):
                yield node.lineno, f"ask through app.core.http, not through {name.name}"
    for node in _nodes(source, ast.ImportFrom):
        if _is_client(node.module or ""):
            yield node.lineno, f"ask through app.core.http, not through {node.module}"


def logs_hold_no_secrets(source: Source) -> Iterator[Finding]:
    """P4: neither secrets nor what people own are told to logs, which travel far."""
    if not source.is_under("app/"):
        return
    for node in _nodes(source, ast.Call):
        if LOGGED.fullmatch(ast.unparse(node.func)):
            for told in node.keywords:
                if told.arg in UNLOGGED:
                    yield node.lineno, f"{told.arg} does not belong in logs"


def money_is_decimal(source: Source) -> Iterator[Finding]:
    """No float near money."""
    if not source.is_under("app/"):
        return
    for field in _nodes(source, ast.AnnAssign):
        if MONEY.search(ast.unparse(field.target)) and _is_float(field.annotation):
            yield field.lineno, f"{ast.unparse(field.target)} is money: use Decimal"
    for parameter in _nodes(source, ast.arg):
        if MONEY.search(parameter.arg) and _is_float(parameter.annotation):
            yield parameter.lineno, f"{parameter.arg} is money: use Decimal"
    for node in _functions(source):
        if MONEY.search(node.name) and _is_float(node.returns):
            yield node.lineno, f"{node.name} returns money: use Decimal"
    for call in _nodes(source, ast.Call):
        words = " ".join(ast.unparse(each) for each in call.args)
        if _called(call) == "float" and any(map(MONEY.search, re.findall(r"\w+", words))):
            yield call.lineno, f"float({words}) is money: use Decimal"


def time_from_the_clock(source: Source) -> Iterator[Finding]:
    """Tests can then say what time it is."""
    if not source.is_under("app/features/", "app/domain/", "app/providers/", "app/importers/"):
        return
    for node in _nodes(source, ast.Call):
        if re.search(
            r"\b(datetime\.(now|today|utcnow)|date\.today|time\.time)$", ast.unparse(node.func)
        ):
            yield node.lineno, "take the time from app.core.clock, or as a parameter"


def todos_have_an_issue(source: Source) -> Iterator[Finding]:
    """What is left to do is an issue, not a comment."""
    marker = re.compile(r"#.*\b(TODO|FIXME)\b(?! ?\(?#\d)")  # rule: this is it
    for number, line in enumerate(source.text.splitlines(), 1):
        if source.path.endswith(".py") and marker.search(line):
            yield number, "name the issue with a number, or do it now"


def strict_templates(source: Source) -> Iterator[Finding]:
    """The content security policy forbids inline code and styles; escaping stays on."""
    if not source.path.endswith(".html"):
        return
    forbidden = {
        r"\|\s*safe\b": "escaping stays on: return Markup from Python if it must be HTML",
        r"<[^>]*\sstyle\s*=": "styles go into app.css",
        r"<[^>]*\son[a-z]+\s*=": "behaviour goes into a script file",
        r"\bhx-on\b|\bjs:|javascript:": "this compiles strings, which the policy forbids",
        r"<script(?![^>]*(\bsrc=|application/json))": "scripts are files of their own",
    }
    for number, line in enumerate(source.text.splitlines(), 1):
        for pattern, message in forbidden.items():
            if re.search(pattern, line):
                yield number, message


RULES: tuple[Rule, ...] = (
    short_files,
    short_functions,
    telling_names,
    one_reader_of_the_environment,
    few_see_all_households,
    reports_alone_read_replicas,
    sql_in_repositories,
    statements_are_fixed,
    one_way_out,
    logs_hold_no_secrets,
    money_is_decimal,
    time_from_the_clock,
    todos_have_an_issue,
    strict_templates,
)


def check(path: str, text: str) -> Iterator[Finding]:
    """Yield line and message of whatever breaks a rule in one file.

    Args:
        path: From the root of the checkout, with slashes; decides which rules apply.
        text: What the file holds.
    """
    tree = ast.parse(text, path) if path.endswith(".py") else None
    lines = text.splitlines()
    for rule in RULES:
        for number, message in rule(Source(path, text, tree)):
            if not (number <= len(lines) and ESCAPE.search(lines[number - 1])):
                yield number, message


def main() -> int:
    """Check all files that git knows or would take; the status is 1 when a rule is broken."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.html"],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    broken = 0
    for path in sorted(set(listing.splitlines())):
        file = ROOT / path
        if not file.is_file():
            continue
        for number, message in check(path, file.read_text(encoding="utf-8")):
            print(f"{path}:{number}: {message}")
            broken += 1
    return 1 if broken else 0


def _nodes(source: Source, kind: type[Node]) -> Iterator[Node]:
    if source.tree is not None:
        yield from (node for node in ast.walk(source.tree) if isinstance(node, kind))


def _functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from _nodes(source, ast.FunctionDef)
    yield from _nodes(source, ast.AsyncFunctionDef)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def _is_fixed_sql(text: ast.JoinedStr) -> bool:
    """Tell whether a text is no SQL, or takes nothing in but constants."""
    words = "".join(str(part.value) for part in text.values if isinstance(part, ast.Constant))
    values = [part.value for part in text.values if isinstance(part, ast.FormattedValue)]
    return not SQL_WORDS.search(words) or all(
        CONSTANT.fullmatch(ast.unparse(value)) for value in values
    )


def _is_client(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in CLIENTS)


def _is_float(annotation: ast.expr | None) -> bool:
    if annotation is None:
        return False
    text = ast.unparse(annotation).replace(" | None", "")
    return re.fullmatch(r"(Mapped\[|list\[|Sequence\[)?float\]?", text) is not None


if __name__ == "__main__":
    sys.exit(main())
