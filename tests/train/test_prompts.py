"""Shots and variants: the same prompt in training, evaluation and serving, others where the recipe says so."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killed import killed_after
from made import CARDS, make_dataset
from serving import serving
from tunesmith.core.errors import RecipeError
from tunesmith.core.store import Store
from tunesmith.evaluate.answers import Contender
from tunesmith.models.label_tree import LEFT_EACH
from tunesmith.models.load import load_model
from tunesmith.models.shortcuts import ALL, Shortcuts, exact_shortcuts
from tunesmith.recipe import Recipe
from tunesmith.release.aliases import promote
from tunesmith.text.chat import Rendered, prompt_ids
from tunesmith.text.examples import read_examples
from tunesmith.text.prompts import prompts_of, task_of
from tunesmith.text.task import TaskSpec
from tunesmith.train import stage
from tunesmith.train.batches import TokenSet, micro_batches, variants_of_epoch
from tunesmith.train.loop import drawn_until, steps_from
from tunesmith.train.loss import supervised_loss
from tunesmith.train.plan import estimate
from tunesmith.train.prepare_run import prepare_run
from tunesmith.train.sets import tokenise

pytestmark = pytest.mark.slow

VARIANTS = [{"system": "Name the topic."}, {"template": "Message: {input}\nTopic:"}]
TRAIN = {"method": "full", "epochs": 4, "batch_tokens": 24, "precision": "float32", "threads": 1}
TRAIN["regularise"] = {"dropout": 0, "early_stopping": None}


def recipe(base, prompt, **train) -> Recipe:
    settings = {**TRAIN, "schedule": {"peak": 0.02}, **train}
    return Recipe(name="made", task="classify", base=str(base), data={"train": "x"}, prompt=prompt, train=settings)


def tokens_of(base, prompt, dataset) -> tuple[stage.Sets, TaskSpec]:
    settings = recipe(base, prompt)
    prompts = prompts_of(settings, dataset)
    return tokenise(settings, dataset, prompts, load_model(str(base))), prompts.own


def texts(tokens: TokenSet, base) -> list[str]:
    tokenizer = load_model(str(base)).tokenizer
    return [tokenizer.decode(one.ids) for one in tokens.rendered]


def test_what_is_learnt_evaluated_and_served_has_one_prompt(workspace, dataset, tiny, tmp_path):
    """Would let through: a model tuned behind examples that it is then asked without, or with others."""
    prompt = {"shots": 3, "system": "Be brief.", "template": "Say: {input}"}
    settings = recipe(tiny, prompt)
    model = stage.train(settings, dataset, workspace)
    folder = model.path / "model"
    task, loaded = TaskSpec.load(folder), load_model(folder)
    assert task == task_of(settings, dataset) and len(task.shots) == 3 and len({s.answer for s in task.shots}) == 2
    sets, _ = tokens_of(tiny, prompt, dataset)
    for split, tokens in (("train", sets.train), ("valid", sets.valid)):
        for example, one in zip(read_examples(dataset.path / f"{split}.parquet"), tokens.rendered, strict=True):
            asked = prompt_ids(loaded.tokenizer, task.prompt(example.messages[:-1]))
            assert (
                list(one.ids[: one.targets.index(True)]) == asked and sum(one.targets) == len(example.target_text) + 1
            )
    held = read_examples(dataset.path / "valid.parquet")[0]
    evaluated = Contender("tuned", loaded, lambda one: task.split(one)[0], task.labels).answer([held])
    with contextlib.closing(Store.open(tmp_path / "store.db")) as store:
        promote(store, "made", model.id, force=True)
        with serving(store, workspace) as server:
            served = server.ask(held.input_text, "made")
    assert served.usage.prompt_tokens == len(prompt_ids(loaded.tokenizer, task.prompt(held.messages[:-1])))
    assert served.choices[0].message.content == evaluated.texts[0]
    assert served.tunesmith["probability"] == pytest.approx(
        evaluated.confidences[0], abs=LEFT_EACH
    )  # the right label is opened in any case


def test_an_example_that_is_shown_is_learnt_without_its_own_copy(workspace, dataset, tiny):
    """Would let through: examples whose answer stands in their prompt, so that copying is what is learnt."""
    sets, task = tokens_of(tiny, {"shots": 4}, dataset)
    shown = Counter(shot.question for shot in task.shots)
    rows = read_examples(dataset.path / "train.parquet")
    assert len(shown) == 4 and set(shown) <= {one.input_text for one in rows}
    for text, example in zip(texts(sets.train, tiny), rows, strict=True):
        assert text.count(f"<|user|>{example.input_text}<|end|>") == 1
        spare = f"<|user|>{task.spare.question}<|end|>"
        assert (spare in text) == (example.input_text in shown or example.input_text == task.spare.question)
        assert text.count("<|user|>") == 5


def test_what_all_examples_are_shown_is_read_once_and_changes_nothing(workspace, tiny):
    """Would let through: shots that cost as much as they are long, or gradients that are lost by sharing them."""
    rows = [(f"my card {n} is lost", "card") for n in range(20)] + [(f"money back {n}", "refund") for n in range(20)]
    dataset = make_dataset(workspace, rows, rows[:2])
    sets, task = tokens_of(tiny, {"shots": 4}, dataset)
    loaded = load_model(str(tiny))
    prefix = len(prompt_ids(loaded.tokenizer, task.prompt([])))
    assert exact_shortcuts(loaded.model, "float32") == ALL and prefix > 80
    found = []
    for shortcuts in (Shortcuts(), ALL):
        batches = micro_batches(sets.train, range(len(sets.train)), shortcuts, 2048)
        read = sum(batch.row.ids_BT.numel() for batch in batches)
        loss = sum(supervised_loss(loaded.model, batch, shortcuts) for batch in batches)
        loss.backward()
        found.append((read, float(loss.detach()), [one.grad.clone() for one in loaded.model.parameters()]))
        loaded.model.zero_grad()
    (all_tokens, plain, wanted), (fewer, ours, got) = found
    alike = len(sets.train) - 4  # those that are shots themselves read other prompts
    assert fewer <= all_tokens - (alike - 1) * (prefix - 1), "the answer's beginning is no part of what is shown"
    assert ours == pytest.approx(plain, rel=1e-5)
    largest = max(float(one.abs().max()) for one in wanted)
    assert all(float((one - other).abs().max()) <= 1e-5 * largest for one, other in zip(wanted, got, strict=True))


def test_shots_that_are_not_there_are_refused(workspace, dataset, tiny):
    """Would let through: 8 rows to learn from, 8 to show and none left for one that is shown itself."""
    with pytest.raises(RecipeError, match=r"prompt\.shots: 8 examples and one to spare .* train has 8") as caught:
        task_of(recipe(tiny, {"shots": 8}), dataset)
    assert caught.value.hint == "prompt.shots: 7"
    assert len(task_of(recipe(tiny, {"shots": 7}), dataset).shots) == 7


@pytest.mark.parametrize("key", ["shots", "teacher"])
def test_shots_beyond_the_context_are_refused_with_how_many_fit(workspace, tiny, key):
    """Would let through: advice to shorten the examples where there are only too many shots, or advice that is refused."""
    rows = [(f"{n:02} {'long ' * 12}", "ab"[n % 2]) for n in range(40)]
    dataset = make_dataset(workspace, rows, rows[:4])
    prompt = {"shots": 20} if key == "shots" else {"teacher": {"shots": 20}}
    name = "prompt.shots" if key == "shots" else "prompt.teacher.shots"
    with pytest.raises(RecipeError, match=f"{name}: 20 examples take") as caught:
        tokens_of(tiny, prompt, dataset)
    fit = int(caught.value.hint.removeprefix(f"{name}: ").split(",")[0])
    assert 1 <= fit < 20
    sets, _ = tokens_of(tiny, {"shots": fit} if key == "shots" else {"teacher": {"shots": fit}}, dataset)
    assert sets.left_out == 0
    with pytest.raises(RecipeError):
        tokens_of(tiny, {"shots": fit + 1} if key == "shots" else {"teacher": {"shots": fit + 1}}, dataset)


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 9), st.integers(0, 9))
def test_which_words_an_example_draws_hangs_on_seed_epoch_and_example_alone(count, variants, seed, epoch):
    """Would let through: other words after a kill, the same in every epoch, or others where examples were added."""

    def drawn(examples: int, seed: int, epoch: int) -> list[int]:
        one = Rendered([1, 2], [False, True], 1, 0)
        return variants_of_epoch(TokenSet([one] * examples * variants, [1.0], (), 1, variants), seed, epoch)

    found = drawn(count, seed, epoch)
    assert found == drawn(count, seed, epoch) == drawn(count + 7, seed, epoch)[:count]
    assert set(found) <= set(range(variants))
    assert drawn(200, seed, epoch) != drawn(200, seed, epoch + 1) != drawn(200, seed + 1, epoch + 1)
    assert len(set(drawn(200, seed, epoch))) == variants


def test_variants_are_learnt_and_the_first_words_are_validated_saved_and_counted(workspace, dataset, tiny):
    """Would let through: variants that nothing reads, a validation or a served model with other words than the first."""
    settings = recipe(tiny, {"template": "Say: {input}", "variants": VARIANTS})
    prompts = prompts_of(settings, dataset)
    assert [(one.system, one.template) for one in (prompts.own, *prompts.variants)] == [
        (None, "Say: {input}"), ("Name the topic.", "Say: {input}"), (None, "Message: {input}\nTopic:"),
    ]  # fmt: skip
    sets, _ = tokens_of(tiny, {"template": "Say: {input}", "variants": VARIANTS}, dataset)
    assert (len(sets.train), sets.train.num_examples, sets.train.variants) == (24, 8, 3)
    own, named, wrapped = (texts(sets.train.part(at, 1), tiny) for at in range(3))
    assert all("Say: " in one and "system" not in one for one in own)
    assert all("<|system|>Name the topic.<|end|><|user|>Say: " in one for one in named)
    assert all("<|user|>Message: " in one and one.count("Topic:") == 1 for one in wrapped)
    assert all("Say: " in one for one in texts(sets.valid, tiny)) and sets.valid.variants == 1
    model = stage.train(settings, dataset, workspace)
    assert sum(model.result["prompts_drawn"]) == 4 * 8 and min(model.result["prompts_drawn"]) >= 4
    assert TaskSpec.load(model.path / "model") == prompts.own
    plain = stage.train(recipe(tiny, {"template": "Say: {input}"}), dataset, workspace)
    assert plain.result["prompts_drawn"] is None
    assert plain.result["steps"] == model.result["steps"]
    assert plain.result["tokens"]["target"] == model.result["tokens"]["target"]
    assert plain.result["tokens"]["total"] < model.result["tokens"]["total"]
    planned = estimate(settings, dataset, workspace)
    assert planned["steps"] == model.result["steps"] and planned["examples"]["train"] == 8
    total = sum(len(one.ids) for one in sets.train.rendered)
    assert planned["tokens_per_epoch"]["total"] == round(total / 3)


def test_what_a_step_reads_is_what_was_drawn(workspace, dataset, tiny, tmp_path):
    """Would let through: a count of what was drawn that is not what the steps read."""
    sets, _ = tokens_of(tiny, {"variants": VARIANTS}, dataset)
    run = prepare_run(recipe(tiny, {"variants": VARIANTS}), load_model(str(tiny)), sets.train, sets.valid, tmp_path)
    seen: Counter[int] = Counter()
    examples: Counter[int] = Counter()
    for step, rows in steps_from(run, 0):
        assert drawn_until(run, step) == [seen[variant] for variant in range(3)]
        seen.update(row // 8 for row in rows)
        examples.update(row % 8 for row in rows)
    assert drawn_until(run, run.total_steps) == [seen[0], seen[1], seen[2]]
    assert set(examples.values()) == {4} and len(examples) == 8, "every example once an epoch, whatever its words"


CHANGES = {
    "variants": ({"variants": VARIANTS, "shots": 2}, {}),
    "variants of frozen layers": ({"variants": VARIANTS}, {"freeze": {"layers": "0:1"}, "epochs": 8}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_run_killed_at_any_step_ends_in_the_same_bytes(tmp_path, workspace, dataset, tiny, name):
    """Would let through: words that are drawn anew after a kill, or from where the first step was."""
    prompt, changes = CHANGES[name]
    settings = recipe(tiny, prompt, regularise={"dropout": 0.1}, eval_every=2, **changes)
    undisturbed = stage.train(settings, dataset, workspace)
    elsewhere = type(workspace)(tmp_path / "elsewhere")
    same = make_dataset(elsewhere, CARDS[::2], CARDS[1::2])
    for at in (1, 3, 2):
        killed_after(at, lambda: stage.train(settings, same, elsewhere))
    model = stage.train(settings, same, elsewhere)
    files, wanted = model.manifest["files"], undisturbed.manifest["files"]
    assert {name for name in files if files[name] != wanted[name]} <= {"train.html"}  # which shows seconds
    assert model.result["prompts_drawn"] == undisturbed.result["prompts_drawn"]


def test_a_wording_that_is_too_long_leaves_an_example_out_of_all(workspace, tiny):
    """Would let through: an example that is read in some epochs, and cut or crashed on in others."""
    rows = [(f"text {n}", "ab"[n % 2]) for n in range(200)]
    dataset = make_dataset(workspace, [("x" * 480, "a"), *rows], rows[:5])
    sets, _ = tokens_of(tiny, {"variants": [{"system": "y" * 40}]}, dataset)
    assert sets.left_out == 1 and sets.train.num_examples == 200 and len(sets.train) == 400
    assert sets.train.names[0] == sets.train.names[200]
