"""C4, F13: each rule of the house refuses its bad example and lets the good one through."""

import pytest

from scripts.check_rules import check

LONG_FUNCTION = "def work():\n" + "    step()\n" * 70

LATER = "TO" + "DO"

BAD_AND_GOOD = [
    ("app/domain/a.py", "x = 1\n" * 501, "x = 1\n" * 500, "split it"),
    ("app/domain/a.py", LONG_FUNCTION, LONG_FUNCTION.removesuffix("    step()\n"), "at most 70"),
    (
        "app/features/x/service.py",
        "import os\nkey = os.environ['KEY']\n",
        "from app.core.config import settings\nkey = settings.KEY\n",
        "app.core.config",
    ),
    (
        "app/features/accounts/service.py",
        "with database.system_transaction() as session:\n    pass\n",
        "with database.household_transaction(household_id) as session:\n    pass\n",
        "household",
    ),
    (
        "app/features/transactions/pages.py",
        "def edit(session: ReadingSession) -> None: ...\n",
        "def edit(session: HouseholdSession) -> None: ...\n",
        "replica",
    ),
    (
        "app/features/accounts/service.py",
        "with replica.reading_transaction(household_id) as session:\n    pass\n",
        "with database.household_transaction(household_id) as session:\n    pass\n",
        "replica",
    ),
    (
        "app/features/accounts/service.py",
        "rows = session.execute(select(Account))\n",
        "rows = repository.list_accounts(session, household_id)\n",
        "repository",
    ),
    (
        "app/features/accounts/service.py",
        "row = session.get(Account, key)\n",
        "row = repository.get(session, key)\n",
        "repository",
    ),
    (
        "app/features/x/repository.py",
        "def f(name):\n    return f\"SELECT 1 FROM items WHERE name = '{name}'\"\n",
        'def f(name):\n    return f"SELECT {_COLUMNS} FROM items", f"Hello {name}"\n',
        "parameters",
    ),
    (
        "app/features/x/repository.py",
        "def f(column):\n    return f'{_ALL} ORDER BY {column}'\n",
        "_SORTED = f'{_ALL} ORDER BY {COLUMN}'\n",
        "parameters",
    ),
    ("app/features/x/service.py", "import requests\n", "from app.core import http\n", "app.core"),
    (
        "app/providers/x/client.py",
        "from urllib.request import urlopen\n",
        "from urllib.parse import urlsplit\n",
        "app.core.http",
    ),
    (
        "app/features/x/service.py",
        "log.info('answered', body=answer.body)\n",
        "log.info('answered', status=answer.status)\n",
        "logs",
    ),
    ("app/domain/a.py", "def f(amount: float): ...\n", "def f(share: float): ...\n", "Decimal"),
    (
        "app/domain/a.py",
        "class A:\n    opening_balance: float | None\n",
        "class A:\n    opening_balance: Decimal | None\n",
        "Decimal",
    ),
    (
        "app/importers/a.py",
        "x = float(row.amount)\n",
        "x = Decimal(row.amount)\ny = float(row.share)\n",
        "Decimal",
    ),
    ("app/domain/a.py", "def total() -> float: ...\n", "def total() -> Decimal: ...\n", "Decimal"),
    (
        "app/features/x/service.py",
        "now = dt.datetime.now(dt.UTC)\n",
        "now = clock.now()\n",
        "app.core.clock",
    ),
    ("app/a.py", f"x = 1  # {LATER}: later\n", f"x = 1  # {LATER} #12: later\n", "issue"),
    ("app/ui/a.html", "{{ text | safe }}", "{{ text }} {{ text | safety }}", "escaping"),
    ("app/ui/a.html", '<p class="a" style="x">', '<p class="style">', "app.css"),
    ("app/ui/a.html", '<button onclick="go()">', '<button data-on="go">', "script file"),
    ("app/ui/a.html", '<a hx-on:click="go()">', '<a hx-get="/go">', "compiles"),
    (
        "app/ui/a.html",
        "<script>go()</script>",
        '<script src="/a.js"></script><script type="application/json">{}</script>',
        "files of their own",
    ),
]


@pytest.mark.parametrize(("path", "bad", "good", "message"), BAD_AND_GOOD)
def test_C4_F13_a_rule_tells_bad_from_good(path: str, bad: str, good: str, message: str) -> None:
    assert any(message in text for _, text in check(path, bad))
    assert list(check(path, good)) == []


def test_a_file_named_for_nothing_is_refused() -> None:
    assert [number for number, _ in check("app/features/x/helpers.py", "x = 1\n")] == [1]


def test_an_exception_says_why_on_its_line() -> None:
    bad = "def total() -> float: ..."
    assert (
        list(check("app/domain/a.py", f"{bad}  # rule: a feature of the model, never added up\n"))
        == []
    )
    assert list(check("app/domain/a.py", f"{bad}  # rule:\n")) != []


def test_the_settings_may_read_the_environment() -> None:
    assert list(check("app/core/config.py", "import os\nx = os.environ.get('X')\n")) == []
