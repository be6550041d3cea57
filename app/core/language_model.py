"""A language model: one question to a server that speaks OpenAI's chat completions, and its cost.

It gets instructions that are the program's own, and facts, which are data and nobody's
instructions; it has no tools, and what it answers is a JSON object of which the caller believes
nothing. Servers differ in how they let themselves be held to a schema: the strictest way is tried
first, and a way that was refused is not tried again by this process.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import structlog

from app.core import metrics, tracing
from app.core.config import OPENAI_URL, settings
from app.core.errors import UnavailableError
from app.core.http import HttpAnswer, HttpClient, HttpError
from app.core.turns import NoTurnError, Turns

SECONDS_MAX = 30.0
"""For one question with all its attempts."""
ATTEMPT_SECONDS_MAX = 20.0
PAUSE_SECONDS = 1.0
PAUSE_SECONDS_MAX = 5.0
"""How long a server may ask us to wait before the second attempt; else the person is told."""
TOKENS_MAX = 2_000
"""That it may write: models that think first count their thoughts as well."""
ANSWER_BYTES_MAX = 256 * 1024
AT_ONCE_MAX = 4
WAITING_MAX = 4
WAIT_SECONDS_MAX = 2.0
"""For a turn, of which each process has few: a thread that waits is one fewer for everybody."""
_COUNT_MAX = 10**9
_MILLION = 6
_WAYS = ("json_schema", "json_object", "plain")
"""To be held to a schema, the strictest first."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said, and what that took."""

    values: Mapping[str, object]
    """A JSON object; neither its names nor its values are checked."""
    tokens_in: int
    tokens_out: int
    dollars: Decimal
    """By the prices of the settings."""


