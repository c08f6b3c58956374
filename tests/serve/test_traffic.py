"""Capture and feedback: redacted, beside the answers, counted when shed."""

import time

import pytest
import sqlalchemy as sa

from serving import make_model, serving, wait_until
from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.recipe import Serve
from tunesmith.release.aliases import promote
from tunesmith.serve.capture import Capture, Exchange
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow

SECRETS = ("jane.doe@example.com", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "+44 20 7946 0958")


def rows(store, table):
    with store.reading() as connection:
        return list(connection.execute(sa.select(table)).mappings())


def give(running, **body):
    with running.http() as http:
        return http.post("/v1/feedback", json=body)


def exchange(number=0, **changes):
    fields = {
        "id": f"req-{number}", "at": now_utc(), "name": "tickets", "alias": "production", "model_id": "m",
        "messages": [{"role": "user", "content": "hi"}], "answer": "a", "label": None, "probability": None,
        "prompt_tokens": 1, "completion_tokens": 1, "latency_ms": 1.0, "status": 200, "finish_reason": "stop",
        "key_id": None,
    }  # fmt: skip
    return Exchange(**{**fields, **changes})


def test_exchanges_are_captured(running, local_store, classifier):
    answer = running.ask("where is my money")
    running.app.state.gateway.capture.flush(5)
    [row] = rows(local_store, tables.requests)
    assert row["messages"] == [{"role": "user", "content": "where is my money"}]
    assert row["id"] == answer.tunesmith["request_id"] and row["model_id"] == classifier.id
    assert (row["name"], row["alias"], row["status"], row["finish_reason"]) == ("tickets", "production", 200, "stop")
    assert row["label"] == row["answer"] == answer.tunesmith["label"] and row["latency_ms"] > 0
    assert row["probability"] == pytest.approx(answer.tunesmith["probability"])
    assert row["prompt_tokens"] == answer.usage.prompt_tokens


def test_personal_data_never_reaches_the_file(running, local_store, workspace):
    # the bytes on disk, write-ahead log included, not what a query returns
    text = "I am " + ", ".join(SECRETS)
    messages = [{"role": "user", "name": SECRETS[0], "content": text}]
    with running.client() as client:
        answer = client.chat.completions.create(model="tickets", messages=messages)
    running.app.state.gateway.capture.flush(5)
    assert give(running, id=answer.id, correction=text, comment=text).status_code == 201
    written = b"".join(path.read_bytes() for path in workspace.root.glob("store.db*"))
    assert b"I am [EMAIL]" in written
    for secret in SECRETS:
        assert secret.encode() not in written and secret.split("@")[0].encode() not in written


def test_failures_are_captured_too(running, local_store):
    # catches: an error rate that is always zero
    with running.http() as http:
        body = {"model": "tickets", "messages": [{"role": "user", "content": "y" * 600}]}
        assert http.post("/v1/chat/completions", json=body).status_code == 400
    running.app.state.gateway.capture.flush(5)
    [row] = rows(local_store, tables.requests)
    assert (row["status"], row["answer"], row["label"]) == (400, None, None)


def test_capture_can_be_switched_off(local_store, workspace, classifier):
    promote(local_store, "tickets", classifier.id, force=True)
    with serving(local_store, workspace, settings=Serve(capture=False)) as running:
        answer = running.ask("x")
        response = give(running, id=answer.id, rating="up")
        assert response.status_code == 404 and "capture: false" in response.json()["error"]["message"]
    assert rows(local_store, tables.requests) == []


def test_a_dead_sink_costs_captures_and_no_answers(running, local_store):
    with local_store.writing() as connection:
        connection.execute(sa.text("ALTER TABLE requests RENAME TO gone"))
    assert running.ask("x").choices
    wait_until(lambda: running.health()["capture"]["failed"] == 1)
    assert running.ask("y").choices and running.health()["status"] == "ok"


