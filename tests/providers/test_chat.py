"""Chat providers: the official clients against a real server that speaks the vendors' protocols."""

import os
import socket
import sqlite3

import pytest

from judges import judging
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import ArtifactError, RecipeError, RemoteError
from tunesmith.providers.asker import Asker, Spent
from tunesmith.providers.cache import FILE, ReplyCache
from tunesmith.providers.chat import ChatRequest, Reply, check_sampling, connect
from tunesmith.recipe.judge import Judge

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
    pytest.importorskip("anthropic")
    monkeypatch.setenv("CLAUDE", "sk-ant")
    with judging(lambda user: f"{user} you", key="sk-ant") as served:
        settings = {"api": "anthropic", "base_url": served.url.removesuffix("/v1"), "key_env": "CLAUDE"}
        with asker(tmp_path, **settings) as asking:
            (reply,) = asking.ask(requests(1))
        assert (reply.text, reply.input_tokens, reply.output_tokens, reply.ended) == ("hello you", 100, 10, "stop")
        (body,) = served.asked
        assert body["system"] == "Be brief." and body["messages"] == HELLO[1:] and body["max_tokens"] == 1024


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


def test_429_and_500_are_tried_again_after_the_time_they_ask_for(tmp_path):
    with judging(lambda user: "yes") as served, asker(tmp_path, base_url=served.url) as asking:
        served.failures = [(429, {"retry-after": "0.01"}), (500, {"retry-after": "0.01"})]
        assert asking.ask(requests(1))[0].text == "yes" and not served.failures


def test_what_was_answered_before_a_failure_is_kept(tmp_path):
    with judging(lambda user: "yes") as served:
        with asker(tmp_path, base_url=served.url, retries=0, concurrency=1) as asking:
            asking.ask(requests(2))
            served.failures = [(503, {})]
            with pytest.raises(RemoteError, match=r"fails \(HTTP 503\): .*told to fail") as caught:
                asking.ask(requests(4))
            assert caught.value.exit_code == 4 and "is kept" in caught.value.hint
        before = len(served.asked)
        with asker(tmp_path, base_url=served.url, retries=0) as asking:
            asking.ask(requests(4))
        assert len(served.asked) - before <= 2


def test_a_dead_endpoint_is_told_in_a_sentence(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with (
        asker(tmp_path, base_url=url, retries=0) as asking,
        pytest.raises(RemoteError, match="cannot be reached") as found,
    ):
        asking.ask(requests(3))
    assert url in str(found.value) and found.value.exit_code == 4


def test_a_slow_endpoint_is_not_waited_for_for_ever(tmp_path):
    with judging(lambda user: "late", slow_s=1.0) as served:
        settings = {"base_url": served.url, "timeout_s": 0.1, "retries": 0}
        with asker(tmp_path, **settings) as asking, pytest.raises(RemoteError, match=r"no answer within 0\.1 s"):
            asking.ask(requests(1))


def test_a_wrong_key_is_named_by_its_variable_and_never_told(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with judging(lambda user: "yes", key="right") as served:
        settings = {"base_url": served.url, "key_env": "MY_KEY"}
        with asker(tmp_path, **settings) as asking, pytest.raises(RemoteError, match="MY_KEY") as found:
            asking.ask(requests(1))
    assert "sk-secret" not in str(found.value)


@pytest.mark.parametrize("settings", [{"key_env": "NOT_SET"}, {}])
def test_a_missing_key_is_told_before_anything_is_asked(tmp_path, monkeypatch, settings):
    for name in ("NOT_SET", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RecipeError, match=settings.get("key_env", "OPENAI_API_KEY")):
        connect(Judge(model="m", **settings), Workspace(tmp_path))
    assert "OPENAI_API_KEY" not in os.environ


def test_no_more_are_under_way_than_allowed(tmp_path):
    with (
        judging(lambda user: "yes", slow_s=0.05) as served,
        asker(tmp_path, base_url=served.url, concurrency=3) as asking,
    ):
        asking.ask(requests(12))
        assert served.most_together == 3


def test_what_does_not_speak_the_protocol_is_told(tmp_path):
    with judging(lambda user: "yes") as served, asker(tmp_path, base_url=served.url) as asking:
        served.foreign = {"message": "welcome"}
        with pytest.raises(RemoteError, match="does not speak OpenAI's protocol"):
            asking.ask(requests(1))


def test_a_damaged_file_of_replies_is_told(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(ArtifactError, match="not a file of kept replies"):
        ReplyCache(tmp_path)


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
