"""deploy/vault and the stores of secrets for Kubernetes: what of their shape can be read here."""

import re

import jsonschema
import pytest
import yaml

from app.core.config import Settings
from tests.deploy.files import ROOT, compose

COMPONENT = ROOT / "deploy" / "kustomize" / "components" / "external-secrets"
EXTERNAL = yaml.safe_load((COMPONENT / "externalsecret.yaml").read_text("utf-8"))
AGENT = (ROOT / "deploy" / "vault" / "agent.hcl").read_text("utf-8")
TEXT = {"type": "string", "minLength": 1}


def closed(**required):
    return {
        "type": "object",
        "properties": required,
        "required": list(required),
        "additionalProperties": False,
    }


SERVICE_ACCOUNT = closed(name=TEXT, namespace=TEXT)
PROVIDERS = {
    "aws": closed(
        service={"const": "SecretsManager"},
        region=TEXT,
        auth=closed(jwt=closed(serviceAccountRef=SERVICE_ACCOUNT)),
    ),
    "gcpsm": closed(projectID=TEXT),
    "vault": closed(
        server={"pattern": "^https://"},
        path=TEXT,
        version={"const": "v2"},
        auth=closed(
            kubernetes=closed(mountPath=TEXT, role=TEXT, serviceAccountRef=SERVICE_ACCOUNT)
        ),
    ),
}
"""As the operator's own definitions of v1 have them; nothing else of them is used."""


@pytest.mark.parametrize(
    ("file", "provider"), [("aws", "aws"), ("google", "gcpsm"), ("vault", "vault")]
)
def test_each_store_has_the_operators_shape_and_the_name_that_is_asked_for(file, provider):
    store = yaml.safe_load((COMPONENT / "stores" / f"{file}.yaml").read_text("utf-8"))
    spec = closed(provider=closed(**{provider: PROVIDERS[provider]}))
    jsonschema.validate(store["spec"], spec)
    assert store["apiVersion"] == EXTERNAL["apiVersion"] == "external-secrets.io/v1"
    asked = EXTERNAL["spec"]["secretStoreRef"]
    assert asked == {"kind": store["kind"], "name": store["metadata"]["name"]}
    # One secret has all keys, and its store says no namespace: it is the whole cluster's.
    assert "namespace" not in store["metadata"]


def test_what_a_manager_must_have_is_what_the_program_takes_as_secrets():
    secrets = {
        name for name, f in Settings.model_fields.items() if "SecretStr" in str(f.annotation)
    }
    text = (COMPONENT / "externalsecret.yaml").read_text("utf-8")
    assert secrets | {"PLAID_CLIENT_ID"} <= set(re.findall(r"\b[A-Z][A-Z_]+\b", text))


def test_vaults_agent_starts_anew_what_reads_the_files():
    [command] = re.findall(r"command = (\[.*?\])", AGENT, re.DOTALL)
    words = re.findall(r'"([^"]+)"', command)
    services = compose("docker-compose.prod.yml")["services"]
    ours = {
        name for name, each in services.items()
        if {"secret_key", "encryption_keys"} <= set(each.get("secrets", ())) and name != "migrate"
    }  # fmt: skip
    assert set(words[words.index("--no-deps") + 1 :]) == ours


def test_vaults_agent_notices_a_change_and_can_sign_in_again():
    # It runs the command only when what the template says is another than in the file.
    assert AGENT.count("{{- .Data.metadata.version -}}") == 1
    assert "remove_secret_id_file_after_reading = false" in AGENT
    assert AGENT.count("{{- end -}}") == len(re.findall(r"\{\{- (?:with|range) ", AGENT))
