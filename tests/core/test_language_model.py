"""The port to a language model: what is sent, what is believed, what it costs, how it fails."""

import json
import logging
import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import LogCapture

from app.core import config, language_model, metrics
from app.core.config import Settings
from app.core.errors import UnavailableError
from tests.providers import language_model as fake
from tests.providers.language_model import KEY, completion, refusal
from tests.providers.local_server import (
    LocalServer,
    as_json,
    drip,
    endless,
    html,
    raw,
    reset,
    silence,
    truncated,
)

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
GOOD = completion({"name": "Caffe Nero"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """A language model that the program knows; its pauses are short."""
    monkeypatch.setattr(language_model, "PAUSE_SECONDS", 0.01)
    with fake.running(monkeypatch) as server:
        yield server


def ask() -> language_model.Answer:
    return language_model.ask("Say who it is.", {"text": "NERO #"}, SCHEMA)


def total(name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def sent(server: LocalServer) -> list[dict]:
    return [each.json for each in server.requests]


def test_a_question_carries_the_key_the_bounds_and_the_facts_as_data(server: LocalServer) -> None:
    server.answers = [GOOD]

    answer = ask()

    assert answer.values == {"name": "Caffe Nero"}
    [request] = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    body = request.json
    assert body["model"] == "small-model"
    assert body["max_completion_tokens"] == language_model.TOKENS_MAX
    assert body["response_format"]["json_schema"] == {
        "name": "answer", "strict": True, "schema": SCHEMA,
    }  # fmt: skip
    instructions, facts = body["messages"]
    assert (instructions["role"], facts["role"]) == ("system", "user")
    assert instructions["content"] == "Say who it is."
    assert json.loads(facts["content"]) == {"text": "NERO #"}
    assert "store" not in body


def test_openai_is_told_to_keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake.use(monkeypatch, api_key=config.SecretStr(KEY))
    assert language_model._body("json_schema", "", {}, SCHEMA)["store"] is False


def test_without_a_key_none_is_sent(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.use(monkeypatch, base_url=f"{server.url}/v1")
    server.answers = [GOOD]

    ask()

    assert language_model.is_on()
    assert "authorization" not in server.requests[0].headers


def test_L1_without_key_and_address_there_is_none() -> None:
    assert not language_model.is_on()


@pytest.mark.parametrize(
    ("tokens_in", "tokens_out", "dollars"),
    [(400, 60, "0.00022"), (1, 0, "0.00000025"), (0, 0, "0"), (10**9, 10**9, "2250")],
)
def test_the_cost_is_exact(
    server: LocalServer, tokens_in: int, tokens_out: int, dollars: str
) -> None:
    server.answers = [completion({"name": "x"}, tokens=(tokens_in, tokens_out))]
    before = total("fta_model_tokens_total", direction="in"), total("fta_model_dollars_total")

    answer = ask()

    assert (answer.tokens_in, answer.tokens_out) == (tokens_in, tokens_out)
    assert answer.dollars == Decimal(dollars)
    after = total("fta_model_tokens_total", direction="in"), total("fta_model_dollars_total")
    assert after[0] - before[0] == tokens_in
    assert after[1] - before[1] == pytest.approx(float(Decimal(dollars)))


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.decimals(0, 10_000, places=4),
    st.decimals(0, 10_000, places=4),
)
def test_no_cost_is_rounded(
    tokens_in: int, tokens_out: int, price_in: Decimal, price_out: Decimal
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fake.use(patch, dollars_per_million_input=price_in, dollars_per_million_output=price_out)
        dollars = language_model.cost(tokens_in, tokens_out)

    assert (
        dollars * 10**10 == int(price_in * 10**4) * tokens_in + int(price_out * 10**4) * tokens_out
    )


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": True}, {"prompt_tokens": "9"}]
)
def test_what_a_server_does_not_say_is_counted_as_the_most_it_could_be(
    server: LocalServer, usage: object
) -> None:
    choices = [{"message": {"content": '{"name": "x"}'}}]
    server.answers = [as_json({"choices": choices, "usage": usage})]

    answer = ask()

    assert answer.tokens_in == len(server.requests[0].body)
    assert answer.tokens_out == language_model.TOKENS_MAX


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_takes_no_schema_is_asked_less_strictly_from_then_on(
    server: LocalServer, status: int
) -> None:
    server.answers = [refusal(status), GOOD, GOOD]

    assert ask().values == ask().values == {"name": "Caffe Nero"}

    formats = [body["response_format"]["type"] for body in sent(server)]
    assert formats == ["json_schema", "json_object", "json_object"]
    assert json.dumps(SCHEMA) in sent(server)[1]["messages"][0]["content"]


def test_a_server_that_takes_no_format_at_all_is_asked_in_plain_words(server: LocalServer) -> None:
    thinking = completion('<think>{"no": 1}</think>\n```json\n{"name": "Caffe Nero"}\n```')
    server.answers = [refusal(400), refusal(400), thinking, GOOD]

    assert ask().values == ask().values == {"name": "Caffe Nero"}

    assert ["response_format" in body for body in sent(server)] == [True, True, False, False]
    assert sent(server)[2]["max_tokens"] == language_model.TOKENS_MAX


def test_a_server_that_breaks_on_a_schema_is_asked_less_strictly_once(server: LocalServer) -> None:
    server.answers = [refusal(500), GOOD, GOOD]

    ask()
    ask()

    formats = [body["response_format"]["type"] for body in sent(server)]
    assert formats == ["json_schema", "json_object", "json_schema"]


def test_what_every_way_refuses_is_not_remembered_as_a_way(server: LocalServer) -> None:
    server.answers = [refusal(400)]
    with pytest.raises(UnavailableError, match=r"does not take our question \(400\)"):
        ask()
    assert len(server.requests) == 3

    server.answers = [GOOD]
    ask()
    assert sent(server)[-1]["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    "first", [refusal(429), refusal(503), refusal(429, Retry_After="0"), reset]
)
def test_what_passes_by_is_tried_once_more(server: LocalServer, first: object) -> None:
    server.answers = [first, GOOD]  # type: ignore[list-item]

    assert ask().values == {"name": "Caffe Nero"}
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "outcome", "words", "requests"),
    [
        (refusal(401), "refused", "corrects OPENAI_API_KEY", 1),
        (refusal(403), "refused", "corrects OPENAI_API_KEY", 1),
        (refusal(404), "rejected", "OPENAI_MODEL", 1),
        (refusal(302, Location="http://192.0.2.1/"), "rejected", "OPENAI_BASE_URL", 1),
        (refusal(429), "limited", "no more questions", 2),
        (refusal(429, Retry_After="3600"), "limited", "no more questions", 1),
        (refusal(500), "failed", "in trouble", 2),
        (html(502), "failed", "in trouble", 2),
        (reset, "unreachable", "cannot be asked", 2),
        (truncated(b"{}" * 99), "unreachable", "cannot be asked", 2),
        (endless, "unreachable", "too large", 1),
        (raw(b"no JSON"), "unreadable", "cannot be read", 1),
        (raw(b"[" * 100_000), "unreadable", "cannot be read", 1),
        (raw(b"[]"), "unreadable", "cannot be read", 1),
        (as_json({"choices": []}), "unreadable", "cannot be read", 1),
        (as_json({"choices": [{"message": {"content": None}}]}), "unreadable", "cannot be read", 1),
        (completion("I cannot help with that."), "unreadable", "cannot be read", 1),
        (completion('{"name": "Caffe'), "unreadable", "cannot be read", 1),
        (completion('["name"]'), "unreadable", "cannot be read", 1),
    ],
)  # fmt: skip
def test_L7_each_way_to_fail_is_told_counted_and_bounded(
    server: LocalServer,
    answer: object,
    outcome: str,
    words: str,
    requests: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.answers = [answer]  # type: ignore[list-item]
    before = total("fta_model_calls_total", outcome=outcome)
    logged = LogCapture()
    monkeypatch.setattr(language_model, "log", structlog.wrap_logger(None, processors=[logged]))

    with caplog.at_level(logging.DEBUG), pytest.raises(UnavailableError, match=words) as caught:
        ask()

    steps = 1 if outcome == "failed" else 0  # down from the schema
    assert requests <= len(server.requests) <= requests + steps
    assert total("fta_model_calls_total", outcome=outcome) == before + 1
    [told] = logged.entries
    assert (told["event"], told["outcome"]) == ("model_asked", outcome)
    assert KEY not in f"{caught.value}{caught.value.__cause__}{caplog.text}{told}"
    assert "127.0.0.1" in caught.value.message


def test_an_answer_that_cannot_be_read_was_paid_for_all_the_same(server: LocalServer) -> None:
    server.answers = [completion("Sorry!", tokens=(1_000_000, 0))]
    before = total("fta_model_dollars_total")

    with pytest.raises(UnavailableError):
        ask()

    assert total("fta_model_dollars_total") - before == pytest.approx(0.25)


@pytest.mark.parametrize("slow", [silence(4), drip(0.05, [])])
def test_L7_a_slow_server_is_waited_for_so_long_and_no_longer(
    server: LocalServer, slow: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language_model, "SECONDS_MAX", 1.5)
    monkeypatch.setattr(language_model, "ATTEMPT_SECONDS_MAX", 1.0)
    server.answers = [slow]  # type: ignore[list-item]
    count = "fta_model_call_duration_seconds_sum"
    before = total(count)

    with pytest.raises(UnavailableError, match="cannot be asked"):
        ask()

    assert 0.9 < total(count) - before < 3.5
    assert len(server.requests) <= 2


def test_no_server_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_model, "PAUSE_SECONDS", 0.01)
    fake.use(monkeypatch, base_url="http://127.0.0.1:9/v1")

    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9 cannot be asked: no connection"):
        ask()


def test_L7_few_ask_at_once_and_the_rest_is_sent_away(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language_model, "_asking", language_model.Turns(1, waiting=0, seconds=0))
    is_asked, may_answer = threading.Event(), threading.Event()

    def wait(handler: object) -> None:
        is_asked.set()
        may_answer.wait(10)
        GOOD(handler)  # type: ignore[arg-type]

    server.answers = [wait]
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        assert is_asked.wait(10)
        with pytest.raises(UnavailableError, match="Others are asking") as caught:
            ask()
    finally:
        may_answer.set()
        thread.join()
    assert caught.value.retry_after_seconds
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "address",
    ["", "ollama:11434", "ftp://x/v1", "https://", "https://u:p@x/v1", "https://x/v1?key=1"],
)
def test_an_address_that_is_none_is_refused_at_the_start(address: str) -> None:
    if not address:  # counts as none given
        assert Settings(OPENAI_BASE_URL="http://x:1/v1/").OPENAI_BASE_URL == "http://x:1/v1"
        return
    with pytest.raises(ValueError, match="OPENAI_BASE_URL"):
        Settings(OPENAI_BASE_URL=address)
