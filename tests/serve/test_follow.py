"""Aliases moved while the server runs: followed, without a gap, and never onto a model that does not load."""

import threading

import pytest

from serving import make_model, wait_until
from tunesmith.release.aliases import promote, rollback
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow


def answered_by(running, ref="tickets"):
    return running.ask("x", ref).tunesmith["model"]


def test_promotion_and_rollback_are_followed(running, local_store, workspace, tiny, classifier):
    second = make_model(workspace, tiny, TaskSpec("classify", ("a", "b")), seed=1)
    assert answered_by(running) == classifier.id
    promote(local_store, "tickets", second.id, force=True)
    wait_until(lambda: answered_by(running) == second.id)
    assert answered_by(running, "tickets@previous") == classifier.id
    assert (
        answered_by(running, "tickets@production") == second.id and answered_by(running, classifier.id) == classifier.id
    )
    rollback(local_store, "tickets")
    wait_until(lambda: answered_by(running) == classifier.id)


def test_a_name_released_a_moment_ago_is_known(running, local_store, classifier):
    promote(local_store, "brand-new", classifier.id, force=True)
    assert answered_by(running, "brand-new") == classifier.id


def test_no_request_fails_while_models_are_swapped(running, local_store, workspace, tiny, classifier):
    second = make_model(workspace, tiny, TaskSpec("classify", ("a", "b")), seed=1)
    stop, seen = threading.Event(), []

    def keep_asking():
        while not stop.is_set():
            answer = running.ask("x")
            seen.append((answer.system_fingerprint, answer.choices[0].message.content))

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    promote(local_store, "tickets", second.id, force=True)
    wait_until(lambda: second.id in {model for model, _ in seen})
    stop.set()
    for thread in threads:
        thread.join()
    assert {model for model, _ in seen} == {classifier.id, second.id}
    assert all((label in ("a", "b")) == (model == second.id) for model, label in seen)


def test_an_answer_begun_on_the_old_model_ends_on_it(running, local_store, workspace, tiny, talker):
    second = make_model(workspace, tiny, TaskSpec("chat"), name="talk", seed=1)
    whole = running.ask("hello", "talk", max_tokens=400, temperature=2, seed=3).choices[0].message.content
    stream = running.stream("hello", "talk", max_tokens=400, temperature=2, seed=3)
    first = next(stream)
    promote(local_store, "talk", second.id, force=True)
    rest = list(stream)
    assert {chunk.system_fingerprint for chunk in [first, *rest]} == {talker.id}
    assert "".join(chunk.choices[0].delta.content or "" for chunk in [first, *rest]) == whole


def test_a_model_that_does_not_load_is_not_followed(running, local_store, workspace, tiny, classifier):
    # catches: a bad promotion taking the service down
    broken = make_model(workspace, tiny, TaskSpec("classify", ("a", "b")), seed=9)
    (broken.path / "model" / "model.safetensors").write_bytes(b"x" * 100)
    assert answered_by(running) == classifier.id
    promote(local_store, "tickets", broken.id, force=True)
    wait_until(lambda: running.health()["not_followed"] == {"tickets@production": broken.id})
    wait_until(lambda: broken.id in running.health()["engine"]["broken"])
    assert answered_by(running) == classifier.id
    with running.http() as http:
        assert http.get("/readyz").status_code == 200
    rollback(local_store, "tickets")
    running.app.state.gateway.follower.refresh()
    assert "tickets@production" not in running.health()["not_followed"]


def test_a_model_whose_prompts_render_otherwise_is_not_served(running, local_store, workspace, tiny):
    # catches: a tokenizer or template that changed after training, answering all the same
    other = make_model(workspace, tiny, TaskSpec("chat"), name="talk", seed=5)
    (other.path / "model" / "prompts.json").write_text(
        '[{"messages": [{"role": "user", "content": "hi"}], "tools": null, "ids": [1, 2, 3]}]'
    )
    with running.http() as http:
        body = {"model": other.id, "messages": [{"role": "user", "content": "hi"}]}
        assert http.post("/v1/chat/completions", json=body).status_code == 503
    assert "other token ids" in running.health()["engine"]["broken"][other.id]
