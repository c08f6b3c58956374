"""Models of a service beside the tuned one: asked fairly, paid once, told apart, never taken for what they are not."""

from __future__ import annotations

import json
import math
from typing import Any

import polars as pl
import pytest

from judges import judging
from tunesmith.core.errors import RecipeError, RemoteError
from tunesmith.evaluate import ahead
from tunesmith.evaluate.answers import Answers, expected_of
from tunesmith.evaluate.metric import Rows
from tunesmith.evaluate.rivals import Rivals, read
from tunesmith.evaluate.tool_calls import call_columns
from tunesmith.recipe import Recipe, parse_recipe
from tunesmith.text.examples import Example, read_examples
from tunesmith.text.task import TaskSpec

NO_GATE = {"baselines": [], "gate": {"against": []}}
LABELS = TaskSpec("classify", ("card", "refund"))


def at(url: str, **more: Any) -> dict[str, Any]:
    return {"model": "big", "base_url": url, "retries": 0, "timeout_s": 20, **more}


def knows(said: str) -> str:
    """Answer as somebody who understands the question, with the manners of a chat model."""
    return "**Refund.**" if "money back" in said else "`card`"


def test_a_rival_that_is_right_is_found_right_and_has_no_probabilities(arena):
    """Would let through: quotes and full stops that cost a rival its answers, an instruction it is not given, a made-up
    probability in its calibration, differences on other rows, money counted wrong.
    """
    ring = arena("classify")
    price = {"input": 1.0, "output": 2.0}
    with judging(knows) as served:
        rivals = {"big": at(served.url, price=price, shots=2)}
        card = ring.evaluate(**NO_GATE, rivals=rivals, baseline_rows=10)
        planned = ahead.plan_rivals(ring.recipe(**NO_GATE, rivals=rivals, baseline_rows=10), ring.dataset)
    result = card.result
    assert result["baselines"]["big"]["accuracy"]["value"] == 1.0 and result["baselines"]["big"]["accuracy"]["n"] == 10
    assert set(result["baselines"]["big"]) == set(result["deltas"]["big"]) == {"accuracy", "macro_f1"}
    rows = pl.read_parquet(card.path / "examples.parquet").filter(pl.col("answer_big").is_not_null())
    assert rows["answer_big"].to_list() == rows["expected"].to_list() and rows.height == 10
    assert result["deltas"]["big"]["accuracy"]["value"] == pytest.approx(rows["correct"].mean() - 1.0)
    (one, *others) = served.asked
    assert len(others) == 9 and [turn["role"] for turn in one["messages"]] == ["user", "assistant"] * 2 + ["user"]
    assert one["messages"][0]["content"].startswith(
        "Answer with exactly one of these labels and nothing else: card, ref"
    )
    assert result["rivals"]["big"] == {
        "model": "big", "endpoint": served.url, "calls": {"asked": 10, "kept": 0},
        "tokens": {"input": 1000, "output": 100}, "usd": pytest.approx(0.0012),
    }  # fmt: skip
    assert planned["big"]["calls"] == 10 and planned["big"]["tokens"]["output_at_most"] == 10 * 1024
    assert planned["big"]["usd_at_most"] > 0.02
    assert "big was asked 10 questions (1,000 tokens in, 100 out, 0.00 USD)" in " ".join(result["notes"])
    assert "nan" not in (card.path / "scorecard.html").read_text().lower().replace("finance", "")


def test_what_a_rival_said_is_never_paid_twice(arena):
    """Would let through: another metric, another gate or a rival beside it that asks everybody again."""
    ring = arena("classify")
    with judging(knows) as served:
        ring.evaluate(**NO_GATE, rivals={"big": at(served.url)}, baseline_rows=10)
        again = ring.evaluate(**NO_GATE, metrics=["macro_f1"], rivals={"big": at(served.url)}, baseline_rows=10)
        assert len(served.asked) == 10 and again.result["rivals"]["big"]["calls"] == {"asked": 0, "kept": 10}
    gone = ring.evaluate(**NO_GATE, metrics=["accuracy"], rivals={"big": at(served.url)}, baseline_rows=10)
    assert gone.result["baselines"]["big"]["accuracy"]["value"] == 1.0, "the service is gone, its answers are not"


