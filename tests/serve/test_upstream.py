"""ChatGPT, Claude and other servers behind ours: answered under our names, whole and piece by piece, failures told."""

from __future__ import annotations

import time

import openai
import pytest
import sqlalchemy as sa

from judges import CUT, judging
from serving import serving, wait_until
from tunesmith.core import tables
from tunesmith.core.artifacts import Plan
from tunesmith.core.errors import RecipeError
from tunesmith.providers.hosted import HostedModel
from tunesmith.recipe import Serve
from tunesmith.release.aliases import promote
from tunesmith.serve.app import build_app
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow

WORDS = "one two three four five six seven eight"


def elsewhere(url, **more):
    return {"model": "big", "base_url": url, "retries": 0, "timeout_s": 20, **more}


def settings(url, **more):
    claude = elsewhere(url.removesuffix("/v1"), api="anthropic", key_env="A_KEY", model="claude", max_tokens=77)
    return Serve(upstreams={"gpt": elsewhere(url, **more), "claude": claude})


@pytest.fixture
def keyed(monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-secret")


@pytest.mark.parametrize(("name", "answerer"), [("gpt", "openai:big"), ("claude", "anthropic:claude")])
def test_a_service_answers_under_a_name_of_ours(local_store, workspace, keyed, name, answerer):
    """Would let through: pieces held back or lost, counts of nothing, traffic that no monitor sees, a system message that
    Claude's API refuses.
    """
    with (
        judging(lambda said: WORDS) as service,
        serving(local_store, workspace, settings=settings(service.url)) as ours,
    ):
        with ours.client() as client:
            found = client.chat.completions.create(
                model=name, messages=[{"role": "system", "content": "Count."}, {"role": "user", "content": "go"}]
            )
            assert [one.id for one in client.models.list()] == ["gpt", "claude"]
        assert found.choices[0].message.content == WORDS and found.choices[0].finish_reason == "stop"
        assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (100, 10)
        assert found.model == name and found.system_fingerprint == answerer
        chunks = list(ours.stream("go", name, stream_options={"include_usage": True}))
        pieces = [one.choices[0].delta.content for one in chunks if one.choices and one.choices[0].delta.content]
        assert "".join(pieces) == WORDS and len(pieces) == len(WORDS.split())
        assert chunks[-1].usage.total_tokens == 110
        assert ours.health()["engine"]["upstreams"][name] == {
            "answered": 2, "failed": 0, "cancelled": 0, "shed": 0, "pending": 0
        }  # fmt: skip
    with local_store.reading() as connection:
        kept = connection.execute(sa.select(tables.requests.c.name, tables.requests.c.model_id)).all()
    assert [tuple(one) for one in kept] == [(name, answerer)] * 2
    (first, _) = service.asked
    told = [first.get("system"), *[one["content"] for one in first["messages"]]]
    assert [one for one in told if one] == ["Count.", "go"]


def test_what_a_client_says_goes_on_and_the_service_s_defaults_hold_otherwise(local_store, workspace, keyed):
    """Would let through: a temperature of 0 that the client never sent, a stop that is dropped, a refused parameter that
    becomes a failure of the service.
    """
    with (
        judging(lambda said: WORDS) as service,
        serving(local_store, workspace, settings=settings(service.url)) as ours,
    ):
        ours.ask("go", "gpt")
        ours.ask("go", "gpt", temperature=0.5, top_p=0.9, seed=3, stop=["x"], max_tokens=9)
        ours.ask("go", "claude", stop="x")
        with pytest.raises(openai.BadRequestError, match="'claude' takes no 'temperature'"):
            ours.ask("go", "claude", temperature=0.5)
    bare, full, claude = service.asked
    assert {"temperature", "top_p", "seed", "stop"}.isdisjoint(bare) and bare["max_tokens"] == 1024
    assert (full["temperature"], full["top_p"], full["seed"], full["stop"], full["max_tokens"]) == (
        0.5,
        0.9,
        3,
        ["x"],
        9,
    )
    assert claude["max_tokens"] == 77 and claude["stop_sequences"] == ["x"] and service.keys[-1] == "sk-secret"


@pytest.mark.parametrize(
    ("failing", "error", "code"),
    [
        ((429, {"retry-after": "1"}), openai.RateLimitError, "upstream_busy"),
        ((500, {}), openai.InternalServerError, "upstream_error"),
        ((401, {}), openai.InternalServerError, "upstream_error"),
        ((CUT, {}), openai.InternalServerError, "upstream_error"),
        ((400, {}), openai.BadRequestError, "upstream_refused"),
    ],
)
def test_a_service_s_failure_is_told_without_its_key(local_store, workspace, keyed, failing, error, code):
    """Would let through: our key's refusal that looks like the client's, the key in a message, a request that hangs."""
    with (
        judging(lambda said: WORDS, failing=failing) as service,
        serving(local_store, workspace, settings=settings(service.url, key_env="A_KEY")) as ours,
    ):
        for stream in (False, True):
            with pytest.raises(error) as caught:
                list(ours.stream("go", "gpt")) if stream else ours.ask("go", "gpt")
            assert (
                caught.value.code == code and "sk-secret" not in str(caught.value) and "A_KEY" not in str(caught.value)
            )
        assert ours.health()["engine"]["upstreams"]["gpt"]["failed"] == 2


def test_who_hangs_up_ends_the_request_to_the_service(local_store, workspace, keyed):
    """Would let through: answers that nobody reads, paid to the end."""
    with (
        judging(lambda said: "word " * 400, slow_s=0.02) as service,
        serving(local_store, workspace, settings=settings(service.url)) as ours,
    ):
        chunks = ours.stream("go", "gpt")
        for _ in range(3):
            next(chunks)
        chunks.close()
        wait_until(lambda: ours.health()["engine"]["upstreams"]["gpt"]["cancelled"] == 1)
        before = service.written
        time.sleep(0.3)
        assert service.written - before < 5 and service.written < 200


def test_a_full_line_sheds_and_the_other_service_goes_on(local_store, workspace, keyed):
    """Would let through: a slow service that holds up every other model, questions that wait without a limit."""
    from concurrent.futures import ThreadPoolExecutor

    with judging(lambda said: WORDS, slow_s=0.1) as service, judging(lambda said: WORDS) as quick:
        slow = Serve(queue=1, upstreams={"gpt": elsewhere(service.url, concurrency=1), "other": elsewhere(quick.url)})
        with serving(local_store, workspace, settings=slow) as ours, ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ours.ask, "go", "gpt") for _ in range(4)]
            assert ours.ask("go", "other").choices[0].message.content == WORDS
            failures = [one.exception() for one in asked]
    assert [type(one) for one in failures if one] == [openai.RateLimitError] * 2


