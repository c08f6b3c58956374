"""What users get over HTTP is what the scorecard measured: every form of model, and faults of serving that would show."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from made import make_dataset, make_preferences
from tiny import tiny_base
from tunesmith.as_served import ask_as_served
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import ArtifactError, MissingExtraError
from tunesmith.evaluate import stage
from tunesmith.evaluate.served.compare import ROUNDING_NATS, Asked, compare, near_tie
from tunesmith.evaluate.served.replies import Reply, request_messages, served_settings
from tunesmith.models.generate import Decoding, generate
from tunesmith.models.load import load_model
from tunesmith.recipe import Recipe
from tunesmith.serve.answering import Ready
from tunesmith.text.chat import decode, prompt_ids
from tunesmith.text.examples import Example
from tunesmith.train import stage as training

pytestmark = pytest.mark.slow

LABELS = [pair for n in range(14) for pair in ((f"my card {n} is lost", "card"), (f"money back for {n}", "refund"))]
ALIKE = [pair for n in range(14) for pair in ((f"my card {n} is lost", "card"), (f"money back for {n}", "cash"))]
"""Labels as long as each other, between which a base without training does not choose."""

JSON = [(f"{meal} for {n}", json.dumps({"at": meal, "n": n})) for n in range(14) for meal in ("lunch", "supper")]
CHAT = [(f"hello {n} !", f"hi there , {n} .") for n in range(28)]
STOPPED = [(f"hello {n}", "hi<|halt|>and more") for n in range(28)]
ROWS = {"classify": LABELS, "extract": JSON, "chat": CHAT}
TRIPLES = [(f"how do I stop order {n}", f"call us {n}", "no idea") for n in range(28)]
HALT = {"add": {"<|halt|>": "end of the answer", "<|kind|>": "kind words"}, "stops": ["<|halt|>"]}


@dataclass
class Ring:
    """A recipe with its Dataset and Model."""

    recipe: Recipe
    dataset: Artifact
    model: Artifact
    workspace: Workspace

    def card(self, asker: Any = None, **evaluate: Any) -> Artifact:
        """Return the Scorecard; the model is asked through the server."""
        given = {**self.recipe.evaluate.model_dump(exclude_unset=True), **evaluate}
        recipe = Recipe(**{**self.recipe.given(), "evaluate": given})
        asker = asker or partial(ask_as_served, self.workspace, served_settings(recipe))
        return stage.evaluate(recipe, self.dataset, self.model, self.workspace, asker=asker)

    def evaluate(self, **settings: Any) -> dict[str, Any]:
        """Return the Scorecard's result."""
        return dict(self.card(**settings).result)

    def served(self, **evaluate: Any) -> dict[str, Any]:
        """Return what is said of the served answers."""
        return dict(self.evaluate(**evaluate)["served"])


def ring_of(
    workspace: Workspace, base: Path, task: str = "chat", rows: Any = None, prompt: Any = None, serve: Any = None,
    evaluate: Any = None, **train: Any,
) -> Ring:  # fmt: skip
    """Train a model of some form."""
    rows = rows or ROWS.get(task, TRIPLES)
    make = make_preferences if task == "preference" else partial(make_dataset, classify=task == "classify")
    dataset = make(workspace, rows[:12], rows[12:16], rows[16:])
    plain = {"method": "full", "precision": "float32", "threads": 1, "epochs": 3, "batch_tokens": 64}
    plain |= {"schedule": {"peak": 0.01}, "regularise": {"dropout": 0, "early_stopping": None}}
    least = {"max_new_tokens": 12, "baselines": [], "gate": {"against": []}}
    recipe = Recipe(
        name="made", task=task, base=str(base), data={"train": "x"}, train={**plain, **train}, prompt=prompt or {},
        evaluate={**least, **(evaluate or {})}, serve=serve or {},
    )  # fmt: skip
    return Ring(recipe, dataset, training.train(recipe, dataset, workspace), workspace)


