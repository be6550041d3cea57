"""For each rule of rules.yaml: code that breaks it, and code beside it that is right.

Every statement of the first must be found, each a file of its own, and none of the second.
"""

from collections.abc import Mapping

FOLDER = "app/features/sample"
"""Where the rules are to think that the samples are."""

BROKEN: Mapping[str, tuple[str, ...]] = {
    "text-in-sql": (
        'def find(name: str):\n    return text("SELECT 1 WHERE name = \'" + name + "\'")',
        'def find(*, name: str | None = None):\n    return literal_column(f"{name} IS NULL")',
        "def find(session: Session, order: str):\n"
        '    parts = ["SELECT 1"]\n'
        "    parts.append(order)\n"
        '    session.connection().exec_driver_sql(" ".join(parts))',
        'def find(cursor, name: Annotated[str, Query()]):\n    cursor.execute("SELECT %s" % name)',
        "async def find(request: Request, session: Session):\n"
        '    wanted = request.query_params.get("order", "")\n'
        '    session.execute(text("SELECT 1 ORDER BY {}".format(wanted)))',
    ),
    "redirect-to-another-server": (
        'def enter(next: str = ""):\n    return RedirectResponse(next, 303)',
        "def enter(form: SignInForm):\n    return RedirectResponse(url=form.next)",
        "def enter(request: Request):\n"
        '    place = request.headers.get("referer") or "/"\n'
        "    return RedirectResponse(place)",
        'def enter(next: str, answer: Response):\n    answer.headers["HX-Redirect"] = next',
    ),
    "file-named-by-a-request": (
        'def keep(file: UploadFile):\n    with open("/data/" + file.filename, "wb") as target: pass',
        "from pathlib import Path\n\ndef keep(name: str):\n    return Path(name).read_bytes()",
        "def keep(name: str):\n    return (_FOLDER / name).read_bytes()",
        "def keep(name: Annotated[str, Query()]):\n    return FileResponse(name)",
    ),
    "command-of-a-request": (
        "import subprocess\n\ndef read(name: str):\n    subprocess.run([PROGRAM, name], check=True)",
        "import subprocess\n\n"
        "def read(name: str):\n"
        "    command = [PROGRAM]\n"
        "    command.append(name)\n"
        "    subprocess.Popen(command)",
        'import os\n\ndef read(name: str):\n    os.system(f"file {name}")',
    ),
    "client-without-guard": (
        "client = HttpClient(pool_size=5)",
        "def make():\n    return http.HttpClient()",
    ),
    "way-out-of-its-own": (
        "import socket\n\nline = socket.create_connection((host, 443))",
        "from urllib import request\n\nanswer = request.urlopen(url)",
        'import importlib\n\nclient = importlib.import_module("httpx").Client()',
    ),
    "secret-in-a-log": (
        'def tell(token: str):\n    line = f"began with {token[:8]}"\n    _log.info("began", at=line)',
        'def tell(row: Row):\n    said = {"of": row.access_token}\n    _log.warning("kept", row=said)',
        "def tell():\n"
        "    address = settings.DATABASE_URL.get_secret_value()\n"
        '    log.error("no_database", address=address)',
    ),
    "jwt-not-checked": (
        "import jwt\n\nclaims = jwt.decode(token, key)",
        'import jwt\n\nclaims = jwt.decode(token, key, KINDS, options={"verify_signature": False})',
        'import jwt\n\nclaims = jwt.decode(token, key, algorithms=["HS256", "none"])',
    ),
    "markup-of-a-value": (
        "from markupsafe import Markup\n\nshown = Markup(name)",
        'from markupsafe import Markup\n\nshown = Markup("<b>" + name)',
        'from markupsafe import Markup\n\nshown = Markup(f"<b>{name}</b>")',
    ),
    "template-without-escaping": (
        "<p>{{ note|safe }}</p>",
        "{% autoescape false %}{{ note }}{% endautoescape %}",
    ),
    "secret-compared-in-the-open": (
        "def check(token: str, known: str):\n    return token == known",
        "def check(sent: str):\n    return sent != settings.METRICS_TOKEN.get_secret_value()",
        "def check(row: Row, sent: str):\n    return row.csrf_token == sent",
    ),
    "secret-from-chance": (
        "import random\n\ndef make():\n    token = str(random.getrandbits(128))\n    return token",
        "import random\n\ndef new_token():\n    return hex(random.randrange(2**128))",
        "import time\n\ndef make():\n    seconds = time.time()\n    return Session(token=str(seconds))",
    ),
    "archive-unpacked": (
        "import tarfile\n\nwith tarfile.open(place) as archive:\n    archive.extractall(folder)",
        "import zipfile\n\nwith zipfile.ZipFile(place) as archive:\n    archive.extract(name, folder)",
        "import shutil\n\nshutil.unpack_archive(place, folder)",
    ),
}
RIGHT: Mapping[str, tuple[str, ...]] = {
    "text-in-sql": (
        'def find(session: Session, name: str):\n    session.execute(text("SELECT :n"), {"n": name})',
        "def find(session: Session, name: str):\n"
        '    chosen = ["SELECT 1"]\n'
        '    chosen += ["WHERE name = :name"] if name else []\n'
        '    session.execute(text(" ".join(chosen)), {"name": name})',
        "from psycopg import sql\n\n"
        "def make(connection: Connection, role: str):\n"
        '    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))',
    ),
    "redirect-to-another-server": (
        'def enter(next: str = ""):\n    return RedirectResponse(local_path(next), 303)',
        'def show(import_id: UUID):\n    return RedirectResponse(f"/imports/{import_id}", 303)',
        'def show(name: str):\n    return RedirectResponse(f"/imports/{name}", 303)',
    ),
    "file-named-by-a-request": (
        'def keep(row_id: UUID):\n    return (_FOLDER / f"{row_id}.csv").read_bytes()',
        "def halve(amount: str):\n    return Decimal(amount) / 2",
    ),
    "command-of-a-request": (
        "import subprocess\n\n"
        "def read(data: bytes):\n"
        "    subprocess.run([PROGRAM], input=data, check=True)",
    ),
    "client-without-guard": ("client = HttpClient(guard=Guard(allowance), pool_size=5)",),
    "way-out-of-its-own": (
        "import socket\n\ntry:\n    ask()\nexcept socket.gaierror:\n    pass",
        'import importlib\n\nmodule = importlib.import_module("app.main")',
    ),
    "secret-in-a-log": (
        'def tell(token: str, token_id: UUID):\n    _log.info("began", token_id=str(token_id))',
        'def tell(token: str):\n    _log.info("began", characters=len(token))',
    ),
    "jwt-not-checked": (
        'import jwt\n\nclaims = jwt.decode(token, key, algorithms=["ES256"])',
        'import jwt\n\nclaims = jwt.decode(token, key, KINDS, options={"require": ["exp"]})',
    ),
    "markup-of-a-value": (
        "from markupsafe import Markup\n\nshown = Markup('<b>{}</b>').format(name)",
    ),
    "template-without-escaping": ("<p>{{ note|safely }} {{ note }}</p>",),
    "secret-compared-in-the-open": (
        "def check(token: str, known: str):\n    return hmac.compare_digest(token, known)",
        'def check(token: str):\n    return token == ""',
        "def find(token_hash: bytes):\n    return select(Row).where(Row.token_hash == token_hash)",
    ),
    "secret-from-chance": (
        "import secrets\n\ndef new_token():\n    return secrets.token_urlsafe()",
        "import random\n\ndef wait():\n    pause = random.uniform(0, 1)\n    return pause",
    ),
    "archive-unpacked": (
        "import zipfile\n\nwith zipfile.ZipFile(place) as archive:\n    archive.open(name).read(99)",
    ),
}
