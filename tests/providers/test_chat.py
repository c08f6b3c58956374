"""Chat providers: the official clients against a real server that speaks the vendors' protocols."""

import json
import socket
import sqlite3
import time
from http.server import BaseHTTPRequestHandler

import pytest

from judges import CUT, judging
from local_server import at_port
from tunesmith.core.artifacts import Workspace
from tunesmith.core.clock import monotonic_s
from tunesmith.core.disk import refusals_told
from tunesmith.core.errors import ArtifactError, RecipeError, RemoteError, SetupError
from tunesmith.evaluate.tool_calls import Call, read_calls
from tunesmith.providers.asker import Asker, Spent
from tunesmith.providers.cache import FILE, ReplyCache
from tunesmith.providers.chat import ChatRequest, Reply, check_sampling, connect
from tunesmith.providers.tools import told, written
from tunesmith.recipe.judge import Judge

pytestmark = pytest.mark.slow

HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]


def asker(folder, **settings):
    judge = Judge(**{"model": "m", "timeout_s": 20, "retries": 2, **settings})
    return Asker(connect(judge, Workspace(folder)), ReplyCache(folder))


def requests(count, **sampling):
    return [ChatRequest("m", HELLO, sampling, sample) for sample in range(count)]


def test_openai_protocol(tmp_path):
    with judging(lambda user: f"{user} you") as served, asker(tmp_path, base_url=served.url) as asking:
        (reply,) = asking.ask(requests(1, temperature=0.5, max_tokens=20))
        assert (reply.text, reply.input_tokens, reply.output_tokens, reply.ended) == ("hello you", 100, 10, "stop")
        assert served.asked == [{"model": "m", "messages": HELLO, "temperature": 0.5, "max_tokens": 20}]


def test_anthropic_protocol(tmp_path, monkeypatch):
    """Would let through: a system message among the turns, which the API refuses, or no max_tokens, which it asks for."""
    monkeypatch.setenv("CLAUDE", "sk-ant")
    with judging(lambda user: f"{user} you", key="sk-ant") as served:
        settings = {"api": "anthropic", "base_url": served.url.removesuffix("/v1"), "key_env": "CLAUDE"}
        with asker(tmp_path, **settings) as asking:
            (reply,) = asking.ask(requests(1))
        assert (reply.text, reply.input_tokens, reply.output_tokens, reply.ended) == ("hello you", 100, 10, "stop")
        (body,) = served.asked
        assert body["system"] == "Be brief." and body["messages"] == HELLO[1:] and body["max_tokens"] == 1024


TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "Today's", "parameters": {"type": "object"}}}
]
CALLING = [
    *HELLO,
    {
        "role": "assistant",
        "weight": 0,
        "tool_calls": [{"function": {"name": "weather", "arguments": {"town": "Oslo"}}}],
    },
    {"role": "tool", "content": "rain"},
    {"role": "user", "content": "and Rome?"},
]
"""As rows of a Dataset may have it: no ids, arguments as an object."""


def test_tools_by_openai(tmp_path):
    """Would let through: a conversation that the service refuses, or a call that is lost, in place of an answer."""
    with (
        judging(lambda user: [("weather", {"town": "Rome"})]) as served,
        asker(tmp_path, base_url=served.url) as asking,
    ):
        asked = [ChatRequest("m", told(CALLING), tools=TOOLS), ChatRequest("m", told(CALLING))]
        replies = asking.ask(asked)
    assert read_calls(replies[0].text) == [Call("weather", {"town": "Rome"})] and replies[0].ended == "tool_calls"
    assert len(served.asked) == 2, "the same words with other tools are another question"
    body = next(one for one in served.asked if "tools" in one)
    called, returned = body["messages"][2:4]
    assert body["tools"] == TOOLS and "weight" not in called and called["content"] is None
    assert called["tool_calls"] == [
        {"id": "call_2_0", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Oslo"}'}}
    ]
    assert returned == {"role": "tool", "content": "rain", "tool_call_id": "call_2_0"}


def test_tools_by_anthropic(tmp_path, monkeypatch):
    """Would let through: a result outside the turn after its call, two turns of one side, OpenAI's words for a tool."""
    monkeypatch.setenv("CLAUDE", "sk-ant")
    with judging(lambda user: [("weather", {"town": "Rome"}), ("weather", {"town": "Bari"})]) as served:
        settings = {"api": "anthropic", "base_url": served.url.removesuffix("/v1"), "key_env": "CLAUDE"}
        with asker(tmp_path, **settings) as asking:
            (reply,) = asking.ask([ChatRequest("m", told(CALLING), tools=TOOLS)])
    assert read_calls(reply.text) == [Call("weather", {"town": "Rome"}), Call("weather", {"town": "Bari"})]
    (body,) = served.asked
    assert body["tools"] == [{"name": "weather", "description": "Today's", "input_schema": {"type": "object"}}]
    assert body["messages"] == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "call_2_0", "name": "weather", "input": {"town": "Oslo"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "call_2_0", "content": "rain"}, {"type": "text", "text": "and Rome?"}]},
    ]  # fmt: skip