class _NoAnswerError(Exception):
    """The question has no answer."""

    def __init__(self, outcome: str, words: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.words = words
        self.retry_after_seconds = retry_after_seconds


def is_on() -> bool:
    """Tell whether there is a model to ask."""
    return settings.has_language_model


def ask(instructions: str, facts: Mapping[str, object], schema: Mapping[str, object]) -> Answer:
    """Ask one question. Takes seconds: hold no transaction.

    Args:
        instructions: What to do with the facts; constant, nobody's text is in it.
        facts: JSON values; they leave the installation.
        schema: JSON schema of the answer, an object all of whose properties are required.

    Raises:
        UnavailableError: There is no answer that can be read; says what to do.
    """
    began = time.monotonic()
    outcome, answer = "failed", None
    try:
        with tracing.span("language model"), _asking.taken():
            answer = _ask(instructions, facts, schema, began + SECONDS_MAX)
        outcome = "ok"
    except NoTurnError:
        outcome = "busy"
        words = "Others are asking at the moment. Try again in a few seconds."
        raise UnavailableError(words, retry_after_seconds=5) from None
    except _NoAnswerError as failure:
        outcome = failure.outcome
        raise UnavailableError(
            failure.words, retry_after_seconds=failure.retry_after_seconds
        ) from None
    finally:
        seconds = time.monotonic() - began
        metrics.model_calls.labels(outcome).inc()
        metrics.model_call_seconds.observe(seconds)
        _tell(outcome, seconds, answer)
    return answer


def _tell(outcome: str, seconds: float, answer: Answer | None) -> None:
    told: dict[str, object] = {"outcome": outcome, "duration_ms": round(seconds * 1000, 1)}
    if answer is not None:
        # Whatever is called a token is taken out of logs.
        told |= {"read": answer.tokens_in, "written": answer.tokens_out}
        told["dollars"] = f"{answer.dollars.normalize():f}"
    log.info("model_asked", **told)


def list_models() -> list[str]:
    """Return what the server calls its models; costs nothing.

    Raises:
        UnavailableError: It does not say; the words say what to do.
    """
    try:
        answer = _send("GET", "/models", None, ATTEMPT_SECONDS_MAX)
        if answer.status != 200:
            raise _failure_of(answer)
        return [_plain(each["id"]) for each in json.loads(answer.body)["data"]]
    except HttpError as error:
        raise UnavailableError(_unreachable(error).words) from None
    except _NoAnswerError as failure:
        raise UnavailableError(failure.words) from None
    except (ValueError, RecursionError, LookupError, TypeError):
        raise UnavailableError(_unreadable().words) from None


def cost(tokens_in: int, tokens_out: int) -> Decimal:
    """Return what so many tokens cost, in dollars, exactly."""
    total = (
        tokens_in * settings.OPENAI_DOLLARS_PER_MILLION_INPUT
        + tokens_out * settings.OPENAI_DOLLARS_PER_MILLION_OUTPUT
    )
    return total.scaleb(-_MILLION)


def _ask(
    instructions: str,
    facts: Mapping[str, object],
    schema: Mapping[str, object],
    deadline: float,
) -> Answer:
    asked: dict[str, bytes] = {
        way: json.dumps(_body(way, instructions, facts, schema)).encode() for way in _WAYS
    }
    way, answer = _attempt(asked, deadline)
    tokens_in, tokens_out, content = _read(answer.body, bytes_in=len(asked[way]))
    dollars = cost(tokens_in, tokens_out)
    # Counted before it is known whether the answer is of any use: it was paid for.
    metrics.model_tokens.labels("in").inc(tokens_in)
    metrics.model_tokens.labels("out").inc(tokens_out)
    metrics.model_dollars.inc(float(dollars))
    return Answer(_values(content), tokens_in, tokens_out, dollars)


def _attempt(asked: Mapping[str, bytes], deadline: float) -> tuple[str, HttpAnswer]:
    """Send the question until it is answered: a step down where it is refused, one more try."""
    step, was_refused, has_retried = _strictest[0], False, False
    while True:
        way = _WAYS[step]
        has_lower = step + 1 < len(_WAYS)
        try:
            answer = _send("POST", "/chat/completions", asked[way], deadline - time.monotonic())
        except HttpError as error:
            failure, pause = _unreachable(error), PAUSE_SECONDS if error.temporary else None
        else:
            if answer.status == 200:
                _strictest[0] = step if was_refused else _strictest[0]
                return way, answer
            if answer.status in (400, 422) and has_lower:
                step, was_refused = step + 1, True
                continue
            failure, pause = _failure_of(answer), _pause(answer)
            # Some servers break on a schema instead of refusing it.
            step += answer.status == 500 and has_lower and not has_retried
        if pause is None or has_retried or time.monotonic() + pause >= deadline:
            raise failure
        has_retried = True
        time.sleep(pause)


def _send(method: str, path: str, body: bytes | None, seconds: float) -> HttpAnswer:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key := settings.OPENAI_API_KEY.get_secret_value():
        headers["Authorization"] = f"Bearer {key}"
    return _client.request(
        method,
        settings.OPENAI_BASE_URL + path,
        headers=headers,
        body=body,
        timeout_seconds=max(min(seconds, ATTEMPT_SECONDS_MAX), 1.0),
    )


def _body(
    way: str, instructions: str, facts: Mapping[str, object], schema: Mapping[str, object]
) -> dict[str, Any]:
    if way != "json_schema":
        instructions += f"\nAnswer with one JSON object alone, by this schema: {json.dumps(schema)}"
    body: dict[str, Any] = {
        "model": settings.OPENAI_MODEL,
        "messages": [
            {"role": "system", "content": instructions},
            {"role": "user", "content": json.dumps(facts, ensure_ascii=False)},
        ],
        # What servers of before 2024 call it is all that they know.
        "max_tokens" if way == "plain" else "max_completion_tokens": TOKENS_MAX,
    }
    if way == "json_schema":
        strict = {"name": "answer", "strict": True, "schema": schema}
        body["response_format"] = {"type": way, "json_schema": strict}
    elif way == "json_object":
        body["response_format"] = {"type": way}
    if settings.OPENAI_BASE_URL == OPENAI_URL:
        body["store"] = False
    return body


def _read(body: bytes, *, bytes_in: int) -> tuple[int, int, str]:
    """Return the tokens that were read and written, and the text of the answer.

    A server that does not say how many is taken to have used as many as there can be: a token is
    a byte at least.
    """
    try:
        found = json.loads(body)
        usage = found.get("usage") or {}
        content = found["choices"][0]["message"]["content"]
        tokens_in = _count(usage.get("prompt_tokens"), bytes_in)
        tokens_out = _count(usage.get("completion_tokens"), TOKENS_MAX)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise _unreadable() from None
    return tokens_in, tokens_out, content if isinstance(content, str) else ""


def _count(said: object, most: int) -> int:
    is_count = isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= _COUNT_MAX
    return said if is_count and isinstance(said, int) else most


def _values(content: str) -> Mapping[str, object]:
    """Return the object in a text that may have thoughts before it, or a fence around it."""
    text = content.rpartition("</think>")[2]
    try:
        values = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except (ValueError, RecursionError):
        raise _unreadable() from None
    return dict(values)


def _plain(name: object) -> str:
    return "".join(letter for letter in str(name)[:80] if letter.isprintable())


def _pause(answer: HttpAnswer) -> float | None:
    """Return the seconds to wait before the second attempt; None where none makes sense."""
    if answer.status != 429 and answer.status < 500:
        return None
    asked = _retry_after(answer)
    if asked is None:
        return PAUSE_SECONDS
    return max(float(asked), PAUSE_SECONDS) if asked <= PAUSE_SECONDS_MAX else None


def _retry_after(answer: HttpAnswer) -> int | None:
    text = answer.headers.get("Retry-After", "")
    return min(int(text[:9]), 86_400) if text.isdecimal() and text.isascii() else None


def _failure_of(answer: HttpAnswer) -> _NoAnswerError:
    host = settings.language_model_host
    if answer.status in (401, 403):
        words = f"{host} refuses our key. Whoever runs this server corrects OPENAI_API_KEY."
        return _NoAnswerError("refused", words)
    if answer.status == 429:
        words = (
            f"{host} takes no more questions from us for now. Try again in a minute; if that does "
            "not help, whoever runs this server looks at the limits of its account there."
        )
        return _NoAnswerError("limited", words, _retry_after(answer) or 60)
    if answer.status >= 500:
        return _NoAnswerError("failed", f"{host} is in trouble. Try again in a minute.", 60)
    words = (
        f"{host} does not take our question ({answer.status}). Whoever runs this server looks at "
        "OPENAI_BASE_URL and OPENAI_MODEL: `fintech doctor` says more."
    )
    return _NoAnswerError("rejected", words)


def _unreachable(error: HttpError) -> _NoAnswerError:
    host = settings.language_model_host
    if error.temporary:
        return _NoAnswerError(
            "unreachable", f"{host} cannot be asked: {error}. Try again soon.", 60
        )
    return _NoAnswerError(
        "unreachable",
        f"{host} cannot be asked: {error}. Whoever runs this server looks at OPENAI_BASE_URL.",
    )


def _unreadable() -> _NoAnswerError:
    return _NoAnswerError(
        "unreadable",
        f"{settings.language_model_host} answered what cannot be read. Ask again, or do without.",
    )


# nosemgrep: client-without-guard - the operator chose it, perhaps in the same private network
_client = HttpClient(pool_size=AT_ONCE_MAX, answer_bytes_max=ANSWER_BYTES_MAX)
_asking = Turns(AT_ONCE_MAX, waiting=WAITING_MAX, seconds=WAIT_SECONDS_MAX)
_strictest = [0]
"""Which of the ways this process begins with."""