WORDS = {"system": "Say it.", "template": "Asked: {input}", "shots": 2}
FORMS: dict[str, dict[str, Any]] = {
    "labels": {"task": "classify"},
    "labels, bfloat16": {"task": "classify", "precision": "bfloat16"},
    "labels, LoRA, all words": {"task": "classify", "method": "lora", "prompt": WORDS},
    "labels, DoRA, bfloat16": {"task": "classify", "method": "dora", "precision": "bfloat16"},
    "labels, new tokens": {"task": "classify", "tokens": {"add": {"<|card|>": "a card"}}},
    "JSON": {"task": "extract"},
    "JSON, LoRA merged": {"task": "extract", "method": "lora", "save": "merged", "prompt": WORDS},
    "text": {},
    "text, bfloat16": {"precision": "bfloat16"},
    "text, shots": {"prompt": {"shots": 3}},
    "text, variants": {"prompt": {"system": "Be kind.", "variants": [{"system": "Be short."}]}},
    "text, teacher": {"prompt": {"teacher": {"system": "Be very kind, and say hi.", "shots": 2}}},
    "text, LoRA, bfloat16": {"method": "lora", "precision": "bfloat16"},
    "text, DoRA": {"method": "dora"},
    "text, adapter, control and stop tokens": {"method": "lora", "rows": STOPPED, "tokens": HALT},
    "text, control and stop tokens": {"rows": STOPPED, "tokens": HALT},
    "text, soft prompt of tokens alone": {"method": "tokens", "rows": STOPPED, "tokens": HALT},
    "four bits": {"method": "qlora"},
    "labels, four bits": {"task": "classify", "method": "qlora", "precision": "bfloat16"},
    "preferences": {"task": "preference", "objective": "dpo"},
    "preferences, LoRA": {"task": "preference", "objective": "dpo", "method": "lora", "prompt": {"system": "Be kind."}},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_served_as_it_was_measured(form: str, workspace: Workspace, tiny: Path) -> None:
    """Lets through: a form that serving loads, asks, computes, stops or decodes otherwise than the evaluation did."""
    if FORMS[form].get("method") == "qlora" and importlib.util.find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed")
    result = ring_of(workspace, tiny, **FORMS[form]).evaluate()
    served = result["served"]
    assert result["verdict"] != "fail", result["reasons"]
    assert served["rows"] == 12 and served["different"] == 0, served["differences"]
    assert served["same"] + served["rounding"] == 12 and served["streamed"] == 6
    assert served["same"] >= 10, served["differences"]
    assert 0 < served["latency_ms"]["p50"] <= served["latency_ms"]["p95"]


def spoil(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let the server change a model after it has loaded it."""
    real = Ready.load

    def load(*given: Any) -> Ready:
        ready = real(*given)
        change(ready)
        return ready

    monkeypatch.setattr(Ready, "load", load)


def other_task(**fields: Any) -> Any:
    """Return what gives a model another task."""
    return lambda ready: setattr(ready, "task", replace(ready.task, **fields))


def other_turns(ready: Ready) -> None:
    template = str(ready.loaded.tokenizer.chat_template)
    ready.loaded.tokenizer.chat_template = template.replace("'<|end|>'", "'<|end|><|pad|>'")


def no_adapter(ready: Ready) -> None:
    ready.loaded.model.base_model.disable_adapter_layers()  # type: ignore[operator]


def no_stops(ready: Ready) -> None:
    ready.loaded.model.generation_config.eos_token_id = None


LEARNT = {"method": "lora", "epochs": 20, "batch_tokens": 24, "schedule": {"peak": 0.05}}
FAULTS: dict[str, tuple[dict[str, Any], Any, str]] = {
    "other system words": ({"prompt": WORDS}, other_task(system="Say it!"), "another prompt"),
    "another template": ({"prompt": WORDS}, other_task(template="Q: {input}"), "another prompt"),
    "other turns": ({}, other_turns, "another prompt"),
    "a lost shot": ({"prompt": {"shots": 1}}, other_task(shots=()), "another prompt"),
    "no adapter": (LEARNT, no_adapter, "another answer"),
    "labels without the adapter": ({"task": "classify", "rows": ALIKE, **LEARNT}, no_adapter, "probability"),
    "no stop token": ({"rows": STOPPED, "tokens": HALT, "epochs": 12}, no_stops, "another answer"),
    "other products": ({}, lambda ready: setattr(ready, "precision", "bfloat16"), "computes otherwise"),
    "rounded weights": ({}, lambda ready: ready.loaded.model.to(torch.bfloat16), "computes otherwise"),
    "an order of labels": ({"task": "classify"}, lambda ready: ready.label_ids.reverse(), "probability"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_serving_fails_the_gate(
    fault: str, workspace: Workspace, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lets through: a model released although users would get other answers than were measured."""
    form, change, words = FAULTS[fault]
    ring = ring_of(workspace, tiny, **form)
    spoil(monkeypatch, change)
    result = ring.evaluate()
    assert result["verdict"] == "fail" and words in result["reasons"][-1], result["reasons"]


def test_an_answer_cut_in_serving_fails_and_one_cut_in_evaluation_does_not(workspace: Workspace, tiny: Path) -> None:
    """Lets through: users who get half of what was measured; or a refusal because they get more."""
    short = ring_of(workspace, tiny, serve={"max_new_tokens": 3}).evaluate()
    assert short["verdict"] == "fail" and "serve.max_new_tokens" in short["reasons"][-1]
    more = ring_of(workspace, tiny, evaluate={"max_new_tokens": 3}).evaluate()
    assert more["served"]["same"] == 12 and more["verdict"] != "fail"


def test_spaces_stay_where_a_tokenizer_would_clean_them_up(workspace: Workspace, tmp_path: Path) -> None:
    """Lets through: "there , 1 ." measured as "there, 1." and served as it was learnt."""
    base = tiny_base(tmp_path / "tidy")
    file = base / "tokenizer_config.json"
    clean = "clean_up_tokenization_spaces"
    tidy = {clean: True, f"{clean}_for_bpe_even_though_it_will_corrupt_output": True}
    file.write_text(json.dumps({**json.loads(file.read_text()), **tidy}))
    card = ring_of(workspace, base, epochs=30).card()
    answers = pl.read_parquet(card.path / "examples.parquet")["answer"].to_list()
    assert any(" ," in one for one in answers), answers
    assert card.result["served"]["different"] == 0, card.result["served"]["differences"]


def test_a_prompt_near_the_end_of_the_context_has_its_own_room(workspace: Workspace, tmp_path: Path) -> None:
    """Lets through: short prompts whose measured answers were cut because a long one was asked beside them."""
    base = tiny_base(tmp_path / "small", max_position_embeddings=48)
    rows = [(f"hello {n}{' very' * (n % 6)}", "hi") for n in range(28)]
    served = ring_of(workspace, base, rows=rows, evaluate={"max_new_tokens": 24}).served()
    assert served["rows"] == 12 and served["different"] == 0, served["differences"]


def test_what_was_asked_before_is_not_asked_again(workspace: Workspace, tiny: Path) -> None:
    """Lets through: another metric that costs the answers of the server again, or 0 rows that are asked."""
    ring = ring_of(workspace, tiny)
    first = ring.served()
    again = ring.evaluate(asker=lambda *_: pytest.fail("asked again"), metrics=["exact_match"])
    assert again["served"] == first
    assert ring.evaluate(asker=lambda *_: pytest.fail("asked"), served=0)["served"] is None
    some = ring.served(served=5)
    assert some["rows"] == 5


def test_labels_are_answered_together(workspace: Workspace, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets through: clients who ask one after the other, so that nothing that batching does is ever seen."""
    sizes, real = [], Ready.classify
    monkeypatch.setattr(Ready, "classify", lambda self, prompts: sizes.append(len(prompts)) or real(self, prompts))
    ring_of(workspace, tiny, "classify").served()
    assert max(sizes) > 1 and sum(sizes) == 13  # the first loads the model


def test_a_model_that_cannot_be_loaded_ends_the_evaluation(
    workspace: Workspace, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lets through: a Scorecard that says "fail" for good because memory was short once."""
    ring = ring_of(workspace, tiny)

    def broken(*_: Any) -> Ready:
        raise MemoryError("no room")

    monkeypatch.setattr(Ready, "load", broken)
    with pytest.raises(ArtifactError, match="is not served: the server answers 503"):
        ring.served()


def test_it_asks_where_an_event_loop_runs(workspace: Workspace, tiny: Path) -> None:
    """Lets through: notebooks, whose thread has a loop already."""
    ring = ring_of(workspace, tiny)

    async def cell() -> dict[str, Any]:
        return ring.served(served=2)

    assert asyncio.run(cell())["rows"] == 2


def test_rows_that_no_client_can_send_are_left_out() -> None:
    """Lets through: tools that the server refuses, counted as its fault; a greeting's weight that it does not know."""
    said = [{"role": "user", "content": "hi", "weight": 0}, {"role": "assistant", "content": "ho"}]
    assert request_messages(Example(said)) == [{"role": "user", "content": "hi"}]
    assert request_messages(Example(said, tools=[{"type": "function"}])) is None
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert request_messages(Example([said[0], called, {"role": "tool", "content": "1"}, said[1]])) is None


def test_without_the_server_only_those_who_ask_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Lets through: evaluating that needs the extra ``serve`` of those who never serve."""
    from tunesmith import flow

    monkeypatch.setitem(sys.modules, "tunesmith.as_served", None)
    for asked, refused in (({}, False), ({"served": 8}, True)):
        recipe = Recipe(name="made", task="chat", base="nano", data={"train": "x"}, evaluate=asked)
        project = flow.Project(recipe, tmp_path, Workspace(tmp_path))
        if refused:
            with pytest.raises(MissingExtraError, match="serve"):
                flow._asker(project)
        else:
            assert flow._asker(project) is None


loaded_once = cache(load_model)


@settings(max_examples=25, deadline=None)
@given(place=st.integers(0, 6), rank=st.integers(1, 3), number=st.integers(0, 99))
def test_a_tie_is_told_by_the_less_probable_token(place: int, rank: int, number: int) -> None:
    """Lets through: any difference called rounding because two other tokens are near; a tie that is not found."""
    loaded = loaded_once("nano")
    prompt = prompt_ids(loaded.tokenizer, [{"role": "user", "content": f"hello {number}"}])
    [whole] = generate(loaded, [prompt], Decoding(8, precision="float32"))
    assume(len(whole) > place)
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([prompt + whole[:place]])).logits[0, -1].log_softmax(-1)
    values, tokens = logits.topk(4)
    other = int(tokens[rank])
    texts = [decode(loaded.tokenizer, [*whole[:place], one]) for one in (whole[place], other)]
    assume(other not in loaded.stop_ids and not any("\ufffd" in one for one in texts))
    assume(len({decode(loaded.tokenizer, whole[:place]), *texts}) == 3)
    [rest] = generate(loaded, [[*prompt, *whole[:place], other]], Decoding(4, precision="float32"))
    ids = [*whole[:place], other, *rest]
    asked = Asked(prompt, decode(loaded.tokenizer, whole), 8)
    reply = Reply(decode(loaded.tokenizer, ids), prompt, ids, finish_reason="stop")
    gap = near_tie(loaded, asked, reply, "float32")
    assert gap is not None and gap <= float(values[0] - values[rank]) + 1e-4  # nearer if there is another way
    assert near_tie(loaded, replace(asked, text="quite another answer"), reply, "float32") is None
    kind = compare(asked, reply, "float32", lambda *_: gap).kind
    assert kind == ("rounding" if gap <= ROUNDING_NATS["float32"] else "different")


@pytest.mark.parametrize(
    ("text", "labels", "kind"),
    [
        ("a", [("a", 0.71), ("b", 0.29)], "same"),
        ("a", [("a", 0.77), ("b", 0.23)], "different"),
        ("b", [("b", 0.71), ("a", 0.29)], "different"),
    ],
)
def test_labels_may_differ_by_what_the_search_leaves_open(text: str, labels: Any, kind: str) -> None:
    """Lets through: another probability for the same label; or a refusal for a hundredth that is promised to nobody."""
    asked, reply = Asked([1], "a", probability=0.715), Reply(text, [1], labels=labels)
    assert compare(asked, reply, "float32", lambda *_: None).kind == kind
    even = Asked([1], "a", probability=0.5001)
    assert compare(even, Reply("b", [1], labels=[("b", 0.5002), ("a", 0.4998)]), "float32", lambda *_: None).kind == (
        "rounding"
    )