def test_words_beside_calls_are_kept():
    """Would let through: an answer that both speaks and calls, of which one is lost."""
    text = written("Let me look.", [("weather", {"town": "Rome"}), ("weather", '{"town": "Bari"}')])
    assert text.startswith("Let me look.\n")
    assert read_calls(text) == [Call("weather", {"town": "Rome"}), Call("weather", {"town": "Bari"})]
    assert written("Just words.", []) == "Just words."


def test_a_streamed_answer_that_is_cut_is_no_answer():
    """Bug: half an answer, without a word of its end, passes as a whole one."""

    class Cutting(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            choice = {"index": 0, "delta": {"content": "half"}, "finish_reason": None}
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

        def log_message(self, *_):
            pass

    with at_port(Cutting) as url, pytest.raises(RemoteError, match="before it was whole"):
        list(connect(Judge(model="m", base_url=f"{url}/v1", retries=0), None).stream(requests(1)[0]))


def test_local_model_answers_greedily_and_questions_too_long_are_told(tmp_path, tiny):
    with asker(tmp_path, api="local", model=str(tiny)) as asking:
        long = [{"role": "user", "content": "card " * 500}]
        asked = [ChatRequest(str(tiny), HELLO, {"max_tokens": 4}), ChatRequest(str(tiny), long, {"max_tokens": 4})]
        one, other = asking.ask(asked)
        assert one.input_tokens > 0 and one.output_tokens <= 4
        assert (other.text, other.ended) == ("", "too_long")
    with asker(tmp_path / "new", api="local", model=str(tiny)) as again:
        assert again.ask(asked[:1]) == [one]


def test_what_was_asked_is_not_asked_again(tmp_path):
    """Would let through: a rerun that pays twice, or samples that are one answer copied."""
    numbers = iter(range(100))
    with judging(lambda user: str(next(numbers))) as served:
        with asker(tmp_path, base_url=served.url) as asking:
            first = [one.text for one in asking.ask(requests(5))]
        with asker(tmp_path, base_url=served.url) as asking:
            assert [one.text for one in asking.ask([*requests(5), *requests(2)])] == first + first[:2]
            assert asking.spent == Spent(asked=0, kept=5)
            asking.ask([ChatRequest("other", HELLO)])
        assert sorted(first) == ["0", "1", "2", "3", "4"] and len(served.asked) == 6


APIS = ("openai", "anthropic")
KEY = "sk-secret-0123456789"


def at(folder, api, served, monkeypatch, **settings):
    """Return an asker of one API at a scripted service, with a key."""
    monkeypatch.setenv("MY_KEY", KEY)
    url = served.url.removesuffix("/v1") if api == "anthropic" else served.url
    return asker(folder, **{"api": api, "base_url": url, "key_env": "MY_KEY", "retries": 1, **settings})


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "failure", [(429, {"retry-after": "0.01"}), (500, {"retry-after": "0.01"}), (429, {}), (CUT, {})]
)
def test_what_may_pass_is_tried_again(tmp_path, monkeypatch, api, failure):
    with judging(lambda user: "yes") as served, at(tmp_path, api, served, monkeypatch) as asking:
        served.failures = [failure]
        assert asking.ask(requests(1))[0].text == "yes" and served.received == 2


