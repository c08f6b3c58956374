"""The stock `openai` client against a real server: whole and streamed answers, labels, sampling, limits."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openai
import pytest

from serving import LABELS, make_model, serving, wait_until
from tunesmith.models.generate import Decoding, generate
from tunesmith.models.load import load_model
from tunesmith.models.score import label_scores
from tunesmith.recipe import Serve
from tunesmith.release.aliases import promote
from tunesmith.serve.app import Gateway
from tunesmith.serve.engine import MODELS_IN_MEMORY
from tunesmith.text.chat import prompt_ids, render
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow


def streamed(running, text, model="talk", **fields):
    chunks = list(running.stream(text, model, **fields))
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices), chunks


def test_a_classification_is_a_label_with_its_probability(running, classifier):
    answer = running.ask("where is my money")
    extra = answer.tunesmith
    assert answer.choices[0].message.content == extra["label"] in LABELS
    assert answer.object == "chat.completion" and answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].logprobs is None and answer.choices[0].message.refusal is None
    assert answer.model == "tickets" and answer.system_fingerprint == extra["model"] == classifier.id
    assert answer.id.removeprefix("chatcmpl-") == extra["request_id"].removeprefix("req-")
    assert extra["labels"][0]["label"] == extra["label"]
    assert {one["label"] for one in extra["labels"]} == set(LABELS)
    assert sum(one["probability"] for one in extra["labels"]) == pytest.approx(1)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_served_probability_is_the_one_evaluation_computes(running, classifier):
    # catches: a prompt, a label rendering or a batch that differs between evaluation and serving
    loaded = load_model(classifier.path / "model")
    task = TaskSpec.load(classifier.path / "model")
    messages = task.prompt([{"role": "user", "content": "where is my money"}])
    labels = []
    for label in LABELS:
        whole = render(loaded.tokenizer, [*messages, {"role": "assistant", "content": label}])
        labels.append([token for token, target in zip(whole.ids, whole.targets, strict=True) if target])
    row = label_scores(loaded, [prompt_ids(loaded.tokenizer, messages)], labels)[0]
    extra = running.ask("where is my money").tunesmith
    assert extra["label"] == LABELS[int(np.argmax(row))]
    assert extra["probability"] == pytest.approx(float(np.exp(row.max())), rel=1e-6)


def test_generation_gives_the_tokens_generate_gives(running, talker):
    loaded = load_model(talker.path / "model")
    ids = prompt_ids(loaded.tokenizer, [{"role": "user", "content": "hello"}])
    [tokens] = generate(loaded, [ids], Decoding(20))
    answer = running.ask("hello", "talk", max_tokens=20)
    assert answer.choices[0].message.content == loaded.tokenizer.decode(tokens, skip_special_tokens=True)
    assert answer.usage.completion_tokens == len(tokens) and answer.usage.prompt_tokens == len(ids)


@pytest.mark.parametrize("fields", [{}, {"temperature": 1.0, "seed": 7}, {"temperature": 2.0, "top_p": 0.9, "seed": 3}])
def test_streamed_and_whole_are_the_same_text(running, fields):
    whole = running.ask("hello", "talk", max_completion_tokens=60, **fields)
    text, chunks = streamed(running, "hello", max_completion_tokens=60, **fields)
    assert text == whole.choices[0].message.content and bool(text) == bool(fields)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == whole.choices[0].finish_reason
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"} and len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].tunesmith["request_id"] and all(chunk.usage is None for chunk in chunks)


def test_a_streamed_classification(running):
    text, chunks = streamed(running, "where is my money", "tickets")
    assert text in LABELS and chunks[-1].tunesmith["label"] == text


def test_usage_at_the_end_of_a_stream(running):
    _, chunks = streamed(running, "hello", max_tokens=5, stream_options={"include_usage": True})
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 5
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_length_and_seed(running):
    short = running.ask("hello", "talk", max_tokens=3)
    assert short.choices[0].finish_reason == "length" and short.usage.completion_tokens == 3
    same = {
        running.ask("hi", "talk", max_tokens=20, temperature=1, seed=5).choices[0].message.content for _ in range(3)
    }
    other = running.ask("hi", "talk", max_tokens=20, temperature=1, seed=6).choices[0].message.content
    assert len(same) == 1 and other not in same


def test_no_seed_samples_anew(running):
    texts = {running.ask("hi", "talk", max_tokens=20, temperature=2).choices[0].message.content for _ in range(4)}
    assert len(texts) > 1


def test_stop_strings_cut_before_themselves(running):
    whole = running.ask("hello", "talk", max_tokens=60, temperature=1, seed=1).choices[0].message.content
    stop = next(whole[i : i + 2] for i in range(8, len(whole) - 2) if whole[i : i + 2].isascii())
    for fields in ({"stop": stop}, {"stop": ["never there", stop]}):
        cut = running.ask("hello", "talk", max_tokens=60, temperature=1, seed=1, **fields)
        assert cut.choices[0].message.content == whole[: whole.index(stop)]
        assert cut.choices[0].finish_reason == "stop"
    text, _ = streamed(running, "hello", max_tokens=60, temperature=1, seed=1, stop=stop)
    assert text == whole[: whole.index(stop)]


def test_the_async_client_and_text_parts(running):
    async def ask():
        async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client:
            parts = [{"type": "text", "text": "where is "}, {"type": "text", "text": "my money"}]
            messages = [{"role": "developer", "content": "x"}, {"role": "user", "content": parts}]
            return await client.chat.completions.create(model="tickets", messages=messages)

    assert asyncio.run(ask()).choices[0].message.content in LABELS


def test_twenty_at_once(running):
    with ThreadPoolExecutor(20) as pool:
        same = list(pool.map(lambda _: running.ask("where is my money").tunesmith, range(20)))
        texts = list(
            pool.map(lambda n: running.ask(f"q{n}", "talk", max_tokens=4).choices[0].message.content, range(20))
        )
    assert {one["label"] for one in same} == {same[0]["label"]} and len({one["request_id"] for one in same}) == 20
    assert [one["probability"] for one in same] == pytest.approx([same[0]["probability"]] * 20, rel=1e-3)
    assert texts == [running.ask(f"q{n}", "talk", max_tokens=4).choices[0].message.content for n in range(20)]


def test_a_full_queue_is_429(local_store, workspace, talker):
    promote(local_store, "talk", talker.id, force=True)
    with serving(local_store, workspace, settings=Serve(queue=1)) as running, ThreadPoolExecutor(12) as pool:

        def ask(_):
            try:
                return running.ask("hello", "talk", max_tokens=200).choices[0].finish_reason
            except openai.RateLimitError as error:
                assert error.code == "queue_full" and error.response.headers["retry-after"] == "1"
                return "shed"

        answers = list(pool.map(ask, range(12)))
        health = running.health()
    assert answers.count("shed") == health["engine"]["shed"] >= 1 and answers.count("shed") < 12
    assert health["responses"]["429"] == answers.count("shed")


def test_only_so_many_models_stay_in_memory(running, workspace, tiny):
    made = [make_model(workspace, tiny, TaskSpec("classify", ("a", "b")), seed=seed) for seed in range(2, 7)]
    for model in [*made, *made]:
        assert running.ask("x", model.id).system_fingerprint == model.id
    assert running.health()["engine"]["loaded"] == [model.id for model in made[-MODELS_IN_MEMORY:]]


def test_a_client_that_hangs_up_stops_the_work(running, local_store):
    stream = running.stream("hello", "talk", max_tokens=490, temperature=2, seed=1)
    next(stream)
    stream.close()
    wait_until(lambda: running.health()["engine"]["pending"] == 0)
    assert running.health()["engine"]["cancelled"] == 1


def test_models_are_listed(running, local_store, workspace, tiny, classifier, talker):
    promote(local_store, "tickets", classifier.id, alias="candidate")
    wait_until(lambda: running.ask("x", "tickets@candidate"))
    with running.client() as client:
        ids = [model.id for model in client.models.list()]
        assert ids[:3] == ["talk", "tickets", "tickets@candidate"] and {classifier.id, talker.id} == set(ids[3:])
        assert client.models.retrieve("tickets@candidate").root == classifier.id
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve("nobody")
    assert caught.value.code == "model_not_found" and "tickets@candidate" in str(caught.value)


def test_a_damaged_model_is_503_and_the_server_lives(running, local_store, workspace, tiny):
    broken = make_model(workspace, tiny, TaskSpec("chat"), name="broken")
    (broken.path / "model" / "model.safetensors").write_bytes(b"x" * 100)
    for _ in range(2):  # catches: the thread that loads dies with the first one
        with pytest.raises(openai.InternalServerError) as caught:
            running.ask("x", broken.id)
        assert caught.value.status_code == 503 and caught.value.code == "model_unavailable"
    assert broken.id in running.health()["engine"]["broken"]
    assert running.ask("x").choices


def test_context_is_filled_but_not_overrun(running, local_store):
    full = running.ask("y" * 490, "talk", max_tokens=400)
    assert full.usage.total_tokens <= 512
    for model in ("talk", "tickets"):
        with pytest.raises(openai.BadRequestError) as caught:
            running.ask("y" * 600, model)
        assert caught.value.code == "context_length_exceeded" and caught.value.param == "messages"
    with pytest.raises(openai.BadRequestError) as caught:
        next(running.stream("y" * 600, "talk"))
    assert caught.value.code == "context_length_exceeded"


def test_health_and_readiness(running, local_store, workspace):
    with running.http() as http:
        wait_until(lambda: http.get("/readyz").status_code == 200)
        health = http.get("/healthz").json()
    assert health["status"] == "ok" and not health["draining"] and health["engine"]["loads"] >= 1
    gateway: Gateway = running.app.state.gateway
    gateway.draining = True
    with running.http() as http:
        assert http.get("/readyz").status_code == 503
        assert http.get("/readyz").json()["reason"] == "draining"
    with pytest.raises(openai.InternalServerError) as caught:
        running.ask("x")
    assert caught.value.status_code == 503 and caught.value.code == "draining"


def test_not_ready_without_a_model(local_store, workspace):
    with serving(local_store, workspace) as running, running.http() as http:
        assert http.get("/readyz").json() == {"status": "not ready", "reason": "no model is in production"}
        assert http.get("/healthz").status_code == 200