def test_a_model_tuned_elsewhere_is_asked_as_it_was_tuned_and_its_successor_is_gated_on_it(arena):
    """The way out of a closing service. Would let through: an instruction or examples that the vendor's model never saw,
    a gate that does not know rivals.
    """
    ring = arena("classify")
    with judging(lambda said: knows(said).strip("`*.").lower()) as served:
        rivals = {"vendor": at(served.url, as_tuned=True)}
        rule = {"accuracy": {"not_worse_by": 0.05, "not_worse_than": ["vendor"]}}
        card = ring.evaluate(baselines=[], gate={"against": ["vendor"], "metrics": rule}, rivals=rivals)
    question = served.asked[0]["messages"]
    assert [turn["role"] for turn in question] == ["user"] and question[0]["content"].startswith(
        ("my card", "money back")
    )
    assert "worse than vendor by 0.05 or more" in " ".join(card.result["reasons"])
    assert "vendor" in card.result["summary"]


def test_words_that_are_no_label_are_wrong_and_counted(arena):
    """Would let through: a refusal that counts as whatever label comes first."""
    ring = arena("classify")
    with judging(lambda said: "I would say card, or perhaps refund.") as served:
        card = ring.evaluate(**NO_GATE, rivals={"big": at(served.url)}, baseline_rows=10)
    assert card.result["baselines"]["big"]["accuracy"]["value"] == 0.0
    assert "10 of 10 answers of big are no label and count as wrong." in card.result["notes"]


def test_written_answers_are_compared_too(arena):
    ring = arena("chat")
    with judging(lambda said: " hi there\n") as served:
        card = ring.evaluate(**NO_GATE, rivals={"big": at(served.url)})
    assert card.result["baselines"]["big"]["exact_match"]["value"] == 1.0
    assert "perplexity" not in card.result["baselines"]["big"] and "perplexity" in card.result["metrics"]
    assert math.isfinite(card.result["deltas"]["big"]["token_f1"]["value"])


def test_json_in_a_fence_is_json(arena):
    ring = arena("extract")
    with judging(lambda said: '```json\n{"at": "lunch"}\n```') as served:
        card = ring.evaluate(**NO_GATE, rivals={"big": at(served.url)})
    assert card.result["baselines"]["big"]["valid_json"]["value"] == 1.0


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ("card", "card"), (" Refund.\n", "refund"), ('"CARD"', "card"), ("The label is card", "The label is card"),
        ("", ""), ("card, refund", "card, refund"),
    ],
)  # fmt: skip
def test_only_what_is_a_label_counts_as_one(said, counts):
    assert read(said, LABELS) == counts


@pytest.mark.parametrize(
    ("said", "counts"),
    [('{"a": 1}', '{"a": 1}'), ('```\n{"a":\n1}\n```', '{"a":\n1}'), ('```json\n{"a": 1}', '```json\n{"a": 1}'),
     ('Here it is:\n```json\n{"a": 1}\n```', 'Here it is:\n```json\n{"a": 1}\n```')],
)  # fmt: skip
def test_only_a_whole_fence_is_taken_away(said, counts):
    assert read(said, TaskSpec("extract")) == counts


def test_a_rival_that_fails_ends_the_evaluation_and_what_it_said_is_kept(arena):
    ring = arena("classify")
    with judging(knows) as served:
        answered = iter(range(100))

        def dies(said: str) -> str:
            if next(answered) >= 4:
                served.failing = (500, {})
            return knows(said)

        served.script = dies
        with pytest.raises(RemoteError, match=r"fails \(HTTP 500\)"):
            ring.evaluate(**NO_GATE, rivals={"big": at(served.url, concurrency=1)}, baseline_rows=10)
        served.script, served.failing, before = knows, None, len(served.asked)
        card = ring.evaluate(**NO_GATE, rivals={"big": at(served.url, concurrency=1)}, baseline_rows=10)
        assert before >= 4 and len(served.asked) == 10 and card.result["rivals"]["big"]["calls"]["kept"] == before


