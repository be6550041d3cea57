"""Every setting can be given in every way to deploy; none is forgotten when one is added."""

import re

import pytest

from app.core.config import Settings
from scripts.cloud.template import Rendered, load
from tests.deploy.files import ROOT, compose, containers

LEFT_OUT = {
    "APP_ENV": "production is the default, and the only one that belongs there",
}
GIVEN = sorted(set(Settings.model_fields) - set(LEFT_OUT))
CHART = ROOT / "deploy" / "helm" / "fintech" / "templates"
STARTS_THE_PROGRAM = re.compile(r"app\.(main|tasks)\b|^(alembic|fintech)\b")


def starts_the_program(command):
    return not command or bool(STARTS_THE_PROGRAM.search(" ".join(map(str, command))))


def test_what_is_left_out_is_a_setting():
    assert set(LEFT_OUT) <= set(Settings.model_fields)


@pytest.mark.parametrize("name", GIVEN)
def test_compose_hands_on_each_setting(name):
    services = compose("docker-compose.prod.yml")["services"]
    for service in ("app", "celery", "celery-sync", "celery-beat", "migrate", "backup"):
        environment = services[service]["environment"]
        is_own = name == "DATABASE_POOL_SIZE" and service in ("celery", "celery-sync")
        # nginx's network, which that file itself makes.
        variable = "EDGE_SUBNET" if name == "TRUSTED_PROXIES" else name
        assert is_own or f"${{{variable}:-" in environment[name], service


def test_compose_names_no_file_of_a_secret_that_a_service_has_not():
    for name, service in compose("docker-compose.prod.yml")["services"].items():
        for variable, path in service.get("environment", {}).items():
            if variable.endswith("_FILE") and str(path).startswith("/run/secrets/"):
                assert path.rpartition("/")[2] in service["secrets"], f"{name}: {variable}"


def test_on_kubernetes_the_config_map_is_every_process_environment():
    ours = [
        (name, each) for name, each in containers()
        if each["image"] == "fintech-app:latest" and starts_the_program(each.get("command"))
    ]  # fmt: skip
    assert len(ours) == 10
    for name, each in ours:
        assert {"configMapRef": {"name": "app-config"}} in each["envFrom"], name
        # What a process says for itself goes before the map.
        own = {one["name"] for one in each.get("env", ())} & set(GIVEN)
        assert own <= {"DATABASE_POOL_SIZE", "TRUSTED_HOSTS"}, name


def test_the_chart_hands_on_every_value_of_settings_to_every_process():
    assert "range $name, $value := .Values.settings" in (CHART / "config.yaml").read_text("utf-8")
    assert "configMapRef" in (CHART / "_pod.tpl").read_text("utf-8")
    for path in CHART.iterdir():
        text = path.read_text("utf-8")
        commands = len(re.findall(r"^ *command: ", text, re.MULTILINE))
        assert text.count('include "fintech.container"') >= commands, path.name


def test_on_aws_settings_without_a_parameter_come_from_the_file_in_the_bucket():
    stack = Rendered(load(), {"HostName": "money.example.org"})
    tasks = stack.of_type("AWS::ECS::TaskDefinition")
    for name, task in tasks.items():
        [container] = task["ContainerDefinitions"]
        [file] = container["EnvironmentFiles"]
        assert file == {"Type": "s3", "Value": "<Backups.Arn>/settings/settings.env"}, name
        # What the template says goes before the file: it must be a parameter, or follow from one.
        own = {each["Name"] for each in container["Environment"]} & set(GIVEN)
        assert own <= {
            "PUBLIC_URL", "PLAID_ENV", "REGISTRATION_OPEN", "TRUSTED_PROXIES", "DATABASE_POOL_SIZE",
        }, name  # fmt: skip
    statements = stack.resource("ExecutionRole")["Policies"][0]["PolicyDocument"]["Statement"]
    read = [each["Resource"] for each in statements if each["Action"] == "s3:GetObject"]
    assert read == ["<Backups.Arn>/settings/settings.env"]
    assert load()["Parameters"]["PlaidEnvironment"]["AllowedValues"] == ["production", "sandbox"]
