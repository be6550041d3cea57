"""Write the first migration anew from the models; only as long as nothing is released.

From the first release on, every change of the schema is a migration of its own (`make migration`).
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from app.core import embedded

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ROOT / "migrations" / "versions"
PROGRAMS = Path(sys.executable).parent
DOCSTRING = '''"""The first schema.

The tables come from the models; what the models cannot say stands in the SQL file beside.
"""

from pathlib import Path
'''
EXTENSION = """    # It ships with PostgreSQL and is trusted: the database's owner may create it.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
"""
GUARDS = """
    guards = Path(__file__).parents[1] / "sql" / "first_schema_guards.sql"
    # The driver's own cursor: the text holds percent signs and colons that are not parameters.
    op.get_bind().connection.cursor().execute(guards.read_text(encoding="utf-8"))
"""
_FUNCTION = re.compile(r"CREATE FUNCTION (\w+)\(([^)]*)\)")


def main() -> int:
    """Replace the file by what Alembic finds missing in an empty database."""
    [old] = VERSIONS.glob("*.py")
    old.unlink()
    with (
        embedded.temporary_home() as home,
        embedded.postgres(home, durable=False) as server,
    ):
        url = server.url("first")
        os.environ |= {"DATABASE_URL": url, "SECRET_KEY": url, "APP_ENV": "development"}
        command = ["revision", "--autogenerate", "--rev-id", "0001", "-m", "the first schema"]
        subprocess.run([PROGRAMS / "alembic", *command], cwd=ROOT, check=True, timeout=120)
    [new] = VERSIONS.glob("*.py")
    old.write_text(_completed(new.read_text(encoding="utf-8")), encoding="utf-8")
    if new != old:
        new.unlink()
    subprocess.run([PROGRAMS / "ruff", "format", old], check=True, timeout=60)
    return 0


def _completed(text: str) -> str:
    """Add to what Alembic wrote all that the models cannot say."""
    text = re.sub(r"\n *# ###[^\n]*", "", text)
    text = DOCSTRING + text[text.index("\nimport sqlalchemy") :]
    text = text.replace("def upgrade() -> None:\n", "def upgrade() -> None:\n" + EXTENSION)
    text = text.replace("\n\ndef downgrade()", GUARDS + "\n\ndef downgrade()")
    guards = (ROOT / "migrations" / "sql" / "first_schema_guards.sql").read_text(encoding="utf-8")
    functions = [f"{name}({_types(taken)})" for name, taken in _FUNCTION.findall(guards)]
    drop = "DROP FUNCTION " + ", ".join(functions)
    return text.rstrip() + f'\n    op.execute(\n        "{drop}"\n    )\n'


def _types(arguments: str) -> str:
    """Return the types of a function's arguments: `needle text` is `text`."""
    return ", ".join(each.split()[-1] for each in arguments.split(",") if each.strip())


if __name__ == "__main__":
    sys.exit(main())
