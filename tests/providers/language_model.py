"""A small server that speaks OpenAI's chat completions, for tests: it answers as it is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from tests.providers.local_server import Answer, LocalServer, as_json, local_server

KEY = "sk-canary-key-of-a-test"
MODELS = {"object": "list", "data": [{"id": "small-model", "object": "model"}]}


def completion(
    values: object, *, tokens: tuple[int, int] | None = (400, 60), status: int = 200
) -> Answer:
    """Return an answer whose text is `values`, as JSON unless it is a text."""
    text = values if isinstance(values, str) else json.dumps(values)
    body: dict[str, object] = {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
    }
    if tokens:
        body["usage"] = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return as_json(body, status)


def refusal(status: int, **headers: str) -> Answer:
    """Return an error as OpenAI tells it; its words hold what must not be passed on."""
    return as_json({"error": {"message": f"Incorrect key {KEY}", "code": "x"}}, status, **headers)


@contextmanager
def running(patch: pytest.MonkeyPatch, **settings: object) -> Iterator[LocalServer]:
    """Start one, and let the application know it; `settings` are further OPENAI_… by their ends."""
    with local_server() as server:
        server.routes["/v1/models"] = as_json(MODELS)
        given = {"base_url": f"{server.url}/v1", "api_key": SecretStr(KEY), "model": "small-model"}
        use(patch, **{**given, **settings})
        yield server


def use(patch: pytest.MonkeyPatch, **named: object) -> None:
    """Set OPENAI_… for the test, and forget what was learnt of another server."""
    from app.core import config, language_model
    from app.features.transactions import asking, detail

    values = {f"OPENAI_{name.upper()}": value for name, value in named.items()}
    # Not `model_copy`: what is cached in the settings would be copied as well.
    changed = config.Settings.model_construct(**{**config.settings.model_dump(), **values})
    for module in (language_model, asking, detail):
        patch.setattr(module, "settings", changed)
    patch.setattr(language_model, "_strictest", [0])
