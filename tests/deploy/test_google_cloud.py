"""deploy/cloud-run: the files are the program's."""

import re

import jsonschema
import pytest
import yaml

from app.core.celery import celery
from app.core.config import Settings
from tests.deploy.files import ROOT, compose, fixed, is_known

FOLDER = ROOT / "deploy" / "cloud-run"
GUIDE = (ROOT / "docs" / "guides" / "deploy-to-google-cloud.md").read_text("utf-8")
OBJECTS = {
    name: yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    for name in (
        "service", "celery", "celery-sync", "celery-beat", "job", "backup-job", "restore-check-job",
    )
}  # fmt: skip
POOLS = ("celery", "celery-sync", "celery-beat")
BACKUPS = ("backup-job", "restore-check-job")
SECRETS = {n for n, f in Settings.model_fields.items() if "SecretStr" in str(f.annotation)}

FURTHER_SECRETS = {
    "SENTRY_DSN", "ROLLBAR_ACCESS_TOKEN", "BUGSNAG_API_KEY", "OTEL_EXPORTER_OTLP_HEADERS",
}  # fmt: skip

TEXT = {"type": "string", "minLength": 1}


def closed(required, **optional):
    """Return the schema of an object that has these, maybe those, and nothing else."""
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


PROBE = closed(
    {
        "httpGet": closed(
            {
                "path": {"pattern": "^/health([?]live=1)?$"},
                "port": {"const": 8000},
                "httpHeaders": {"const": [{"name": "Host", "value": "localhost"}]},
            }
        )
    },
    periodSeconds={"type": "integer", "maximum": 240},
    timeoutSeconds={"type": "integer", "maximum": 240},
    failureThreshold={"type": "integer"},
)
SECRET = closed(
    {"secretKeyRef": closed({"name": {"pattern": "^[a-z-]+$"}, "key": {"const": "latest"}})}
)
VARIABLE = {
    "oneOf": [closed({"name": TEXT, "value": TEXT}), closed({"name": TEXT, "valueFrom": SECRET})]
}
CONTAINER = closed(
    {
        "image": {"const": "${REGION}-docker.pkg.dev/${PROJECT}/fintech/fintech-app:${TAG}"},
        "resources": closed(
            {"limits": closed({"cpu": TEXT, "memory": {"pattern": "^[0-9]+[MG]i$"}})}
        ),
        "env": {"type": "array", "items": VARIABLE},
    },
    command={"type": "array", "items": TEXT},
    args={"type": "array", "items": TEXT},
    volumeMounts={"const": [{"name": "bucket", "mountPath": "/secrets/bucket"}]},
    ports={"const": [{"name": "http1", "containerPort": 8000}]},
    startupProbe=PROBE,
    livenessProbe=PROBE,
)
VOLUME = closed(
    {
        "name": {"const": "bucket"},
        "secret": closed(
            {
                "secretName": {"pattern": "^[a-z-]+$"},
                "items": {"const": [{"key": "latest", "path": "credentials"}]},
            }
        ),
    }
)
POD = closed(
    {
        "serviceAccountName": TEXT,
        "containers": {"type": "array", "items": CONTAINER, "maxItems": 1},
    },
    volumes={"type": "array", "items": VOLUME, "maxItems": 1},
    containerConcurrency={"type": "integer", "maximum": 1000},
    timeoutSeconds={"anyOf": [{"type": "integer", "maximum": 3600}, {"pattern": "^[0-9]+$"}]},
    maxRetries={"type": "integer"},
)
# Annotations are text to Cloud Run, also where they hold a number.
METADATA = {"annotations": {"type": "object", "additionalProperties": TEXT}}
NAMED = closed({"name": TEXT, "labels": {"type": "object"}}, **METADATA)
REVISION = closed({"metadata": closed({}, **METADATA), "spec": POD})
EXECUTION = closed(
    {
        "metadata": closed({}, **METADATA),
        "spec": closed(
            {
                "template": closed({"spec": POD}),
                "parallelism": {"const": 1},
                "taskCount": {"const": 1},
            }
        ),
    }
)


def schema(version, kind, template):
    return closed(
        {
            "apiVersion": {"const": version},
            "kind": {"const": kind},
            "metadata": NAMED,
            "spec": closed({"template": template}),
        }
    )


SCHEMAS = {
    "Service": schema("serving.knative.dev/v1", "Service", REVISION),
    "WorkerPool": schema("run.googleapis.com/v1", "WorkerPool", REVISION),
    "Job": schema("run.googleapis.com/v1", "Job", EXECUTION),
}


def pod(each):
    spec = each["spec"]["template"]["spec"]
    return spec["template"]["spec"] if each["kind"] == "Job" else spec


def container(name):
    return pod(OBJECTS[name])["containers"][0]


def variables(name):
    return {each["name"]: each for each in container(name)["env"]}


@pytest.mark.parametrize("name", OBJECTS)
def test_each_file_has_the_shape_of_its_kind(name):
    jsonschema.validate(OBJECTS[name], SCHEMAS[OBJECTS[name]["kind"]])


