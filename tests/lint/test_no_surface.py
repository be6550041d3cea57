"""Requirements of the security bar for what this program does not do, and so cannot do wrong.

Each test fails as soon as such a thing appears. Then the requirement wants tests of the thing
itself, and the test here goes. Its first line is the reason that docs/reference/security-bar.md
gives.
"""

import ast
import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from app.models import Base
from tests.lint.test_bar import ROOT, trees
from tests.routes import FOR_STRANGERS, every_route, module_of

PATTERN_CALLS = {"compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall"}
SQL_PATTERN = re.compile(
    r"!?~\*?\s*(%\(|:|\$\d)|\b(regexp_\w+|substring)\s*\([^)]*(%\(|:\w)|SIMILAR TO|regexp_match\b"
)
QUOTES = {"app/features/transactions/listing.py"}
"""Where a text becomes a part of a pattern, each sign of it quoted: `test_listing.py` tries it."""
MODELS_OF_OTHERS = {
    "openai", "anthropic", "litellm", "ollama", "mistralai", "cohere", "groq", "langchain",
    "langchain_core", "llama_index", "llama_cpp", "transformers", "vllm", "google.generativeai",
}  # fmt: skip
ASKS_THE_MODEL = "app/core/language_model.py"
TOOLS = re.compile(r"['\"](tools?|tool_choice|tool_calls|functions?)['\"]")
READ_THE_KEY = {
    "app/core/config.py", ASKS_THE_MODEL, "app/features/transactions/asking.py",
    "app/cli/doctor_servers.py",
}  # fmt: skip
"""The last two only name it in their words."""
SENDS_FILES = {
    "app/core/downloads.py",  # what the two exports are sent with
    "app/features/live/pages.py",  # events
    "app/features/privacy/service/exporting.py",
    "app/features/transactions/exporting.py",
    "app/ui/preview.py",  # events, for who works on the pages
}
SHOWS_STRANGERS = (
    "app.features.users", "app.features.households", "app.features.operations",
    "app.features.connections.webhooks", "fastapi",
)  # fmt: skip
KEPT_ADDRESSES = {"link_sessions.url"}
"""The page of a bank, which its provider named."""


def foreign_patterns(tree: ast.Module) -> Iterator[int]:
    """Yield the lines where a regular expression is made of anything but constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            is_of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            if is_of_re and node.func.attr in PATTERN_CALLS and not is_constant(node.args[0]):
                yield node.lineno


def is_constant(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.isupper()
        case ast.JoinedStr():
            return all(map(is_constant, node.values))
        case ast.FormattedValue():
            return is_constant(node.value)
        case ast.BinOp():
            return is_constant(node.left) and is_constant(node.right)
    return False


def test_F9_nobody_but_the_program_writes_patterns() -> None:
    """Nobody but the program writes patterns: what `re` and PostgreSQL match by is constant."""
    for path, tree in trees():
        if "simulator" not in path.parts:
            assert list(foreign_patterns(tree)) == [], path
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                is_quoted = path.relative_to(ROOT).as_posix() in QUOTES
                assert is_quoted or not SQL_PATTERN.search(line), (path, number)


@pytest.mark.parametrize(
    "code",
    ["re.compile(rule.pattern)", "re.search(f'^{text}', row)", "re.sub(PREFIX + text, '', row)"],
)
def test_F9_a_pattern_of_others_is_noticed(code: str) -> None:
    """A pattern of others is noticed."""
    assert list(foreign_patterns(ast.parse(code))) == [1]
    assert SQL_PATTERN.search("WHERE description ~* %(pattern)s")


def test_F12_no_file_that_somebody_brought_is_given_back() -> None:
    """A file is read and its rows are booked; no route gives it, or any attachment, to anybody."""
    senders = {
        path.relative_to(ROOT).as_posix()
        for path, tree in trees()
        if "simulator" not in path.parts
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("Download", "FileResponse", "StreamingResponse")
    }
    assert senders <= SENDS_FILES


def test_T11_nothing_is_shown_to_whoever_has_a_link(app: FastAPI) -> None:
    """There are no public links: what needs no sign-in takes no id and belongs to no household."""
    strangers = [route for route in every_route(app) if route.key in FOR_STRANGERS]
    assert strangers
    for route in strangers:
        assert route.parameters == (), route
        assert module_of(app, route).startswith(SHOWS_STRANGERS), route


def test_W5_nobody_gives_an_address_to_be_told_of_events() -> None:
    """There are no webhooks of our own: nobody gives an address, and no table could keep one."""
    kept = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if re.search(r"(^|_)(url|uri|callback|hook|endpoint)(_|$)", column.name)
    }
    assert kept == KEPT_ADDRESSES


def test_L5_the_language_model_has_no_tools() -> None:
    """The model has no tools: it is asked at one place, for text alone, without any library."""
    asks = set()
    for path, tree in trees():
        name, code = path.relative_to(ROOT).as_posix(), ast.unparse(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {getattr(node, "module", None), *(each.name for each in node.names)}
                assert not names & MODELS_OF_OTHERS, path
        if re.search(r"chat/completions|/v1/messages|/v1/responses|/api/generate", code):
            asks.add(name)
            assert not TOOLS.search(code), path
        assert "OPENAI_API_KEY" not in code or name in READ_THE_KEY, path
    assert asks == {ASKS_THE_MODEL}
