"""Break the program on purpose, place by place, in a copy, and see that a test notices each.

Run as `make mutations`; the table goes into docs/reference/correctness.md. A mutation whose text is
no longer in the code is stale, and fails too.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import servers  # noqa: E402  # of this checkout
from tests.faults import chaos  # noqa: E402

COPIED = ("app", "tests", "migrations", "scripts", "pyproject.toml", "alembic.ini", "Makefile")
BEGIN, END = "<!-- mutations: written by make mutations -->", "<!-- mutations: end -->"
SYNC, PROOF = "tests/features/connections/test_sync.py::", "tests/features/proof/"
TURNS = "tests/features/connections/test_turns.py::"
REREADING = "tests/features/connections/test_rereading.py::"
SIMPLEFIN = "tests/features/connections/test_simplefin.py::"
VIEWERS = "tests/features/households/test_viewers.py::"
GUARDS = "migrations/sql/first_schema_guards.sql"
GUESTS = "migrations/versions/2026_11_29_0020_guests.py"
SECONDS_MAX = 300


@dataclass(frozen=True, slots=True)
class Mutation:
    """A place, what is broken there, and the test that must notice."""

    what: str
    path: str
    before: str
    after: str
    caught_by: str


MUTATIONS = (
    Mutation(
        "the cursor is saved before the rows",
        "app/features/connections/service/sync.py",
        '    fault("sync.before_transaction")\n',
        "    with household_transaction(turn.household_id) as early:\n"
        "        end = next(p.page for p in reversed(read.pages) if moves_cursor(p.page))\n"
        '        values = {"cursor": end.changes.to_cursor}\n'
        "        repository.update_item(early, turn.household_id, turn.item_id, values)\n"
        "    turn = replace(turn, cursor=end.changes.to_cursor)\n",
        SYNC + "test_a_failure_in_booking_leaves_neither_rows_nor_cursor",
    ),
    Mutation(
        "an overtaken worker writes (no compare-and-set of the cursor)",
        "app/features/connections/service/sync.py",
        "if item is None or item.cursor != turn.cursor:",
        "if item is None:",
        SYNC + "test_a_worker_that_was_overtaken_writes_nothing",
    ),
    Mutation(
        "two workers get the same turn (the lease is not looked at)",
        "app/features/connections/repository.py",
        "            or_(Item.lease_until.is_(None), Item.lease_until < func.now()),\n        )\n",
        "            true(),\n        )\n",
        SYNC + "test_only_one_worker_has_an_items_turn",
    ),
    Mutation(
        "deaths are not counted, so poison is tried for ever",
        "app/features/connections/service/turns.py",
        "lost_runs = item.lost_runs + deaths",
        "lost_runs = deaths",
        TURNS + "test_three_deaths_in_a_row_set_an_item_aside",
    ),
    Mutation(
        "withdrawn rows stay (no tombstone)",
        "app/features/transactions/apply.py",
        "SET removed_at = now(), updated_at = now()",
        "SET updated_at = now()",
        SYNC + "test_a_withdrawn_transaction_is_hidden_and_kept",
    ),
    Mutation(
        "a posted row does not take its pending row over",
        "app/features/transactions/apply.py",
        "  AND pending.pending\n",
        "  AND NOT pending.pending\n",
        SYNC + "test_a_posted_transaction_stays_the_row_that_the_user_edited",
    ),
    Mutation(
        "a sync overwrites the user's note",
        "app/features/transactions/apply.py",
        "removed_at = NULL, updated_at = now()\n",
        "removed_at = NULL, updated_at = now(), note = NULL\n",
        SYNC + "test_a_modified_amount_keeps_the_users_note",
    ),
    Mutation(
        "removals are joined before upserts (order within a page)",
        "app/domain/records.py",
        "        transactions |= {record.key: record for record in page.upserts}\n"
        "        transactions |= dict.fromkeys(page.removed)\n",
        "        transactions |= dict.fromkeys(page.removed)\n"
        "        transactions |= {record.key: record for record in page.upserts}\n",
        "tests/domain/test_join_pages.py::test_joining_equals_applying_page_by_page",
    ),
    Mutation(
        "money out is positive (Plaid's sign is kept)",
        "app/providers/plaid/mapping.py",
        "return Money(-_exact_amount(",
        "return Money(_exact_amount(",
        SYNC + "test_a_first_sync_brings_every_row_and_the_balance",
    ),
    Mutation(
        "the totals' trigger forgets what a changed row was before",
        GUARDS,
        "sum(sign * greatest(amount, 0)), sum(sign * least(amount, 0)), sum(sign)\n",
        "sum(greatest(amount, 0)), sum(least(amount, 0)), sum(sign)\n",
        "tests/faults/test_traps.py::test_totals_follow_an_amount_that_the_bank_changes",
    ),
    Mutation(
        "the trigger that writes down each change is gone",
        GUARDS,
        "CREATE TRIGGER keep_field_changes AFTER UPDATE ON transactions\n"
        "    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows\n"
        "    FOR EACH STATEMENT EXECUTE FUNCTION keep_field_changes();\n",
        "",
        PROOF + "test_verify.py::test_a_sound_ledger_has_no_findings_and_nothing_is_written",
    ),
    Mutation(
        "a household sees the others' rows (the policy lets all through)",
        GUARDS,
        "'USING (%2$I = (SELECT current_setting(''app.household_id'')::uuid)) '",
        "'USING (true) '",
        PROOF + "test_verify.py::test_a_household_that_can_see_another_is_named",
    ),
    Mutation(
        "the tenant's role may rewrite the journal",
        GUARDS,
        "GRANT SELECT, INSERT ON audit_events, change_sets,",
        "GRANT SELECT, INSERT, UPDATE ON audit_events, change_sets,",
        SYNC + "test_the_journal_keeps_the_bytes_and_cannot_be_rewritten",
    ),
    Mutation(
        "change sets are numbered without the household's lock",
        "app/features/changes/repository.py",
        '    lock(session, values["household_id"])\n    session.execute(_INSERT',
        "    session.execute(_INSERT",
        TURNS + "test_XB4_many_writers_at_once_never_share_a_number_and_lose_nothing",
    ),
    Mutation(
        "after a refused cursor, what is not told any more stays",
        "app/features/connections/service/rereading.py",
        "return turn.cursor is not None and first.changes.from_cursor is None",
        "return False",
        REREADING
        + "test_trap_4_XN6_a_refused_cursor_reads_all_again_and_withdraws_what_is_not_told",
    ),
    Mutation(
        "a full reading withdraws much without asking",
        "app/features/connections/service/rereading.py",
        "if is_much and turn.trigger != turns.ACCEPT:",
        "if is_much and turn.trigger == turns.ACCEPT:",
        REREADING + "test_trap_4_XN6_a_full_reading_that_would_withdraw_much_asks_first",
    ),
    Mutation(
        "a cursor that is refused between two pages is asked for again",
        "app/features/connections/service/fetching.py",
        "            start = None\n        sequence += PAGES_MAX\n",
        "        sequence += PAGES_MAX\n",
        REREADING + "test_XN6_a_cursor_that_is_refused_between_two_pages_begins_with_nothing",
    ),
    Mutation(
        "what a SimpleFIN server does not tell any more stays",
        "app/features/connections/service/rereading.py",
        "_told_from([span for each in spans for span in each or ()], keys)",
        "_told_from([], keys)",
        SIMPLEFIN + "test_what_a_bank_adds_changes_and_withdraws_is_followed",
    ),
    Mutation(
        "an account that SimpleFIN could not read to the end counts as told",
        "app/providers/simplefin/pages.py",
        "            if any(self._is_about(each, account.source_id) for each in self.troubles):\n"
        "                continue\n",
        "",
        SIMPLEFIN + "test_nothing_is_withdrawn_of_an_account_that_was_not_read_to_the_end",
    ),
    Mutation(
        "an accepted difference silences every other one",
        "app/domain/tieout.py",
        "if each.gap == verdict.gap and (",
        "if (",
        "tests/features/tieout/test_accepted.py::"
        "test_it_stays_accepted_while_days_pass_and_another_difference_rings",
    ),
    Mutation(
        "a balance counts that was stated after the rows",
        "app/features/connections/service/sync.py",
        "        listing = _with_balances_of(rows, listing)\n",
        "        pass\n",
        "tests/features/tieout/test_tieout.py::"
        "test_news_between_the_rows_and_the_accounts_opens_no_gap",
    ),
    Mutation(
        "the opening never moves",
        "app/domain/tieout.py",
        "        if tied[1] > tied[0]:\n",
        "        if False:\n",
        "tests/domain/test_tieout.py::"
        "test_a_row_older_than_all_balances_that_is_withdrawn_opens_no_gap",
    ),
    Mutation(
        "balances never had what their bank withdrew later",
        "app/domain/tieout.py",
        "    readings = [replace(each, posted=each.posted + older) for each in anchor.readings]\n",
        "    readings, older = list(anchor.readings), Decimal(0)\n",
        "tests/features/tieout/test_tieout.py::"
        "test_a_row_of_before_the_first_balance_that_is_withdrawn_opens_no_gap",
    ),
    Mutation(
        "a balance is read by another rule than it was booked by",
        "app/features/connections/service/sync.py",
        "    as_of_rows = changes.is_as_of_rows(session, household_id, run_id)\n",
        "    as_of_rows = True\n",
        "tests/features/history/test_fold.py::"
        "test_a_balance_is_read_by_the_rule_that_it_was_booked_by",
    ),
    Mutation(
        "the database lets a viewer's request write",
        "app/core/database.py",
        "{_AS_TENANT}, set_config('transaction_read_only', 'on', true)",
        "{_AS_TENANT}, set_config('transaction_read_only', 'off', true)",
        VIEWERS + "test_T9_the_database_itself_lets_a_viewers_request_only_read",
    ),
    Mutation(
        "a viewer is not told in words",
        "app/features/users/current.py",
        "    if current.role == VIEWER:\n",
        '    if current.role == "nobody":\n',
        VIEWERS + "test_T9_a_viewer_is_refused_in_words",
    ),
    Mutation(
        "a guest sees every transaction of the household (the wall does not ask whose account)",
        GUESTS,
        '    "transactions": f"account_id = {SHARED}",\n',
        '    "transactions": "true",\n',
        "tests/core/test_guests.py::"
        "test_T9_a_guest_sees_rows_of_shared_accounts_and_of_no_other_table",
    ),
    Mutation(
        "what is said of a stand-in is not said of the movement",
        "app/features/transactions/repository.py",
        "select(func.coalesce(Transaction.duplicate_of_id, Transaction.id)).where(",
        "select(Transaction.id).where(",
        "tests/features/matching/test_rows.py::"
        "test_what_is_said_of_a_stand_in_stays_when_the_original_is_back",
    ),
    Mutation(
        "undo names the page of the last that says the same",
        "app/features/history/repository/held.py",
        "max(sequence) FILTER (WHERE begins) AS first",
        "max(sequence) AS first",
        "tests/features/history/test_fold.py::"
        "test_of_files_that_say_the_same_the_first_one_in_force_is_named",
    ),
    Mutation(
        "replay does not compare the pages",
        "app/features/proof/shadow.py",
        "row.category_source, row.journal_page_id)",
        "row.category_source, told.journal_page_id)",
        PROOF + "test_replay.py::test_a_changed_row_is_named",
    ),
)


def main() -> int:
    """Break, test, print, write."""
    parser = argparse.ArgumentParser(prog="make mutations")
    parser.add_argument("--only", default="", help="those whose description has this text")
    parser.add_argument("--no-write", action="store_true", help="leave the page as it is")
    arguments = parser.parse_args()
    chosen = [each for each in MUTATIONS if arguments.only in each.what]
    with ExitStack() as stack:
        copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutations-")))
        os.environ |= stack.enter_context(servers.running())
        _copy(copy)
        failing = _test(copy, sorted({each.caught_by for each in chosen}))
        if failing:
            print(f"Unbroken, these fail already:\n{failing}", file=sys.stderr)
            return 1
        results = [_try(copy, each) for each in chosen]
    if not arguments.no_write and not arguments.only:
        chaos.write(_section(results), BEGIN, END)
    return 0 if all(verdict == "caught" for _, verdict, _ in results) else 1


def _copy(copy: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copyfile(source, copy / name)


def _try(copy: Path, mutation: Mutation) -> tuple[Mutation, str, float]:
    path, began = copy / mutation.path, time.monotonic()
    sound = path.read_text(encoding="utf-8")
    if sound.count(mutation.before) != 1:
        verdict = "stale"
    else:
        path.write_text(sound.replace(mutation.before, mutation.after), encoding="utf-8")
        failing = _test(copy, [mutation.caught_by])
        path.write_text(sound, encoding="utf-8")
        verdict = "caught" if re.search(r"^(FAILED|ERROR) ", failing, re.MULTILINE) else "survived"
    seconds = time.monotonic() - began
    print(f"{verdict:9} {seconds:5.1f} s  {mutation.what}", flush=True)
    return mutation, verdict, seconds


def _test(copy: Path, tests: list[str]) -> str:
    """Return what a run of tests says when it fails; "" when all pass."""
    try:
        done = _pytest(copy, tests)
    except subprocess.TimeoutExpired:
        return "FAILED to come to an end"
    return "" if done.returncode == 0 else done.stdout[-3000:] + done.stderr[-1000:]


def _pytest(copy: Path, tests: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def _section(results: list[tuple[Mutation, str, float]]) -> str:
    caught = sum(verdict == "caught" for _, verdict, _ in results)
    rows = "\n".join(
        f"| {each.what} | `{each.caught_by}` | {verdict} |" for each, verdict, _ in results
    )
    return f"""
{caught} of {len(results)} are caught.

| Broken on purpose | Noticed by | Verdict |
| --- | --- | --- |
{rows}
"""


if __name__ == "__main__":
    raise SystemExit(main())
