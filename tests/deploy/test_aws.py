"""deploy/ecs: the template's tasks are the program's, and who reaches whom is a chain."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from app.core.celery import celery
from app.core.config import Settings
from app.features.operations.api import router
from scripts.cloud.template import TEMPLATE, Rendered, founding_task_definition, load, secret_names
from tests.deploy.files import ROOT, compose, fixed, is_known

TEMPLATE_BYTES_MAX = 51_200
"""What `aws cloudformation deploy` sends without a bucket for it."""
GIVEN = {
    "HostName": "money.example.org",
    "HostedZoneId": "Z1",
    "Serving": "yes",
    "OpenAI": "yes",
    "Mail": "yes",
    "Oidc": "yes",
}
STACK = Rendered(load(), GIVEN)
TASKS = {
    name: task["ContainerDefinitions"][0]
    for name, task in STACK.of_type("AWS::ECS::TaskDefinition").items()
}
OUR_SERVICES = {"CeleryTask": "celery", "SyncTask": "celery-sync", "BeatTask": "celery-beat",
                "MigrateTask": "migrate"}  # fmt: skip
SECRETS = {n for n, f in Settings.model_fields.items() if "SecretStr" in str(f.annotation)}


def environment(container):
    return {each["Name"]: str(each["Value"]) for each in container.get("Environment", ())}


def secrets(container):
    return {each["Name"]: each["ValueFrom"] for each in container.get("Secrets", ())}


@pytest.mark.parametrize("name", TASKS)
def test_the_settings_of_each_task_are_ones_that_the_program_takes(name):
    found = environment(TASKS[name]) | dict.fromkeys(secrets(TASKS[name]), "")
    assert [each for each in found if not is_known(each)] == []
    assert not SECRETS & set(environment(TASKS[name])), "secrets come from Secrets Manager"

    settings = Settings(
        _env_file=None,
        **{
            **{each: value for each, value in found.items() if each in Settings.model_fields},
            "DATABASE_URL": STACK.resource("DatabaseUrl")["SecretString"].replace(":{", ":x{"),
            "REDIS_URL": STACK.resource("RedisUrl")["SecretString"],
            "SECRET_KEY": "".join(map(chr, range(48, 96))),
            "ENCRYPTION_KEYS": "",
            "APP_ENV": "production",
        },
    )
    assert settings.PUBLIC_URL == "https://money.example.org"


def test_the_web_server_gets_every_secret_and_each_is_declared():
    found = secrets(TASKS["WebTask"])
    assert set(found) == SECRETS | {"PLAID_CLIENT_ID"}
    names = secret_names()
    for setting, resource in found.items():
        assert names[resource.strip("<>")] == f"fintech/{setting.lower().replace('_', '-')}"


def test_without_keys_of_plaid_none_is_asked_for():
    without = dict.fromkeys(("Plaid", "OpenAI", "Mail", "Oidc"), "no")
    stack = Rendered(load(), {**GIVEN, **without})
    asked = secrets(stack.resource("WebTask")["ContainerDefinitions"][0])
    theirs = {"PLAID_CLIENT_ID", "PLAID_SECRET", "OPENAI_API_KEY", "SMTP_URL", "OIDC_CLIENT_SECRET"}
    assert not theirs & set(asked)


@pytest.mark.parametrize(("task", "service"), OUR_SERVICES.items())
def test_workers_scheduler_and_migration_do_what_they_do_in_compose(task, service):
    theirs = compose("docker-compose.prod.yml")["services"][service]
    assert sorted(TASKS[task]["Command"]) == sorted(theirs["command"])
    for name in ("WORKER_NAME", "DATABASE_POOL_SIZE"):
        assert environment(TASKS[task]).get(name) == fixed(theirs, name)
    if service != "migrate":
        health = theirs["healthcheck"]["test"]
        assert TASKS[task]["HealthCheck"]["Command"] == health


def test_every_queue_has_a_worker():
    words = [word for each in TASKS.values() for word in each["Command"]]
    found = [word[9:] for word in words if word.startswith("--queues=")]
    assert sorted(found) == sorted(queue.name for queue in celery.conf.task_queues)


def test_the_web_server_starts_as_the_image_would_start_it():
    recipe = (ROOT / "Dockerfile").read_text("utf-8")
    command = json.loads(recipe[recipe.rindex("\nCMD ") + 5 :].replace("\\\n", ""))
    script = TASKS["WebTask"]["Command"][-1]
    assert shlex.split(script[script.index("exec ") + 5 :]) == command
    # The balancer asks by the task's address, which the program must answer for.
    assert script.startswith("TRUSTED_HOSTS=$TRUSTED_HOSTS,$(python -c ")


def test_ports_and_probes_are_the_programs():
    paths = {route.path for route in router.routes}
    web = TASKS["WebTask"]
    [port] = web["PortMappings"]
    assert f"\nEXPOSE {port['ContainerPort']}\n" in (ROOT / "Dockerfile").read_text("utf-8")
    assert "http://127.0.0.1:8000/health?live=1" in web["HealthCheck"]["Command"][-1]
    targets = STACK.resource("WebTargets")
    assert (targets["Port"], targets["HealthCheckPath"]) == (8000, "/health")
    assert "/health" in paths
    [hidden] = STACK.resource("MetricsStayInside")["Conditions"]
    assert set(hidden["PathPatternConfig"]["Values"]) == {"/metrics"} <= paths


def test_proxies_are_believed_by_the_networks_addresses():
    proxies = environment(TASKS["WebTask"])["TRUSTED_PROXIES"]
    assert proxies == f"127.0.0.1,{STACK.resource('Network')['CidrBlock']}"


@pytest.mark.parametrize("name", TASKS)
def test_no_task_may_do_more_than_it_must(name):
    task = STACK.resource(name)
    assert task["RequiresCompatibilities"] == ["FARGATE"]
    for container in task["ContainerDefinitions"]:
        assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
        assert container["LogConfiguration"]["Options"]["awslogs-group"] == "<Logs>"
    assert ("TaskRoleArn" in task) == (name == "BackupTask")
    assert TASKS[name]["User"] == "10001:10001"


def test_the_founding_documents_task_is_the_templates():
    text = (TEMPLATE.parent / "task-definition.json").read_text("utf-8")
    assert text == founding_task_definition(), "run python -m scripts.cloud.template"
    found = json.loads(text)
    assert (found["family"], found["cpu"], found["memory"]) == ("fintech-app", "512", "1024")
    assert found["networkMode"] == "awsvpc"
    assert found["containerDefinitions"][0]["portMappings"][0]["containerPort"] == 8000
    names = [each["name"] for each in found["containerDefinitions"][0]["secrets"]]
    assert {"DATABASE_URL", "PLAID_CLIENT_ID"} <= set(names)


def goes_out(stack):
    """Return the ports that each group reaches everywhere."""
    return {
        name: [rule["FromPort"] for rule in each["SecurityGroupEgress"]]
        for name, each in stack.of_type("AWS::EC2::SecurityGroup").items()
        if "0.0.0.0/0" in str(each.get("SecurityGroupEgress"))
    }


def test_what_runs_goes_out_by_no_port_that_nobody_wants():
    stack = Rendered(load(), {**GIVEN, "Mail": "no"})
    assert goes_out(stack) == {"WebGroup": [443], "WorkerGroup": [443]}
    stack = Rendered(load(), {**GIVEN, "FurtherPort": "4318"})
    assert goes_out(stack) == {"WebGroup": [443, "4318"], "WorkerGroup": [443, "4318", 465, 587]}


ALARM, RULE = "AWS::CloudWatch::Alarm", "AWS::Events::Rule"


def test_alarms_ring_where_somebody_is_to_be_told_and_nobody_pays_for_them_elsewhere():
    assert STACK.of_type(ALARM) == STACK.of_type("AWS::SNS::Topic") == {}
    stack = Rendered(load(), {**GIVEN, "AlarmEmail": "ada@example.org"})
    [topic] = stack.of_type("AWS::SNS::Topic").values()
    assert topic == {"Subscription": [{"Protocol": "email", "Endpoint": "ada@example.org"}]}
    alarms = stack.of_type(ALARM)
    assert {each["MetricName"] for each in alarms.values()} == {
        "HealthyHostCount", "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count",
        "FreeStorageSpace", "CPUUtilization",
    }  # fmt: skip
    assert {str(each["AlarmActions"]) for each in alarms.values()} == {"['<Alarms>']"}
    assert alarms["NoWebServer"]["TreatMissingData"] == "breaching"
    quiet = Rendered(load(), {**GIVEN, "AlarmEmail": "ada@example.org", "Serving": "no"})
    assert quiet.resource("NoWebServer")["TreatMissingData"] == "notBreaching"
    rules = {name: each for name, each in stack.of_type(RULE).items() if "EventPattern" in each}
    assert set(rules) == {"BackupFails", "TasksDoNotStart"}
    assert rules["BackupFails"]["EventPattern"]["detail"]["taskDefinitionArn"] == ["<BackupTask>"]
    assert json.loads(rules["BackupFails"]["Targets"][0]["Input"])
    assert not any("EventPattern" in each for each in STACK.of_type(RULE).values())


def test_each_is_reached_by_the_one_before_it_alone():
    reached = {
        (rule["SourceSecurityGroupId"], rule["GroupId"], rule["FromPort"])
        for rule in STACK.of_type("AWS::EC2::SecurityGroupIngress").values()
    }
    group = "<{}Group.GroupId>".format
    assert reached == {
        (group("Balancer"), group("Web"), 8000),
        (group("Web"), group("Database"), 5432),
        (group("Web"), group("Broker"), 6379),
        (group("Worker"), group("Database"), 5432),
        (group("Worker"), group("Broker"), 6379),
    }
    out = {
        (rule["GroupId"], rule["DestinationSecurityGroupId"], rule["FromPort"])
        for rule in STACK.of_type("AWS::EC2::SecurityGroupEgress").values()
    }
    assert out == reached
    assert goes_out(STACK) == {"WebGroup": [443], "WorkerGroup": [443, 465, 587]}
    open_to_all = {
        name: [rule["FromPort"] for rule in each["SecurityGroupIngress"]]
        for name, each in STACK.of_type("AWS::EC2::SecurityGroup").items()
        if "SecurityGroupIngress" in each
    }
    assert open_to_all == {"BalancerGroup": [80, 443]}


def test_a_firewall_is_there_only_where_it_is_wanted_and_lets_files_and_webhooks_through():
    assert STACK.of_type("AWS::WAFv2::WebACL") == {}
    stack = Rendered(load(), {**GIVEN, "Firewall": "yes"})
    [firewall] = stack.of_type("AWS::WAFv2::WebACL").values()
    [association] = stack.of_type("AWS::WAFv2::WebACLAssociation").values()
    assert association["ResourceArn"] == "<Balancer>"
    by_rate, *managed = (rule["Statement"] for rule in firewall["Rules"])
    limits = by_rate["RateBasedStatement"]
    spared = limits["ScopeDownStatement"]["NotStatement"]["Statement"]["ByteMatchStatement"]
    assert spared["SearchString"] == "/webhooks/"
    # Five minutes of what nginx lets through in Compose.
    nginx = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text("utf-8")
    [a_second] = re.findall(r"zone=people:10m rate=(\d+)r/s", nginx)
    assert limits["Limit"] == 300 * int(a_second)
    names = {each["ManagedRuleGroupStatement"]["Name"] for each in managed}
    assert "AWSManagedRulesCommonRuleSet" not in names  # no body over 8 KB
    assert len(names) == 2


def test_servers_are_spoken_to_over_tls():
    assert STACK.resource("DatabaseUrl")["SecretString"].endswith("?sslmode=require")
    # Celery compares certificates only when it is told to.
    url = STACK.resource("RedisUrl")["SecretString"]
    assert url.startswith("rediss://")
    assert url.endswith("?ssl_cert_reqs=required")
    assert STACK.resource("Broker")["TransitEncryptionEnabled"] is True
    assert STACK.resource("DatabaseSettings")["Parameters"]["rds.force_ssl"] == "1"


def test_what_runs_is_private():
    for service in STACK.of_type("AWS::ECS::Service").values():
        network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network["AssignPublicIp"] == "DISABLED"
        assert network["Subnets"] == ["<PrivateA>", "<PrivateB>"]
        assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {
            "Enable": True,
            "Rollback": True,
        }
    assert STACK.resource("Database")["PubliclyAccessible"] is False


def test_there_is_one_scheduler_and_never_two():
    beat = STACK.resource("Beat")
    assert beat["DesiredCount"] == 1
    assert beat["DeploymentConfiguration"]["MaximumPercent"] == 100
    ranges = STACK.of_type("AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert not any("Beat" in each["ResourceId"] for each in ranges)


def test_nothing_runs_before_the_schema_is_there():
    stack = Rendered(load(), {**GIVEN, "Serving": "no"})
    services = stack.of_type("AWS::ECS::Service")
    assert {each["DesiredCount"] for each in services.values()} == {0}
    assert load()["Parameters"]["Serving"]["Default"] == "no"
    assert "MigrationTag" in json.dumps(load()["Resources"]["MigrateTask"])
    assert "ImageTag" in json.dumps(load()["Resources"]["WebTask"])


def test_the_guide_counts_connections_rightly():
    def most(task, count):
        size = environment(TASKS[task]).get("DATABASE_POOL_SIZE")
        default = Settings.model_fields["DATABASE_POOL_SIZE"].default
        return int(size or default) * count

    defaults = {name: each.get("Default") for name, each in load()["Parameters"].items()}
    total = (
        most("WebTask", defaults["WebCountMax"])
        + most("SyncTask", defaults["SyncCountMax"])
        + most("CeleryTask", 1)
    )
    guide = (ROOT / "docs" / "guides" / "deploy-to-aws.md").read_text("utf-8")
    assert f"{total} of the 400 or so" in guide
    # During an update there may be twice as many; db.t4g.medium has 4 GB.
    assert f"up to {2 * total} while a release" in " ".join(guide.split())
    assert 2 * total < 400 < 4 * 2**30 / 9_531_392


def test_the_guide_counts_secrets_rightly():
    guide = (ROOT / "docs" / "guides" / "deploy-to-aws.md").read_text("utf-8")
    count = len(secret_names())
    # Forty cents each.
    assert f"| secrets, {count} | ${count * 0.4:.0f} |" in guide


def test_what_must_not_be_lost_outlives_the_stack():
    resources = load()["Resources"]
    for name, each in resources.items():
        if each["Type"] in ("AWS::SecretsManager::Secret", "AWS::S3::Bucket"):
            assert each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain", name
    assert resources["Database"]["DeletionPolicy"] == "Snapshot"
    database = STACK.resource("Database")
    assert database["DeletionProtection"] is True
    assert database["StorageEncrypted"] is True
    assert database["BackupRetentionPeriod"] >= 7
    # Only the program deletes backups, and never the settings beside them.
    rules = STACK.resource("Backups")["LifecycleConfiguration"]["Rules"]
    assert not any("ExpirationInDays" in rule for rule in rules)


def test_each_night_a_sealed_backup_goes_into_the_bucket_and_each_week_one_is_restored_to_see():
    backup, check = (STACK.resource(name) for name in ("DailyBackup", "WeeklyRestore"))
    jobs = compose("docker-compose.prod.yml")["services"]["backup"]["command"]
    assert TASKS["BackupTask"]["Command"] == [*jobs[:2], "--keep", "14"]
    where = environment(TASKS["BackupTask"])["BACKUP_S3_URL"]
    assert where == "s3://<Backups>/backups"
    [once], [each_week] = backup["Targets"], check["Targets"]
    assert "Input" not in once
    [override] = json.loads(each_week["Input"])["containerOverrides"]
    assert override == {"name": "backup", "command": ["fintech", "restore", "--check"]}
    assert backup["ScheduleExpression"] == "cron(17 3 * * ? *)"
    assert check["ScheduleExpression"] == "cron(47 4 ? * SUN *)"
    allowed = STACK.resource("BackupRole")["Policies"][0]["PolicyDocument"]["Statement"]
    assert {statement["Resource"] for statement in allowed} == {
        "<Backups.Arn>/backups/*",
        "<Backups.Arn>",
    }


def test_the_template_holds_no_secret_and_fits_into_one_call():
    text = TEMPLATE.read_text("utf-8")
    assert len(text.encode()) < TEMPLATE_BYTES_MAX
    assert not re.search(r"AKIA|BEGIN [A-Z ]*PRIVATE KEY", text)
    values = [each.get("SecretString", "") for each in STACK.of_type(
        "AWS::SecretsManager::Secret").values()]  # fmt: skip
    assert all("{{resolve:secretsmanager:" in value for value in values if value)


RECORDER = """#!/bin/sh
echo "${0##*/} $*" >> "$LOG"
case "$*" in
    *get-secret-value* | *describe-images*) exit "$MISSING" ;;
    *"run-task "*'"backup","command":["fintech","backup"'*) echo "$BACKUP" ;;
    *"run-task "*) echo task ;;
    *"describe-tasks "*failing*) echo 1 ;;
    *describe-tasks*) echo "$STATUS" ;;
    *"wait tasks-stopped"*) exit "${WAIT:-0}" ;;
    *"'Serving'"*) echo "$SERVING" ;;
    *describe-stacks*) echo "r.example/${*##*==}" | tr -d "'[].A-Z]" ;;
    *login*) cat > /dev/null ;;