def test_a_store_that_is_gone_costs_no_answer(running, local_store):
    # catches: aliases or keys looked up in the store while a request waits
    with local_store.writing() as connection:
        for table in ("aliases", "api_keys", "requests", "feedback"):
            connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO gone_{table}"))
    follower = running.app.state.gateway.follower
    follower.refresh()  # as it does every second
    assert running.health()["store"]["unreadable_s"] is not None
    assert running.ask("x").choices and running.ask("x", "talk", max_tokens=2).choices
    response = give(running, id="chatcmpl-1", rating="up")
    assert response.status_code == 503 and response.json()["error"]["code"] == "store_unavailable"
    with local_store.writing() as connection:
        for table in ("aliases", "api_keys", "requests", "feedback"):
            connection.execute(sa.text(f"ALTER TABLE gone_{table} RENAME TO {table}"))
    follower.refresh()
    assert running.health()["store"]["unreadable_s"] is None


def test_a_locked_store_delays_no_answer(running, local_store):
    # catches: an answer that waits for its capture
    with local_store.writing():
        started = time.monotonic()
        for _ in range(5):
            running.ask("x")
        assert time.monotonic() - started < 5
    wait_until(lambda: running.health()["capture"]["written"] == 5)


def test_a_full_queue_sheds_and_counts(local_store):
    capture = Capture(local_store, size=2)
    with local_store.writing():
        capture.put(exchange())
        wait_until(lambda: capture.status()["waiting"] == 0)  # the thread has it, and waits for the store
        for number in range(1, 6):
            capture.put(exchange(number))
        assert capture.status()["shed"] == 3
    capture.close()
    assert [row["id"] for row in rows(local_store, tables.requests)] == ["req-0", "req-1", "req-2"]
    assert capture.status() == {"enabled": True, "waiting": 0, "written": 3, "shed": 3, "failed": 0}


def test_one_bad_exchange_does_not_take_its_batch_along(local_store):
    # catches: a duplicate id (or anything the store refuses) losing up to a hundred others
    capture = Capture(local_store)
    with local_store.writing():
        capture.put(exchange())
        wait_until(lambda: capture.status()["waiting"] == 0)
        for number in (1, 1, 2):
            capture.put(exchange(number))
    capture.close()
    assert [row["id"] for row in rows(local_store, tables.requests)] == ["req-0", "req-1", "req-2"]
    assert capture.status()["written"] == 3 and capture.status()["failed"] == 1


def test_feedback_is_kept_under_either_id(running, local_store):
    answer = running.ask("x")
    request_id = answer.tunesmith["request_id"]
    assert give(running, id=answer.id, rating="down", correction="refund").json()["request_id"] == request_id
    assert give(running, request_id=request_id, rating=1, comment="thanks").status_code == 201
    kept = [
        (row["request_id"], row["rating"], row["correction"], row["comment"])
        for row in rows(local_store, tables.feedback)
    ]
    assert kept == [(request_id, -1, "refund", None), (request_id, 1, None, "thanks")]


def test_feedback_right_after_the_answer_finds_its_request(running):
    # catches: a 404 because the capture is still in its queue
    for _ in range(5):
        assert give(running, id=running.ask("x").id, rating="up").status_code == 201


def test_feedback_on_nothing_is_404(running, local_store):
    response = give(running, id="chatcmpl-000", rating="up")
    assert response.status_code == 404 and response.json()["error"]["code"] == "request_not_found"
    assert rows(local_store, tables.feedback) == []


def test_draining_finishes_answers_and_writes_captures(local_store, workspace, tiny):
    # catches: a restart that cuts answers off or loses what was captured
    talker = make_model(workspace, tiny, TaskSpec("chat"), name="talk")
    promote(local_store, "talk", talker.id, force=True)
    with serving(local_store, workspace) as running:
        stream = running.stream("hello", "talk", max_tokens=400, temperature=2, seed=1)
        next(stream)
        running.server.should_exit = True
        rest = list(stream)
    assert rest[-1].choices[0].finish_reason in ("stop", "length")
    [row] = rows(local_store, tables.requests)
    assert row["status"] == 200 and row["answer"]
