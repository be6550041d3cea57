"""Write .env.example and docs/reference/settings.md from the settings class.

`--check` writes nothing and fails when a file is not what it should be.
"""

import argparse
import ast
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "app" / "core" / "config.py"
EXAMPLE = ROOT / ".env.example"
REFERENCE = ROOT / "docs" / "reference" / "settings.md"

# What an operator has to fill in, and words for it.
REQUIRED = {
    "DATABASE_URL": "postgresql://fintech:PASSWORD@localhost:5432/fintech_app",
    "SECRET_KEY": "",
}
GROUPS = {
    "APP_ENV": "The installation",
    "DATABASE_URL": "Servers",
    "SECRET_KEY": "Secrets and people",
    "OIDC_ISSUER": "Signing in elsewhere",
    "PUBLIC_URL": "The edge",
    "PLAID_CLIENT_ID": "Bank data",
    "OUTBOUND_ALLOWED_HOSTS": "Servers that people choose",
    "SMTP_URL": "Mail",
    "SENTRY_DSN": "Watching",
    "OPENAI_API_KEY": "Language model",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of the settings class."""

    name: str
    type: str
    default: str | None
    limits: str
    text: str


def read_settings() -> list[Setting]:
    """Return the fields in order, read from the source: importing it needs an environment."""
    tree = ast.parse(CONFIG.read_text(encoding="utf-8"))
    [body] = [
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    ]
    found = []
    for number, node in enumerate(body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        following = body[number + 1] if number + 1 < len(body) else None
        default, limits = read_default(node.value)
        found.append(
            Setting(node.target.id, read_type(node.annotation), default, limits, doc(following))
        )
    return found


def doc(node: ast.stmt | None) -> str:
    """Return the string literal below a field, on one line."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""


def read_type(node: ast.expr) -> str:
    """Return a type in an operator's words."""
    text = ast.unparse(node)
    if text.startswith("Literal"):
        values = ast.literal_eval(text.removeprefix("Literal").replace("[", "(").replace("]", ",)"))
        return " or ".join(f"`{value}`" for value in values)
    words = {"str": "text", "SecretStr": "secret", "bool": "true or false"}
    return {**words, "int": "number", "Decimal": "amount"}[text]


def read_default(node: ast.expr | None) -> tuple[str | None, str]:
    """Return the default as it would be written in a file (None if there is none), and limits."""
    if node is None:
        return None, ""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("SecretStr", "Decimal"):
        return read_default(node.args[0])
    if isinstance(node, ast.Call):
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        least, most = (number(given[name]) for name in ("ge", "le"))
        default, _ = read_default(given["default"])
        return default, f"{least:,} to {most:,}"
    if isinstance(node, ast.BinOp):
        return str(number(node)), ""
    if isinstance(node, ast.Name):
        return constant(node.id), ""
    value = ast.literal_eval(node)
    return (str(value).lower() if isinstance(value, bool) else str(value)), ""


def constant(name: str) -> str:
    """Return the text that a constant of the module stands for."""
    tree = ast.parse(CONFIG.read_text(encoding="utf-8"))
    return next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )


def number(node: ast.expr) -> int:
    """Return the value of a number or of a product of numbers."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return number(node.left) * number(node.right)
    return int(ast.literal_eval(node))


def example() -> str:
    """Return .env.example: what is required open, the rest commented out at its default."""
    lines = [
        "# Copy to .env and fill in. Made by scripts/settings_reference.py from",
        "# app/core/config.py; docs/reference/settings.md says more.",
        "# Any setting can also come from a file: SECRET_KEY_FILE=/run/secrets/secret_key",
    ]
    for setting in read_settings():
        if setting.name in GROUPS:
            lines += ["", f"# --- {GROUPS[setting.name]}"]
        lines += ["", *(f"# {line}" for line in wrap(setting.text))]
        if setting.name in REQUIRED:
            if setting.name == "SECRET_KEY":
                lines.append(
                    "# python3 -c 'import secrets; print(secrets.token_urlsafe(48))' makes one."
                )
            lines.append(f"{setting.name}={REQUIRED[setting.name]}")
        else:
            lines.append(f"# {setting.name}={setting.default}")
    return "\n".join(lines) + "\n"


def wrap(text: str, width: int = 88) -> list[str]:
    """Return the text in lines."""
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) + 1 > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line] if line else lines


def reference() -> str:
    """Return docs/reference/settings.md."""
    lines = [
        "# Settings",
        "",
        "Read once at the start from the environment, else from `.env` in the working directory.",
        "`NAME_FILE` names a file that holds the value of `NAME`, as Docker and Kubernetes mount",
        "secrets; a value in the environment itself goes before it. An empty value counts as none.",
        "In production the application refuses to start with a weak `SECRET_KEY`, or with",
        "a `PUBLIC_URL` that is not https outside this machine.",
        "",
        "Made by `scripts/settings_reference.py` from `app/core/config.py`; do not edit.",
    ]
    for setting in read_settings():
        if setting.name in GROUPS:
            lines += ["", f"## {GROUPS[setting.name]}", ""]
            lines += ["| Setting | Takes | Default | Meaning |", "| --- | --- | --- | --- |"]
        takes = f"{setting.type}, {setting.limits}" if setting.limits else setting.type
        default = "required" if setting.default is None else f"`{setting.default or ' '}`"
        lines.append(
            f"| `{setting.name}` | {takes} | {'' if default == '` `' else default} "
            f"| {setting.text} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check both files; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args(arguments)
    stale = []
    for path, text in ((EXAMPLE, example()), (REFERENCE, reference())):
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.relative_to(ROOT))
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path}: {'out of date' if options.check else 'written'}")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
