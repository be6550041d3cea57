"""deploy/cloud-run: setup.sh keeps its order, and what it writes is the program's."""

import configparser
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from sqlalchemy.engine import make_url

from app.core.config import Settings
from tests.deploy.test_google_cloud import BACKUPS, FOLDER, GUIDE, OBJECTS, POOLS, pod, variables

RECORDER = """#!/bin/sh
echo "${0##*/} $*" | tr '\\037' '|' >> "$LOG"
case "$*" in
    *--data-file=-*) cat > "$LOG.$(echo "$*" | sed 's/.* add \\([a-z-]*\\) .*/\\1/')" ;;
    *--format=*) echo "$TOLD" ;;
    *" describe "* | *" access "*) exit "$MISSING" ;;
    *"jobs execute fintech-backup "*) exit "$BACKUP" ;;
    *"jobs execute"*) exit "$STATUS" ;;
    *" replace "*) cp "$6" "$LOG.${6##*/}" ;;
esac
"""


def setup(tmp_path, *words, missing="1", status="0", told="203.0.113.7", backup="0", **more):
    """Run setup.sh against programs that write down what they are asked; return that."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("gcloud", "docker"):
        (folder / name).write_text(RECORDER)
        (folder / name).chmod(0o755)
    log = tmp_path / "log"
    log.write_text("")
    done = subprocess.run(
        ["sh", FOLDER / "setup.sh", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(log), "MISSING": missing,
             "STATUS": status, "TOLD": told, "PROJECT": "money-1", "REGION": "europe-west1",
             "HOST": "money.example.org", "BACKUP": backup, **more},
    )  # fmt: skip
    (tmp_path / "said").write_text(done.stderr)
    return done.returncode, log.read_text().splitlines()


def changing(calls):
    """Return the calls that make or change something."""
    verbs = r" (create|add|replace|execute|update|import|enable|add-[a-z-]+|set-password) "
    return [call for call in calls if re.search(verbs, f"{call} ")]


def test_the_addresses_that_it_writes_are_ones_that_the_program_takes(tmp_path):
    status, _ = setup(tmp_path, "create")
    assert status == 0
    settings = Settings(
        _env_file=None,
        DATABASE_URL=(tmp_path / "log.database-url").read_text(),
        REDIS_URL=(tmp_path / "log.redis-url").read_text(),
        PUBLIC_URL="https://money.example.org",
    )
    address = make_url(settings.sqlalchemy_url)
    assert (address.username, address.database) == ("fintech", "fintech_app")
    assert address.query["host"] == "/cloudsql/money-1:europe-west1:fintech"
    assert len(address.password) == 32
    assert settings.REDIS_URL.get_secret_value() == "redis://:203.0.113.7@203.0.113.7:6379/0"


@pytest.mark.parametrize("step", ["create", "balancer", "firewall"])
def test_a_step_that_is_repeated_makes_nothing_again(tmp_path, step):
    status, calls = setup(tmp_path, step)
    assert (status, len(changing(calls)) > 4) == (0, True)
    status, calls = setup(tmp_path, step, missing="0", told="fintech")
    assert status == 0
    harmless = "services enable|iam-policy|buckets update|backend-services update"
    again = [call for call in changing(calls) if not re.search(harmless, call)]
    assert again == []


def test_the_firewall_stands_before_the_balancer_once_it_has_its_rules(tmp_path):
    _, calls = setup(tmp_path, "firewall")

    made = changing(calls)
    assert made[0].endswith("security-policies create fintech")
    rules = [call for call in made if "rules create" in call]
    assert [call.split()[7] for call in rules] == ["900", "1000", "1100"]
    assert "deny-429" in rules[-1]
    assert "backend-services update fintech --global --security-policy=fintech" in made[-1]


def test_the_guide_tears_down_what_stands_before_the_program():
    script = (FOLDER / "setup.sh").read_text("utf-8")
    made = set(re.findall(r"compute ([a-z-]+) (?:create|import) (fintech\S*)", script))
    assert len(made) > 7
    deleted = {
        (kind, name)
        for kind, words in re.findall(r"^    gcloud compute ([a-z-]+) delete (.+)$", GUIDE, re.M)
        for name in words.split()
    }
    assert made <= deleted


def test_keys_are_written_once_and_plaids_again(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("secret_key", "encryption_keys", "metrics_token", "plaid_client_id"):
        (folder / name).write_text(f"the {name}")
    setup(tmp_path, "secrets")
    assert (tmp_path / "log.encryption-keys").read_text() == "the encryption_keys"
    _, calls = setup(tmp_path, "secrets", missing="0")
    assert [call.split()[6] for call in calls if "versions add" in call] == ["plaid-client-id"]


def test_a_release_migrates_before_it_serves(tmp_path):
    status, calls = setup(tmp_path, "release", "0.2.0")
    assert status == 0
    order = ("docker push", "/job.yaml", "jobs execute", "services replace",
             "worker-pools replace", "/backup-job.yaml")  # fmt: skip
    places = [[n for n, call in enumerate(calls) if words in call] for words in order]
    assert [len(each) for each in places] == [1, 1, 1, 1, 3, 1]
    flat = [place for each in places for place in each]
    assert flat == sorted(flat)


def test_what_serves_is_backed_up_before_it_is_migrated(tmp_path):
    status, calls = setup(tmp_path, "release", "0.2.0", missing="0")
    assert status == 0
    order = ("jobs execute fintech-backup", "/job.yaml", "jobs execute fintech-once")
    places = [[n for n, call in enumerate(calls) if words in call] for words in order]
    assert [len(each) for each in places] == [1, 1, 1]
    assert places == sorted(places)
    assert calls[places[0][0]].endswith(" --wait")
    # The first release has no job for it yet.
    _, calls = setup(tmp_path, "release", "0.2.0")
    assert not any("jobs execute fintech-backup" in call for call in calls)


def test_a_backup_that_fails_stops_the_release_and_says_how_to_go_on_without(tmp_path):
    status, calls = setup(tmp_path, "release", "0.2.0", missing="0", backup="1")
    assert status != 0
    assert "SKIP_BACKUP=1" in (tmp_path / "said").read_text()
    assert not any("replace" in call or "fintech-once" in call for call in calls)
    status, calls = setup(tmp_path, "release", "0.2.0", missing="0", backup="1", SKIP_BACKUP="1")
    assert status == 0
    assert not any("jobs execute fintech-backup" in call for call in calls)
    assert sum("jobs execute fintech-once" in call for call in calls) == 1


def test_a_migration_that_fails_changes_no_service(tmp_path):
    status, calls = setup(tmp_path, "release", "0.2.0", status="1")
    assert status != 0
    assert not any("services replace" in call or "worker-pools" in call for call in calls)


@pytest.mark.parametrize(("missing", "has_keys"), [("1", False), ("0", True)])
def test_what_is_rendered_is_whole_and_asks_for_no_secret_that_is_not_there(
    tmp_path, missing, has_keys
):
    status, _ = setup(tmp_path, "rollback", "0.1.0", missing=missing)
    assert status == 0
    for name in ("service", *POOLS, *BACKUPS):
        text = (tmp_path / f"log.{name}.yaml").read_text()
        assert "${" not in text
        assert "/money-1/fintech/fintech-app:0.1.0\n" in text
    service = yaml.safe_load((tmp_path / "log.service.yaml").read_text())
    [app] = pod(service)["containers"]
    found = {each["name"]: each for each in app["env"]}
    assert ("PLAID_SECRET" in found) is ("OPENAI_API_KEY" in found) is has_keys
    assert found["TRUSTED_PROXIES"]["value"].endswith(",203.0.113.7")


@pytest.mark.parametrize("name", ["service", *POOLS, *BACKUPS])
def test_every_setting_can_be_given_in_a_file_of_ones_own(tmp_path, name):
    given = {setting: f'a "{setting}" \\ value=1' for setting in Settings.model_fields}
    lines = [f"{setting}={value}" for setting, value in given.items()]
    (tmp_path / "settings.env").write_text("\n".join(["# ours", "", *lines]) + "\n")
    status, _ = setup(tmp_path, "rollback", "0.1.0", missing="0")
    assert status == 0
    rendered = yaml.safe_load((tmp_path / f"log.{name}.yaml").read_text())
    [app] = pod(rendered)["containers"]
    found = [each["name"] for each in app["env"]]
    assert len(found) == len(set(found))
    assert {each["name"]: each.get("value") for each in app["env"]}.items() >= given.items()


def test_the_bucket_keeps_what_was_deleted_and_its_key_is_a_file_of_credentials(tmp_path):
    status, calls = setup(tmp_path, "create", told="GOOG1EXAMPLE\tab/c+d=")
    assert status == 0
    bucket = "gs://money-1-fintech-backups"
    [made] = [call for call in calls if "buckets create" in call]
    assert f"{bucket} --location=europe-west1 --uniform-bucket-level-access" in made
    assert made.endswith("--public-access-prevention")
    [kept] = [call for call in calls if "buckets update" in call]
    assert f"{bucket} --soft-delete-duration=30d" in kept
    [path] = re.findall(r"--lifecycle-file=(\S+)", kept)
    [rule] = json.loads(Path(path).read_text("utf-8"))["rule"]
    # Only the program deletes backups; what goes by itself is uploads that never ended.
    assert rule == {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}}
    credentials = configparser.ConfigParser(interpolation=None)
    credentials.read_string((tmp_path / "log.backup-credentials").read_text())
    assert dict(credentials["default"]) == {
        "aws_access_key_id": "GOOG1EXAMPLE", "aws_secret_access_key": "ab/c+d=",
    }  # fmt: skip


def granted(calls):
    """Return what each account may do: the role, and on what."""
    found = {}
    for call in calls:
        if "add-iam-policy-binding" in call and "serviceAccount:" in call:
            [account] = re.findall(r"serviceAccount:([a-z-]+)@money-1\.iam", call)
            [role] = re.findall(r"--role=roles/(\S+)", call)
            [where] = re.findall(r"add-iam-policy-binding (\S+)", call)
            found.setdefault(account, set()).add((role, where))
    return found


def test_no_account_may_do_more_than_it_must(tmp_path):
    _, created = setup(tmp_path, "create")
    _, released = setup(tmp_path, "release", "0.2.0", missing="0")
    found = granted([*created, *released])
    read = "secretmanager.secretAccessor"
    assert found["fintech-bucket"] == {("storage.objectUser", "gs://money-1-fintech-backups")}
    assert found["fintech-schedule"] == {
        ("run.jobsExecutor", "fintech-backup"), ("run.jobsExecutor", "fintech-restore-check"),
    }  # fmt: skip
    asked = {
        each["valueFrom"]["secretKeyRef"]["name"]
        for name in BACKUPS for each in variables(name).values() if "valueFrom" in each
    }  # fmt: skip
    assert found["fintech-backup"] == {
        ("cloudsql.client", "money-1"),
        *((read, secret) for secret in asked | {"backup-credentials"}),
    }
    assert found["fintech-run"] == {
        ("cloudsql.client", "money-1"), (read, "database-url"), (read, "redis-url"),
    }  # fmt: skip


def test_each_night_a_backup_is_started_and_each_week_one_is_restored_to_see(tmp_path):
    status, calls = setup(tmp_path, "release", "0.2.0")
    assert status == 0
    started = {
        re.findall(r"jobs/(\S+):run", call)[0]: re.findall(r"--schedule=(.*?) --", call)[0]
        for call in calls if "scheduler jobs create http" in call
    }  # fmt: skip
    assert started == {"fintech-backup": "17 3 * * *", "fintech-restore-check": "47 4 * * 0"}
    assert set(started) == {OBJECTS[name]["metadata"]["name"] for name in BACKUPS}
    _, calls = setup(tmp_path, "release", "0.3.0", missing="0")
    assert not any("scheduler jobs create" in call for call in calls)


@pytest.mark.parametrize(
    ("verb", "job"), [("backup", "fintech-backup"), ("check", "fintech-restore-check")]
)
def test_a_backup_is_made_and_checked_now(tmp_path, verb, job):
    status, calls = setup(tmp_path, verb)
    [call] = [call for call in calls if "jobs execute" in call]
    assert (status, call.split()[6]) == (0, job)
    status, _ = setup(tmp_path, verb, status="1", backup="1")
    assert status != 0


def test_a_command_is_run_word_by_word(tmp_path):
    _, calls = setup(tmp_path, "run", "alembic", "downgrade", "-1")
    [call] = [call for call in calls if "jobs execute" in call]
    assert call.endswith("--args=^|^alembic|downgrade|-1")


def test_each_verb_of_the_guide_is_one_of_the_script():
    verbs = set(re.findall(r"deploy/cloud-run/setup\.sh (\w+)", GUIDE))
    script = (FOLDER / "setup.sh").read_text("utf-8")
    assert verbs == set(re.findall(r"^    (\w+)\)$", script, re.MULTILINE))