@pytest.mark.parametrize("name", OBJECTS)
def test_every_variable_is_a_setting_and_every_secret_a_reference(name):
    found = variables(name)
    assert [each for each in found if not is_known(each)] == []
    for variable, each in found.items():
        if variable in SECRETS | {"PLAID_CLIENT_ID"} | FURTHER_SECRETS:
            reference = each["valueFrom"]["secretKeyRef"]["name"]
            assert reference == variable.lower().replace("_", "-")
        else:
            assert each["value"]
    assert {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS"} <= set(found)


def test_the_web_server_gets_every_secret():
    assert SECRETS | {"PLAID_CLIENT_ID"} <= set(variables("service"))


@pytest.mark.parametrize("name", OBJECTS)
def test_every_process_reports_its_errors_and_traces(name):
    assert set(variables(name)) >= FURTHER_SECRETS


@pytest.mark.parametrize("name", POOLS)
def test_workers_and_scheduler_do_what_they_do_in_compose(name):
    theirs = compose("docker-compose.prod.yml")["services"][name]
    ours = container(name)
    assert sorted(ours["command"] + ours["args"]) == sorted(theirs["command"])
    for variable in ("WORKER_NAME", "DATABASE_POOL_SIZE"):
        assert variables(name).get(variable, {}).get("value") == fixed(theirs, variable)


def test_every_queue_has_a_worker_and_there_is_one_scheduler():
    words = [word for name in POOLS for word in container(name)["args"]]
    found = [word[9:] for word in words if word.startswith("--queues=")]
    assert sorted(found) == sorted(queue.name for queue in celery.conf.task_queues)
    annotations = OBJECTS["celery-beat"]["metadata"]["annotations"]
    assert annotations["run.googleapis.com/manualInstanceCount"] == "1"


def test_the_job_migrates():
    assert container("job")["command"] + container("job")["args"] == [
        "env",
        *compose("docker-compose.prod.yml")["services"]["migrate"]["command"],
    ]


def test_backups_are_made_and_checked_as_elsewhere():
    backup, check = (container(name)["command"] + container(name)["args"] for name in BACKUPS)
    theirs = compose("docker-compose.prod.yml")["services"]["backup"]["command"]
    assert backup == [*theirs[:2], "--keep", "14"]
    assert check == ["fintech", "restore", "--check"]


@pytest.mark.parametrize("name", BACKUPS)
def test_backups_go_to_googles_own_storage_by_what_one_account_may_do(name):
    found = {each: value.get("value") for each, value in variables(name).items()}
    assert found["BACKUP_S3_URL"] == "s3://${PROJECT}-fintech-backups/backups"
    assert found["AWS_ENDPOINT_URL"] == "https://storage.googleapis.com"
    [volume], [mount] = pod(OBJECTS[name])["volumes"], container(name)["volumeMounts"]
    [item] = volume["secret"]["items"]
    assert found["AWS_SHARED_CREDENTIALS_FILE"] == f"{mount['mountPath']}/{item['path']}"
    # The web server's account cannot read the key to the bucket.
    for other, each in OBJECTS.items():
        account = "fintech-backup" if other in BACKUPS else "fintech-run"
        assert pod(each)["serviceAccountName"] == f"{account}@${{PROJECT}}.iam.gserviceaccount.com"
    mounting = {each for each in OBJECTS if "backup-credentials" in str(OBJECTS[each])}
    assert mounting == set(BACKUPS)


@pytest.mark.parametrize("name", BACKUPS)
def test_the_lines_of_settings_come_last(name):
    """`settings.env` adds to the end of the file."""
    assert list(container(name))[-1] == "env"
    assert list(pod(OBJECTS[name]))[-1] == "containers"


def test_the_founding_documents_names_are_there():
    service = OBJECTS["service"]
    assert service["metadata"]["name"] == "fintech-app"
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    assert annotations["run.googleapis.com/cloudsql-instances"] == "${PROJECT}:${REGION}:fintech"
    # A web server that the image starts by itself, on the port that it opens.
    assert "command" not in container("service")
    assert "\nEXPOSE 8000\n" in (ROOT / "Dockerfile").read_text("utf-8")
    assert container("service")["startupProbe"]["httpGet"]["path"] == "/health"


def test_connections_suffice_even_while_an_update_doubles_them():
    def size(name):
        default = Settings.model_fields["DATABASE_POOL_SIZE"].default
        return int(variables(name).get("DATABASE_POOL_SIZE", {"value": default})["value"])

    annotations = OBJECTS["service"]["spec"]["template"]["metadata"]["annotations"]
    servers = int(annotations["autoscaling.knative.dev/maxScale"])
    total = servers * size("service") + size("celery-sync") + size("celery")
    [most] = re.findall(r"max_connections=(\d+)", (FOLDER / "setup.sh").read_text("utf-8"))
    guide = " ".join(GUIDE.split())
    assert f"{total} of {most}, and up to {2 * total} while a release" in guide
    assert 2 * total < int(most)


def test_no_file_holds_a_secret():
    for path in FOLDER.iterdir():
        text = path.read_text("utf-8")
        assert not re.search(r"AIza|PRIVATE KEY|://[^$ ]*:[^%$ ]+@", text), path.name
