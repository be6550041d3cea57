"""The CloudFormation template, read as AWS reads it; enough of that for ours.

`python -m scripts.cloud.template` writes deploy/ecs/task-definition.json from it.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "deploy" / "ecs" / "fintech.yaml"
_SUBSTITUTED = re.compile(r"\$\{([^}!]+)\}")


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, which become its long forms: `!Ref X` is `{"Ref": "X"}`."""


def _long_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def load(path: Path = TEMPLATE) -> dict[str, Any]:
    """Return the template in JSON's long forms."""
    # The loader is a safe one: it makes plain values only.
    found: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    return found


@dataclass(frozen=True)
class Rendered:
    """A template with its parameters filled in.

    Attributes:
        template: As `load` returns it.
        parameters: Values for parameters that have no default, or another one.
        names: What `Ref` and `GetAtt` of resources give, by `Resource` or `Resource.Attribute`;
            what is not named is `<Resource>` or `<Resource.Attribute>`.
    """

    template: dict[str, Any]
    parameters: dict[str, str]
    names: dict[str, str] = field(default_factory=dict)

    def resource(self, name: str) -> dict[str, Any]:
        """Return the properties of a resource."""
        found: dict[str, Any] = self.value(self.template["Resources"][name]["Properties"])
        return found

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of all resources of a type that are made, by their names."""
        return {
            name: self.resource(name)
            for name, each in self.template["Resources"].items()
            if each["Type"] == kind and self._holds(each.get("Condition"))
        }

    def _holds(self, condition: str | None) -> bool:
        return condition is None or bool(self.value(self.template["Conditions"][condition]))

    def value(self, raw: Any) -> Any:  # noqa: ANN401 - any part of a template
        """Return part of a template with its functions carried out."""
        if isinstance(raw, list):
            return [found for each in raw if (found := self.value(each)) is not None]
        if not isinstance(raw, dict):
            return raw
        if len(raw) == 1:
            [(function, argument)] = raw.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._call(function, argument)
        values = {key: self.value(each) for key, each in raw.items()}
        return {key: each for key, each in values.items() if each is not None}

    def _call(self, function: str, argument: Any) -> Any:  # noqa: ANN401 - any part of a template
        match function:
            case "Ref":
                return None if argument == "AWS::NoValue" else self._name(argument)
            case "Fn::GetAtt":
                return self._name(".".join(argument))
            case "Fn::Sub":
                return _SUBSTITUTED.sub(lambda found: str(self._name(found[1])), argument)
            case "Fn::If":
                condition, yes, no = argument
                return self.value(yes if self._holds(condition) else no)
            case "Fn::Equals":
                left, right = self.value(argument)
                return str(left) == str(right)
            case "Fn::Not":
                [condition] = self.value(argument)
                return not condition
            case "Fn::Join":
                separator, parts = argument
                return separator.join(self.value(parts))
            case _:
                return {function: argument}

    def _name(self, name: str) -> Any:  # noqa: ANN401 - a parameter has any scalar's type
        parameter = self.template["Parameters"].get(name, {})
        return self.parameters.get(
            name, self.names.get(name, parameter.get("Default", f"<{name}>"))
        )


def in_api_case(value: Any) -> Any:  # noqa: ANN401 - any part of a template
    """Return a task definition's properties with the names that the API of ECS has for them."""
    if isinstance(value, list):
        return [in_api_case(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key[:1].lower() + key[1:]: in_api_case(each) for key, each in value.items()}


def task_definition(rendered: Rendered, name: str) -> dict[str, Any]:
    """Return what `aws ecs register-task-definition --cli-input-json` takes."""
    found: dict[str, Any] = in_api_case(rendered.resource(name))
    return found


def founding_task_definition() -> str:
    """Return deploy/ecs/task-definition.json: the web server's, with places to fill in."""
    secrets = {
        name: f"arn:aws:secretsmanager:region:account:secret:{path.partition('/')[2]}"
        for name, path in secret_names().items()
    }
    rendered = Rendered(
        load(),
        {"HostName": "money.example.org", "ImageTag": "latest", "OpenAI": "yes", "Mail": "yes"},
        {
            **secrets,
            "Images.RepositoryUri": "account.dkr.ecr.region.amazonaws.com/fintech/fintech-app",
            "ExecutionRole.Arn": "arn:aws:iam::account:role/ecsTaskExecutionRole",
            "Backups.Arn": "arn:aws:s3:::fintech-backups-account-region",
            "Logs": "/ecs/fintech",
            "AWS::Region": "region",
        },
    )
    return json.dumps(task_definition(rendered, "WebTask"), indent=2) + "\n"


def secret_names(stack: str = "fintech") -> dict[str, str]:
    """Return the name of each secret by its resource."""
    rendered = Rendered(load(), {}, {"AWS::StackName": stack})
    found = rendered.of_type("AWS::SecretsManager::Secret")
    return {resource: each["Name"] for resource, each in found.items()}


if __name__ == "__main__":
    (TEMPLATE.parent / "task-definition.json").write_text(
        founding_task_definition(), encoding="utf-8"
    )