def test_a_missing_key_is_told_before_anything_is_spent(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    recipe = Recipe(name="r", task="classify", data={"train": "x"}, evaluate={"rivals": {"gpt": {"model": "gpt"}}})
    with pytest.raises(RecipeError, match=r"evaluate\.rivals\.gpt\.key_env: the environment variable OPENAI_API_KEY"):
        ahead.check(recipe)


def test_pairs_have_no_rivals():
    rivals = {"gpt": at("http://127.0.0.1:1/v1")}
    recipe = Recipe(name="r", task="preference", data={"train": "x"}, evaluate={"rivals": rivals})
    with pytest.raises(RecipeError, match="how probable two answers are, which no chat service says"):
        ahead.check(recipe)


TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


def rows_with(ring, change) -> list[Example]:
    """Give each test row tools, change its messages, and return the rows."""
    path = ring.dataset.path / "test.parquet"
    frame = pl.read_parquet(path)
    columns = {
        "messages": [json.dumps(change(json.loads(one))) for one in frame["messages"]],
        "tools": [json.dumps(TOOLS)] * frame.height,
    }
    frame.with_columns(*(pl.Series(name, own, dtype=pl.String) for name, own in columns.items())).write_parquet(path)
    return read_examples(path)


def answers(ring, recipe, rows) -> Answers:
    train = read_examples(ring.dataset.path / "train.parquet")
    return Rivals(recipe, ring.workspace).answers("big", TaskSpec("chat"), train, rows)


def test_rows_with_tools_are_asked_with_them(arena):
    """Would let through: tools that nobody is told of, a right call that counts as wrong, a plan that leaves tools out."""
    ring = arena("chat")
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    plain = ahead.plan_rivals(ring.recipe(**NO_GATE, rivals={"big": at("http://127.0.0.1:1/v1")}), ring.dataset)
    rows = rows_with(ring, lambda own: [*own[:-1], {"role": "assistant", "content": None, "tool_calls": [call]}])
    right = iter([True] * (len(rows) - 1) + [False])
    with judging(lambda said: [("f", {"a": 1 if next(right) else 2})]) as served:
        recipe = ring.recipe(**NO_GATE, rivals={"big": at(served.url, concurrency=1)})
        told = ahead.plan_rivals(recipe, ring.dataset)
        assert told["big"]["tokens"]["input"] > plain["big"]["tokens"]["input"]
        given = answers(ring, recipe, rows)
    assert all(one["tools"] == TOOLS for one in served.asked) and len(served.asked) == len(rows)
    columns = call_columns(Rows(rows, [expected_of(one) for one in rows], given))
    assert columns["has_tools"].all() and columns["calls"].sum() == len(rows) - 1


def test_more_than_text_is_asked_where_it_can_be_and_refused_by_name_elsewhere(arena, monkeypatch):
    """Would let through: an image that is left out in silence, of the plain or of the prompted question."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk")
    ring = arena("chat")
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    content = [{"type": "text", "text": "What is it?"}, image]
    rows = rows_with(ring, lambda own: [{"role": "user", "content": content}, own[-1]])
    claude = {"api": "anthropic", "model": "m"}
    with pytest.raises(RecipeError, match=r"evaluate\.rivals\.big: row .* has more than text, and the anthropic API"):
        ahead.plan_rivals(ring.recipe(**NO_GATE, rivals={"big": claude}), ring.dataset)
    with judging(lambda said: "a cat") as served:
        for how in ({"shots": 0}, {"as_tuned": True}):
            answers(ring, ring.recipe(**NO_GATE, rivals={"big": at(served.url, **how)}), rows[:1])
    prompted, plain = (one["messages"][0]["content"] for one in served.asked)
    assert image in prompted and plain == content and prompted[0]["text"] not in ("", "What is it?")


def recipe_with(evaluate: str) -> str:
    return f"name: r\ntask: classify\ndata: {{train: x}}\nevaluate:\n{evaluate}"


@pytest.mark.parametrize(
    ("evaluate", "words", "hint"),
    [
        ("  gate: {against: [cloude]}\n  rivals:\n    claude: {api: anthropic, model: m}\n",
         r"recipe:5: evaluate\.gate\.against\.0: 'cloude' is no baseline", "did you mean 'claude'"),
        ("  rivals:\n    base: {model: m}\n", r"recipe:6: evaluate\.rivals\.base is a name that means something else", ""),
        ("  rivals:\n    gpt: {model: m, as_tuned: true, shots: 2}\n", "is shown no examples", "remove shots"),
        ("  rivals:\n    gpt: {modle: m}\n", r"recipe:6: unknown key 'evaluate\.rivals\.gpt\.modle'", "did you mean 'model'"),
        ("  rivals:\n    GPT: {model: m}\n", "not of the form that is expected", ""),
        ("  judge: {model: m, against: [gtp], pairwise: {}}\n  rivals: {gpt: {model: m}}\n",
         r"recipe:5: evaluate\.judge\.against\.0: 'gtp'", "did you mean 'gpt'"),
    ],
)  # fmt: skip
def test_slips_are_told_with_their_line(evaluate, words, hint):
    with pytest.raises(RecipeError, match=words) as caught:
        parse_recipe(recipe_with(evaluate))
    assert hint in str(caught.value)