def test_retry_after_is_kept_to(tmp_path, monkeypatch):
    """Would let through: a wait of the client's own, which is half a second."""
    with judging(lambda user: "yes") as served, at(tmp_path, "openai", served, monkeypatch) as asking:
        served.failures = [(429, {"retry-after": "1.5"})]
        started_s = monotonic_s()
        asking.ask(requests(1))
        assert monotonic_s() - started_s >= 1.5


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("failure", "words", "hint", "tries"),
    [
        ((401, {}), r"refuses the key in MY_KEY \(HTTP 401\)", "key_env", 1),
        ((403, {}), r"refuses the key in MY_KEY \(HTTP 403\)", "key_env", 1),
        ((400, {}), r"refuses the request \(HTTP 400\): .*told to fail, with <MY_KEY>", "evaluate.judge", 1),
        ((404, {}), r"has no model 'm', or no such API \(HTTP 404\)", "base_url ends in /v1 for most servers of OpenAI", 1),
        ((429, {}), r"takes no more requests for now \(HTTP 429\)", "a smaller evaluate.judge.concurrency", 2),
        ((429, {"retry-after": "86400"}), r"takes no more requests for now", "the same command after 86,400 s, as it asks", 1),
        ((503, {"retry-after": "0.01"}), r"fails \(HTTP 503\), in 2 tries: .*told to fail", "is kept", 2),
        ((CUT, {}), r"cannot be reached, or ends connections before it answers \(.+\), in 2 tries", "is kept", 2),
    ],
)  # fmt: skip
def test_a_service_that_fails_is_told_in_words_that_help(tmp_path, monkeypatch, api, failure, words, hint, tries):
    """Would let through: a day of sleep, a traceback, no word of what to do, the key in what is printed."""
    with judging(lambda user: "yes") as served, at(tmp_path, api, served, monkeypatch) as asking:
        served.failing = failure
        with pytest.raises(RemoteError, match=words) as caught:
            asking.ask(requests(1))
        assert served.received == tries and hint in caught.value.hint and caught.value.exit_code == 4
        assert served.url.removesuffix("/v1") in caught.value.message and KEY not in str(caught.value)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("body", ['{"message": "welcome"}', "<html>welcome</html>", '{"cut": ', "{}"])
def test_what_does_not_speak_the_protocol_is_told(tmp_path, monkeypatch, api, body):
    with (
        judging(lambda user: "yes", foreign=body) as served,
        at(tmp_path, api, served, monkeypatch) as asking,
        pytest.raises(RemoteError, match=r"does not speak the protocol of evaluate\.judge\.api"),
    ):
        asking.ask(requests(1))


def test_what_was_answered_before_a_failure_is_kept(tmp_path):
    with judging(lambda user: "yes") as served:
        with asker(tmp_path, base_url=served.url, retries=0, concurrency=1) as asking:
            asking.ask(requests(2))
            served.failures = [(503, {})]
            with pytest.raises(RemoteError, match=r"fails \(HTTP 503\), in 1 try: .*told to fail") as caught:
                asking.ask(requests(6))
            assert caught.value.exit_code == 4 and "is kept" in caught.value.hint
        assert len(served.asked) == 2, "more was asked after the failure"
        with asker(tmp_path, base_url=served.url, retries=0) as asking:
            asking.ask(requests(6))
            assert asking.spent.kept == 2


def test_what_is_under_way_at_a_failure_is_kept(tmp_path):
    """Bug: answers that came while a failure was on its way were paid for and thrown away."""
    with judging(lambda user: time.sleep(0.3) or "yes", slow_s=0.2) as served:
        with asker(tmp_path, base_url=served.url, retries=0, concurrency=3) as asking:
            served.failures = [(503, {})]
            with pytest.raises(RemoteError):
                asking.ask(requests(9))
            assert served.received == 3 and asking.spent.asked == 2
        with asker(tmp_path, base_url=served.url) as asking:
            asking.ask(requests(9))
            assert asking.spent.kept == 2


