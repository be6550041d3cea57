"""schemathesis: what the API answers to generated requests, against what its description says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.scan.findings import Outcome, run, say
from scripts.scan.target import Target

SECONDS_MAX = 360
EXAMPLES = 25
"""For each operation, besides those at the edges of each value."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
)
"""Not `object_level_authorization`: tests/features/test_access.py tries each role at each route.
Not `positive_data_acceptance`: a well-formed value may break a rule that no schema can say, and
then gets 422 as well. Not `ensure_resource_availability`: what an answer names may be gone."""

ENDING = ["delete_login", "erase_household"]
"""Operations after which nobody is there to ask for more."""


def attack(target: Target, folder: Path, *, seed: int, examples: int = EXAMPLES) -> Outcome:
    """Send generated requests to every operation below /api/v1."""
    config, report = folder / "schemathesis.toml", folder / "schemathesis.json"
    log = folder / "schemathesis.log"
    config.write_text(_config(target), encoding="utf-8")
    say(f"schemathesis: {examples} examples an operation, seed {seed}")
    status = run(
        [
            "schemathesis", f"--config-file={config}", "run", f"{target.url}/openapi.json",
            "--include-path-regex=^/api/v1/", f"--checks={','.join(CHECKS)}",
            f"--max-examples={examples}", f"--seed={seed}", "--workers=2", "--continue-on-failure",
            "--phases=examples,coverage,fuzzing,stateful", "--generation-database=none",
            "--generation-allow-x00=true", "--request-timeout=30", "--warnings=off", "--no-color",
            "--report=json,ndjson", f"--report-json-path={report}",
            f"--report-ndjson-path={folder / 'schemathesis.ndjson'}",
        ],
        log,
        seconds_max=SECONDS_MAX,
    )  # fmt: skip
    if status is None or not report.exists():
        said = log.read_text("utf-8", "replace")[-2_000:]
        return Outcome("schemathesis: no result", (f"schemathesis did not end well:\n{said}",))
    outcome = judge(json.loads(report.read_text(encoding="utf-8")))
    if outcome.findings:
        print(log.read_text("utf-8", "replace"))
    return outcome


def judge(report: dict[str, Any]) -> Outcome:
    """Read schemathesis' report of a run."""
    cases, operations = report["test_cases"], report["operations"]
    summary = (
        f"schemathesis {report['schemathesis_version']}: {operations['tested']} of "
        f"{operations['selected']} operations, {cases['generated']:,} requests, "
        f"{cases['unique_failures']} findings, seed {report['seed']}"
    )
    return Outcome(summary, tuple(_wrong(report)))


def _wrong(report: dict[str, Any]) -> Iterator[str]:
    for failure in report["failures"]:
        yield f"{failure['title']}: {', '.join(failure['operations'])}"
    for error in report["errors"]:
        yield f"{error['title']}, {error['count']} times"
    operations = report["operations"] or {"tested": 0, "selected": 0}
    if not report["complete"] or not operations["selected"]:
        yield "schemathesis did not finish"
    if operations["tested"] < operations["selected"]:
        yield f"{operations['selected'] - operations['tested']} operations were not tested"
    if report["auth"]["reauth_broke"]:
        yield "schemathesis could not sign in again"
    if report["exit_code"] and not (report["failures"] or report["errors"]):
        yield f"schemathesis ended with status {report['exit_code']}"


def _config(target: Target) -> str:
    """Return settings: how to sign in, also after signing out, and ids of what is there."""
    lines = [
        "[auth.dynamic.openapi.OAuth2PasswordBearer]",
        'path = "/api/v1/auth/login"',
        'payload_content_type = "application/x-www-form-urlencoded"',
        'extract_selector = "/access_token"',
        "retry_on = [401]",
        f"payload = {{ username = {_text(target.email)}, password = {_text(target.password)} }}",
    ]
    lines += [
        f"[dictionaries.{name}]\nvalues = [{_text(value)}]" for name, value in target.ids.items()
    ]
    # What deletes gets the ids of others alone, so that there is something left to ask for.
    lines += ["[[operations]]", 'include-method = ["GET", "POST", "PUT", "PATCH"]']
    lines += ["[operations.parameters]"]
    lines += [
        f'"path.{name}" = {{ dictionary = "{name}", probability = 0.6 }}' for name in target.ids
    ]
    # These ask for a name, and would get the right one from an earlier answer.
    lines += ["[[operations]]", f"include-operation-id = {json.dumps(ENDING)}"]
    for phase in ("coverage", "fuzzing", "examples"):
        lines += [f"[operations.phases.{phase}.extra-data-sources]", "responses = false"]
    return "\n".join([*lines, ""])


def _text(value: str) -> str:
    return json.dumps(value)  # which is TOML, too