def test_a_model_of_ours_that_lies_at_a_service_is_promoted_and_served(local_store, workspace, keyed):
    """Would let through: the task's prompt left out, a release that never becomes ready, weights looked for in vain."""
    plan = Plan(
        "tickets", "model", {"task": "classify"}, given={"base": "openai:big"}, parents=("tickets-dddddddddddd",)
    )
    with judging(lambda said: "refund") as service:
        with workspace.draft(plan) as draft:
            (draft.path / "model").mkdir()
            TaskSpec("classify", ("card", "refund"), system="Name the topic.").save(draft.path / "model")
            HostedModel("openai", "ft:big:acme::x", "big", base_url=service.url, key_env="A_KEY").save(draft.path)
        promote(local_store, "tickets", plan.id, force=True)
        with serving(local_store, workspace) as ours:
            answer = ours.ask("money back", "tickets")
            with ours.http() as http:
                assert http.get("/readyz").status_code == 200
            assert ours.ask("money back", plan.id).choices[0].message.content == "refund"
            assert ours.health()["engine"]["upstreams"][plan.id]["answered"] == 2
    assert answer.choices[0].message.content == "refund" and answer.system_fingerprint == plan.id
    assert service.asked[0]["model"] == "ft:big:acme::x" and service.keys[0] == "sk-secret"
    assert [one["content"] for one in service.asked[0]["messages"]] == ["Name the topic.", "money back"]


def test_our_own_server_can_stand_behind_another(local_store, workspace, running, tmp_path):
    """The real thing at both ends. Would let through: a chunk, a count or a field that only a scripted service has."""
    from tunesmith.core.artifacts import Workspace
    from tunesmith.core.store import Store

    upstream = Serve(upstreams={"front": {"model": "tickets", "base_url": f"{running.url}/v1"}})
    store = Store.open(tmp_path / "front" / "store.db")
    with serving(store, Workspace(tmp_path / "front"), settings=upstream) as front:
        direct, through = running.ask("where is my money"), front.ask("where is my money", "front")
        assert through.choices[0].message.content == direct.choices[0].message.content
        assert through.usage == direct.usage
    store.close()


def test_a_service_without_its_key_ends_the_start(local_store, workspace, monkeypatch):
    """Would let through: a server that starts and then answers nothing."""
    monkeypatch.delenv("NO_KEY", raising=False)
    with pytest.raises(RecipeError, match=r"serve\.upstreams\.gpt\.key_env.*NO_KEY"):
        build_app(local_store, workspace, settings=Serve(upstreams={"gpt": elsewhere("http://x/v1", key_env="NO_KEY")}))
    with pytest.raises(ValueError, match="served under its own name"):
        Serve(upstreams={"a": {"api": "local", "model": "nano"}})