esac
"""


def deploy(tmp_path: Path, *words, status="0", missing="1", serving="no", backup="task", **more):
    """Run deploy.sh against programs that write down what they are asked; return that."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("aws", "docker"):
        (folder / name).write_text(RECORDER)
        (folder / name).chmod(0o755)
    log = tmp_path / "log"
    log.write_text("")
    done = subprocess.run(
        ["sh", TEMPLATE.parent / "deploy.sh", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30,
        env={"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(log), "STATUS": status,
             "MISSING": missing, "SERVING": serving, "BACKUP": backup, **more},
    )  # fmt: skip
    calls = [line for line in log.read_text().splitlines() if "describe-stacks" not in line]
    return done, calls


def places_in(calls, order):
    """Return where each of these words stands, one place each."""
    places = [[n for n, call in enumerate(calls) if words in call] for words in order]
    assert [len(each) for each in places] == [1] * len(order), calls
    return places


def test_a_release_migrates_before_it_serves(tmp_path):
    done, calls = deploy(tmp_path, "release", "0.2.0")
    assert done.returncode == 0
    order = ("docker push", "MigrationTag=0.2.0", "ecs run-task", "wait tasks-stopped",
             "ImageTag=0.2.0 Serving=yes")  # fmt: skip
    places = places_in(calls, order)
    assert places == sorted(places)


BACKUP = '"command":["fintech","backup","--keep","14"]'
MIGRATION = '"command":["alembic","upgrade","head"]'


def test_what_serves_is_backed_up_before_it_is_migrated(tmp_path):
    done, calls = deploy(tmp_path, "release", "0.2.0", serving="yes")
    assert done.returncode == 0
    places = places_in(calls, (BACKUP, "MigrationTag=0.2.0", MIGRATION, "ImageTag=0.2.0"))
    assert places == sorted(places)
    # It has ended before the next step.
    assert "wait tasks-stopped" in calls[places[0][0] + 1]


@pytest.mark.parametrize("backup", ["failing", "None", ""])
def test_a_backup_that_fails_stops_the_release_and_says_how_to_go_on_without(tmp_path, backup):
    done, calls = deploy(tmp_path, "release", "0.2.0", serving="yes", backup=backup)
    assert done.returncode != 0
    assert "SKIP_BACKUP=1" in done.stderr
    assert not any("cloudformation deploy" in call or MIGRATION in call for call in calls)
    # The image is there by now, under a name that is used once.
    done, calls = deploy(
        tmp_path, "release", "0.2.0", serving="yes", backup=backup, missing="0", SKIP_BACKUP="1"
    )
    assert done.returncode == 0
    assert not any(BACKUP in call or "docker" in call for call in calls)
    places_in(calls, (MIGRATION, "ImageTag=0.2.0"))


@pytest.mark.parametrize("status", ["1", "None"])
def test_a_migration_that_fails_changes_no_service(tmp_path, status):
    done, calls = deploy(tmp_path, "release", "0.2.0", status=status)
    assert done.returncode != 0
    assert not any("ImageTag" in call for call in calls)


def test_encryption_keys_are_written_once(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "encryption_keys").write_text("k1:abc")
    (folder / "plaid_client_id").write_text("")
    done, calls = deploy(tmp_path, "secrets")
    assert done.returncode == 0
    assert sum("put-secret-value" in call for call in calls) == 1
    assert calls[-1].endswith("Plaid=no OpenAI=no Mail=no Oidc=no")
    done, calls = deploy(tmp_path, "secrets", missing="0")
    assert (done.returncode, [call for call in calls if "put-secret-value" in call]) == (0, [])


def test_a_command_is_run_word_by_word(tmp_path):
    _, calls = deploy(tmp_path, "run", "fintech", "user", "operator", "a b@example.org")
    [call] = [call for call in calls if "run-task" in call]
    assert '"fintech-app","command":["fintech","user","operator","a b@example.org"]' in call


def test_migrations_are_taken_back_by_the_image_that_brought_them(tmp_path):
    _, calls = deploy(tmp_path, "run", "alembic", "downgrade", "-1")
    [call] = [call for call in calls if "run-task" in call]
    assert '"migrate","command":["alembic","downgrade","-1"]' in call
    assert "MigrationTag" in json.dumps(load()["Resources"]["MigrateTask"])
    _, calls = deploy(tmp_path, "rollback", "0.1.0")
    assert not any("MigrationTag" in call for call in calls)


def test_settings_of_a_file_are_taken_by_new_tasks(tmp_path):
    (tmp_path / "settings.env").write_text("SENTRY_DSN=https://key@errors.example/1\n")
    done, calls = deploy(tmp_path, "settings")
    assert done.returncode == 0
    assert "s3 cp --only-show-errors settings.env s3://" in calls[0]
    assert calls[0].endswith("/settings/settings.env")
    assert len([call for call in calls if "--force-new-deployment" in call]) == 4


@pytest.mark.parametrize(("verb", "command"), [("backup", "backup"), ("check", "restore")])
def test_backups_are_made_and_checked_by_the_programs_own_commands(tmp_path, verb, command):
    done, calls = deploy(tmp_path, verb)
    assert done.returncode == 0
    [call] = [call for call in calls if "run-task" in call]
    assert f'{{"name":"backup","command":["fintech","{command}",' in call


def test_a_task_may_take_longer_than_the_cli_waits(tmp_path):
    done, calls = deploy(tmp_path, "backup", WAIT="255")
    assert done.returncode == 0
    assert sum("wait tasks-stopped" in call for call in calls) == 18


def test_each_verb_of_the_guide_is_one_of_the_script():
    guide = (ROOT / "docs" / "guides" / "deploy-to-aws.md").read_text("utf-8")
    script = (TEMPLATE.parent / "deploy.sh").read_text("utf-8")
    verbs = set(re.findall(r"deploy/ecs/deploy\.sh (\w+)", guide))
    assert verbs == set(re.findall(r"^    (\w+)\)$", script, re.MULTILINE))
