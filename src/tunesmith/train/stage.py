"""The train stage: a recipe and a Dataset in, a Model out.

Owns what the Model's folder holds: ``model/`` (Hugging Face or PEFT layout, tokenizer, ``task.json``, sample prompts),
``metrics.jsonl``, ``train.html``. Does not own the loop (`loop`) nor how text becomes tokens (`text`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunesmith.core.artifacts import Plan
from tunesmith.core.errors import DataError, MissingExtraError, RecipeError, Refusals
from tunesmith.core.progress import say, steps
from tunesmith.models.load import identity, reference
from tunesmith.recipe.fit import OF_PAIRS
from tunesmith.text.examples import read_examples
from tunesmith.text.task import TaskSpec

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact, Draft, Workspace
    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Recipe
    from tunesmith.text.examples import Example, Message
    from tunesmith.train.batches import TokenSet
    from tunesmith.train.checkpoint import Progress
    from tunesmith.train.finder import Search
    from tunesmith.train.freeze import Learning
    from tunesmith.train.loop import Objective, Run
    from tunesmith.train.validate import Judge

CODE = "train-5"
TOO_LONG_ALLOWED_FRAC = 0.01
"""Up to this share of examples may be left out, counted, because they are longer than the model reads."""


def check(recipe: Recipe) -> None:
    """Refuse, before anything is spent, what this engine cannot train.

    Raises:
        RecipeError: naming the setting.
        MissingExtraError: if the training libraries are not installed.
    """
    stopping = recipe.train.regularise.early_stopping
    alone = recipe.task == "preference" and recipe.objective == "sft"
    if alone and stopping is not None and stopping.metric != "valid_loss":
        raise RecipeError(
            f"train.regularise.early_stopping.metric: {stopping.metric} compares answers, and objective sft has one",
            hint="train.regularise.early_stopping.metric: valid_loss",
        )
    if recipe.base.startswith(("openai:", "azure:", "bedrock:")):
        raise RecipeError(
            f"base: {recipe.base} is a hosted model, which this version cannot tune",
            expected="nano, a folder, a Hugging Face name, or a Model's id",
            hint="base: nano, which is here already",
        )
    try:
        import peft
        import torch
        import transformers  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", error.name or "torch") from error
    del peft, torch


def plan_model(recipe: Recipe, dataset: Artifact, workspace: Workspace) -> Plan:
    """Return the plan of the Model. Its parents are the Dataset and, if it starts from an earlier Model, that one."""
    earlier = workspace.find(recipe.base)
    config = {
        "train": recipe.train.model_dump(mode="json", exclude={"threads"}),
        "prompt": recipe.prompt.model_dump(mode="json"),
        "task": recipe.task,
    }
    return Plan(
        name=recipe.name,
        stage="model",
        config=config,
        given=recipe.given(),
        parents=(dataset.id, earlier.id) if earlier else (dataset.id,),
        inputs={"base": identity(reference(recipe.base, workspace))},
        code=CODE,
        seed=recipe.seed,
    )


def train(recipe: Recipe, dataset: Artifact, workspace: Workspace, judge: Judge | None = None) -> Artifact:
    """Make the Model of a recipe and a Dataset, or return it if it is already there.

    ``judge`` measures the metric that early stopping looks at, unless that is the validation loss; if it has no look of
    its own, the objective's validation has what it is computed from. Killed and started
    again it goes on from its last checkpoint and ends in the same bytes.

    Raises:
        RecipeError: for what cannot be trained.
        DataError: if too many examples are too long, or the loss stops being a number.
        ValueError: for a metric of early stopping without its judge.
    """
    check(recipe)
    stopping = recipe.train.regularise.early_stopping
    if judge is None and stopping is not None and stopping.metric != "valid_loss":
        raise ValueError(f"early stopping looks at {stopping.metric}, and nothing that measures it was handed in")
    base = reference(recipe.base, workspace)
    plan = plan_model(recipe, dataset, workspace)
    return workspace.make(plan, lambda draft: _make(recipe, dataset, base, draft, judge))


def task_of(recipe: Recipe, dataset: Artifact) -> TaskSpec:
    """Return the task with its prompt and, for a classification, the Dataset's labels."""
    file = dataset.path / "labels.json"
    labels = tuple(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else ()
    return TaskSpec(recipe.task, labels, recipe.prompt.system, recipe.prompt.template)


@dataclass(frozen=True)
class Sets:
    """The two tokenised splits, how many examples were left out as too long, and added tokens that train never uses."""

    train: TokenSet
    valid: TokenSet
    left_out: int
    samples: list[Example]
    unused_tokens: list[str]


def _make(recipe: Recipe, dataset: Artifact, base: str, draft: Draft, judge: Judge | None) -> None:
    import torch

    from tunesmith.models.precision import exact_arithmetic, restore_halved
    from tunesmith.models.save import merge_adapter, save_model
    from tunesmith.text.parity import save_samples
    from tunesmith.train.curves import write_page
    from tunesmith.train.finder import find_peak
    from tunesmith.train.frozen_cache import with_states
    from tunesmith.train.loop import fit
    from tunesmith.train.preference import with_reference
    from tunesmith.train.start import load_start

    torch.set_num_threads(recipe.train.threads or os.cpu_count() or 1)
    torch.manual_seed(recipe.seed)  # fixes how adapters start
    task = task_of(recipe, dataset)
    loaded = load_start(recipe, base)
    sets = tokenise(recipe, dataset, task, loaded)
    run = replace(prepare_run(recipe, loaded, sets.train, sets.valid, draft.scratch), judge=judge)
    _announce(run, recipe.base)
    with exact_arithmetic(recipe.train.deterministic):
        run = with_reference(with_states(run))
        if search := find_peak(run):
            run = replace(run, peak=search.peak)
        with steps("training", run.total_steps) as bar:
            progress = fit(run, bar)
    folder = draft.path / "model"
    if recipe.train.save == "merged" or recipe.train.method == "full":
        restore_halved(loaded.model, lambda: load_start(recipe, base).model)
    if recipe.train.save == "merged":
        merge_adapter(loaded)
    save_model(loaded, folder)
    task.save(folder)
    save_samples(folder, task, loaded.tokenizer, sets.samples)
    lines = (json.dumps(row) for row in progress.metrics)
    (draft.path / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    examples = {"train": sets.train.num_examples, "valid": sets.valid.num_examples}
    draft.counts = {**examples, "left_out_too_long": sets.left_out}
    draft.result = _result(run, progress, draft, sets, search)
    write_page(draft.path / "train.html", draft.id, progress.metrics, draft.result)


def prepare_run(recipe: Recipe, loaded: LoadedModel, train: TokenSet, valid: TokenSet, folder: Path) -> Run:
    """Choose what learns, set dropout, and return everything the loop needs.

    Raises:
        RecipeError: for what does not fit the base, the run's length or the memory; what is found together is told so.
        SetupError: if the disk is too small.
    """
    from tunesmith.models.compiled import cannot
    from tunesmith.models.dropout import set_dropout
    from tunesmith.models.precision import choose_precision, halve_frozen
    from tunesmith.models.shortcuts import Shortcuts, exact_shortcuts
    from tunesmith.train.batches import plan_steps, step_tokens
    from tunesmith.train.loop import Run
    from tunesmith.train.memory import refuse_unfit, row_tokens
    from tunesmith.train.optimizer import rate_factors
    from tunesmith.train.schedule import check_schedule
    from tunesmith.train.unfit import refuse_small_disk, refuse_unfit_run

    settings = recipe.train
    batch_tokens = step_tokens(settings.batch_tokens, train.num_targets)
    epoch_steps = plan_steps(train.num_targets, batch_tokens, recipe.seed, settings.epochs, settings.max_steps)
    refusals = Refusals()
    with refusals:
        refuse_unfit_run(settings, train, sum(epoch_steps))
    with refusals:
        check_schedule(settings.schedule, sum(epoch_steps), batch_tokens, validated=len(valid) > 0)
    with refusals:
        learning = _choose_what_learns(recipe, loaded, epoch_steps)
        rate_factors(loaded.model, settings.schedule)
        refuse_small_disk(settings, learning.weights, loaded.model, folder)
    with refusals:
        if settings.compile == "always" and (why := cannot(loaded.model.device)):
            raise RecipeError(f"train.compile: always: {why}", hint="train.compile: never, or install one")
    refusals.tell()
    set_dropout(loaded.model, settings.regularise.dropout)
    device = loaded.model.device
    precision = choose_precision(settings.precision, device)
    halve_frozen(loaded.model, precision)
    shortcuts = Shortcuts(**settings.shortcuts.model_dump()) & exact_shortcuts(
        loaded.model, precision, learning.frozen_layers
    )
    run = Run(
        loaded=loaded,
        learning=learning,
        train=train,
        valid=valid,
        settings=settings,
        peak=_peak(recipe, loaded),
        precision=precision,
        seed=recipe.seed,
        batch_tokens=batch_tokens,
        epoch_steps=epoch_steps,
        shortcuts=shortcuts,
        row_tokens=row_tokens(loaded, train, shortcuts, precision),
        folder=folder,
        objective=_objective(recipe),
    )
    refuse_unfit(run)
    return run


def _objective(recipe: Recipe) -> Objective:
    from tunesmith.train.loss import Supervised
    from tunesmith.train.preference import Preferring

    return Supervised() if recipe.objective == "sft" else Preferring(recipe.objective, recipe.train.preference)


def _peak(recipe: Recipe, loaded: LoadedModel) -> float:
    """Return the highest learning rate: the recipe's, or that of the method, the objective and the model's width.

    With ``auto`` the latter is where `finder` begins.
    """
    from tunesmith.train.adapters import rate_of
    from tunesmith.train.schedule import default_peak

    peak = recipe.train.schedule.peak
    if isinstance(peak, float | int):
        return float(peak)
    hidden = int(loaded.model.config.get_text_config().hidden_size)
    return default_peak(rate_of(recipe.train.method), hidden, recipe.objective)


def _choose_what_learns(recipe: Recipe, loaded: LoadedModel, epoch_steps: list[int]) -> Learning:
    """Freeze what the recipe freezes and put adapters beside the rest, if it trains adapters.

    Raises:
        RecipeError: if added tokens could not learn.
    """
    from tunesmith.models.layers import EMBEDDINGS, decoder_layers
    from tunesmith.train.adapters import with_adapter
    from tunesmith.train.freeze import Learning, first_steps, freeze

    settings = recipe.train.freeze
    starts = first_steps(settings, len(decoder_layers(loaded.model)), epoch_steps)
    if recipe.train.tokens and recipe.train.method == "full" and EMBEDDINGS not in starts:
        raise RecipeError(
            "train.freeze.layers freezes the embeddings, so the rows of train.tokens would learn nothing",
            hint="train.method: lora, which trains new rows beside frozen ones, or a range that begins at 1",
        )
    freeze(loaded.model, settings, starts)
    loaded.model = with_adapter(recipe, loaded)
    return Learning.of(loaded.model, starts)


def tokenise(recipe: Recipe, dataset: Artifact, task: TaskSpec, loaded: LoadedModel) -> Sets:
    """Return the train and validation splits of a Dataset as tokens, with the task's prompt.

    Raises:
        DataError: if too many examples are too long.
    """
    from tunesmith.text.chat import ensure_template
    from tunesmith.train.tokens import tell_unused

    if ensure_template(loaded.tokenizer):
        say("  the base has no chat template: plain turns on lines of their own are used")
    limit = recipe.train.max_tokens or loaded.context_tokens
    left_out = 0
    sets: dict[str, TokenSet] = {}
    for split in ("train", "valid"):
        examples = read_examples(dataset.path / f"{split}.parquet")
        if split == "train":
            samples = examples
        both = recipe.objective in OF_PAIRS
        weight = recipe.prompt.prompt_loss_weight if split == "train" else 0.0
        sets[split], too_long = tokens_of(loaded, task, examples, limit, split, both=both, prompt_weight=weight)
        left_out += too_long
    unused = tell_unused(loaded.tokenizer, recipe.train.tokens, (one.ids for one in sets["train"].rendered))
    return Sets(sets["train"], sets["valid"], left_out, samples, unused)


def tokens_of(
    loaded: LoadedModel,
    task: TaskSpec,
    examples: list[Example],
    limit: int,
    split: str,
    *,
    both: bool = False,
    prompt_weight: float = 0.0,
) -> tuple[TokenSet, int]:
    """Render examples with the task's prompt; return them and how many were longer than ``limit`` tokens.

    With ``both`` an example is two sequences, the chosen and the rejected answer to its conversation.

    Raises:
        DataError: if more than `TOO_LONG_ALLOWED_FRAC` of them are.
    """
    from tunesmith.text.chat import render
    from tunesmith.train.batches import TokenSet

    rendered = [
        [render(loaded.tokenizer, messages, one.tools, prompt_weight) for messages in _conversations(task, one, both)]
        for one in examples
    ]
    longest = [max(len(one.ids) for one in sequences) for sequences in rendered]
    fitting = [index for index, length in enumerate(longest) if length <= limit]
    too_long = len(rendered) - len(fitting)
    if too_long > TOO_LONG_ALLOWED_FRAC * len(rendered):
        worst = max(range(len(rendered)), key=longest.__getitem__)
        where = "{source}:{line}".format(**examples[worst].meta)
        raise DataError(
            f"{too_long} of {len(rendered)} {split} examples are longer than {limit} tokens "
            f"(the longest, {where}, has {longest[worst]})",
            hint="shorten them, raise train.max_tokens, or choose a base with a longer context",
        )
    if too_long:
        say(f"  {too_long} of {len(rendered)} {split} examples are longer than {limit} tokens and are left out")
    sequences = [(index, one) for index in fitting for one in rendered[index]]
    names = ["{source}:{line}".format(**examples[index].meta) for index, _ in sequences]
    weights = [examples[index].weight for index, _ in sequences]
    return TokenSet([one for _, one in sequences], weights, names, 2 if both else 1), too_long


def _conversations(task: TaskSpec, example: Example, both: bool) -> list[list[Message]]:
    """Return an example's conversation with the prompt; with ``both`` once for each answer, which alone counts."""
    return task.pair(example) if both else [task.prompt(example.messages)]


def _announce(run: Run, base: str) -> None:
    total = sum(parameter.numel() for parameter in run.loaded.model.parameters())
    peak = "tried out" if run.settings.schedule.peak == "auto" else f"{run.peak:.2g}"
    say(
        f"  {base}: {run.learning.count(run.total_steps):,} of {total:,} weights learn ({run.settings.method}) · "
        f"{run.train.num_examples:,} examples · {run.total_steps:,} steps of {run.batch_tokens:,} target tokens · "
        f"peak rate {peak} · {run.precision}"
    )
    if later := run.learning.told():
        say(f"  {run.learning.count(0):,} of them from the start; {later}")


def _result(run: Run, progress: Progress, draft: Draft, sets: Sets, search: Search | None) -> dict[str, Any]:
    best, judged = progress.best, run.judge.name if run.judge else "valid_loss"
    value = -best.value if run.judge and run.judge.higher_is_better else best.value
    return {
        "model": draft.id,
        "provider": "local",
        "objective": run.objective.name,
        "steps": progress.step,
        "batch_tokens": run.batch_tokens,
        "epochs": round(progress.step / run.epoch_steps[0], 2),
        "stopped_by": progress.stopped_by,
        "best": {"step": best.step, "metric": judged, "value": value} if best.step >= 0 else None,
        "overfitting": progress.overfitting or None,
        "tokens": {"total": progress.tokens, "target": progress.target_tokens},
        "target_tokens_per_s": round(progress.target_tokens / max(progress.seconds, 1e-9), 1),
        "seconds": round(progress.seconds, 1),
        "left_out_too_long": sets.left_out,
        "steps_left_out": sum("skipped" in row for row in progress.metrics),
        "unused_tokens": sets.unused_tokens,
        "peak_learning_rate": run.peak,
        "peak_search": search.as_dict() if search else None,
        "precision": run.precision,
    }