@pytest.mark.parametrize("api", APIS)
def test_a_dead_endpoint_is_told_in_a_sentence(tmp_path, monkeypatch, api):
    monkeypatch.setenv("MY_KEY", KEY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with (
        asker(tmp_path, api=api, base_url=url, key_env="MY_KEY", retries=0) as asking,
        pytest.raises(RemoteError, match=r"cannot be reached.* \(.*refused.*\), in 1 try") as found,
    ):
        asking.ask(requests(3))
    assert url in str(found.value) and found.value.exit_code == 4


@pytest.mark.parametrize("api", APIS)
def test_a_slow_endpoint_is_not_waited_for_for_ever(tmp_path, monkeypatch, api):
    with (
        judging(lambda user: "late", slow_s=1.0) as served,
        at(tmp_path, api, served, monkeypatch, timeout_s=0.1) as asking,
        pytest.raises(RemoteError, match=r"no answer within 0\.1 s, in 2 tries") as found,
    ):
        asking.ask(requests(1))
    assert "timeout_s" in found.value.hint


@pytest.mark.parametrize("settings", [{"key_env": "NOT_SET"}, {}, {"api": "anthropic"}])
def test_a_missing_key_is_told_before_anything_is_asked(tmp_path, monkeypatch, settings):
    for name in ("NOT_SET", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    name = settings.get("key_env") or f"{settings.get('api', 'openai').upper()}_API_KEY"
    with pytest.raises(RecipeError, match=f"the environment variable {name} is not set") as found:
        connect(Judge(model="m", **settings), Workspace(tmp_path))
    assert f"export {name}=" in found.value.hint


def test_another_service_gets_no_key_of_openai(tmp_path, monkeypatch):
    """Would let through: the key of one service sent to another, because it is in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", KEY)
    with judging(lambda user: "yes") as served, asker(tmp_path, base_url=served.url) as asking:
        asking.ask(requests(1))
        monkeypatch.setenv("MY_KEY", "sk-mine")
        settings = {"api": "anthropic", "base_url": served.url.removesuffix("/v1"), "key_env": "MY_KEY"}
        with asker(tmp_path / "other", **settings) as other:
            other.ask(requests(1))
    assert served.keys == ["none", "sk-mine"]


def test_no_more_are_under_way_than_allowed(tmp_path):
    with (
        judging(lambda user: "yes", slow_s=0.05) as served,
        asker(tmp_path, base_url=served.url, concurrency=3) as asking,
    ):
        asking.ask(requests(12))
        assert served.most_together == 3


def test_a_damaged_file_of_replies_is_told(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(ArtifactError, match="not a file of kept replies"):
        ReplyCache(tmp_path)


def test_a_full_disk_is_told(tmp_path):
    cache = ReplyCache(tmp_path)
    cache._file.execute("PRAGMA max_page_count = 20")
    with pytest.raises(SetupError, match="No space left on device"), refusals_told("the scorecard x", tmp_path):
        for number in range(100):
            cache.keep(str(number), Reply("x" * 4000))
    cache.close()


def test_replies_survive_a_process_that_does_not_close(tmp_path):
    cache = ReplyCache(tmp_path)
    cache.keep("a", asked := Reply("x", 1, 2))
    with sqlite3.connect(tmp_path / FILE) as other:
        assert other.execute("SELECT count(*) FROM replies").fetchone() == (1,)
    other.close()
    assert cache.find("a") == asked
    cache.close()


@pytest.mark.parametrize(
    ("api", "sampling", "words"),
    [("anthropic", {"temperature": 1}, "anthropic API has no temperature"), ("local", {"temperature": 1}, "answers greedily"), ("openai", {"temprature": 1}, "did you mean 'temperature'")],
)  # fmt: skip
def test_parameters_that_would_be_ignored_are_refused(api, sampling, words):
    with pytest.raises(RecipeError, match=words):
        check_sampling(api, sampling, "here")
