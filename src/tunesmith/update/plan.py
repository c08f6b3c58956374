"""The recipe of an update: harvested feedback mixed with replayed examples, in files of their own.

Nothing held out before is ever learnt: the old validation and test rows stay what they were, and a share of the new
rows joins them. The model in production goes on from where it is, which keeps what it knows, unless it is an adapter of
another form than the recipe's. Owns the mix. Does not own training or the gate: the recipe is run like any other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tunesmith.core.errors import DataError
from tunesmith.core.ids import digest, digest_bytes
from tunesmith.core.progress import say
from tunesmith.text.examples import Example, read_examples
from tunesmith.update.harvest import Harvest, Harvested, harvest, question_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.core.store import Store
    from tunesmith.recipe import Recipe

VALID_FRAC = 0.1
"""Share of the harvested training rows that joins the validation set."""

Record = dict[str, Any]


@dataclass(frozen=True)
class PlannedUpdate:
    """Where the update's recipe is, a sentence about it, and how many rows of each kind it has."""

    recipe: Path
    summary: str
    counts: Record


def plan_update(
    recipe: Recipe, model: Artifact, store: Store, workspace: Workspace, folder: Path | None = None
) -> PlannedUpdate:
    """Write the files and the recipe of the next version under ``updates/`` of the workspace.

    Args:
        recipe: the recipe in force; its settings are kept.
        model: the one in production; the Dataset it was made from is replayed.
        store: where the feedback is.
        workspace: where to write. The same feedback gives the same folder.
        folder: what the recipe's paths are relative to; None: the current one.

    Raises:
        DataError: if no feedback teaches anything new.
    """
    dataset = workspace.get(model.parents[0])
    labels = _labels(dataset)
    found = harvest(store, recipe.name, recipe.task, labels)
    old = {split: read_examples(dataset.path / f"{split}.parquet") for split in ("train", "valid", "test")}
    _leave_out_known(found, old)
    if not any(item.corrected for item in found.rows):
        raise _nothing_new(recipe.name, found)
    parts = _parts(found.rows, recipe.update.holdout, recipe.seed)
    mixed = _mixed(old, parts, recipe)
    settings = _recipe(recipe, model, mixed, sorted({*labels, *found.new_labels}))
    _from_anywhere(settings["evaluate"], (folder or Path()).resolve())
    folder = _write(settings, mixed, workspace.root / "updates")
    counts = _counts(found, parts, mixed)
    return PlannedUpdate(folder / "recipe.yaml", _summary(found, counts), counts)


def _labels(dataset: Artifact) -> list[str]:
    file = dataset.path / "labels.json"
    return list(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else []


def _leave_out_known(found: Harvest, old: dict[str, list[Example]]) -> None:
    """Leave out questions the old Dataset holds out, and those it already answers the same way."""
    held_out = {_key(example) for split in ("valid", "test") for example in old[split]}
    learnt = {(_key(example), example.target_text) for example in old["train"]}
    rows = []
    for item in found.rows:
        if item.key in held_out:
            found.left_out["question held out already"] += 1
        elif (item.key, item.answer) in learnt:
            found.left_out["learnt already"] += 1
        else:
            rows.append(item)
    found.rows = rows


def _key(example: Example) -> str:
    return question_key(example.messages[:-1])


def _nothing_new(name: str, found: Harvest) -> DataError:
    why = ", ".join(f"{count} {reason}" for reason, count in sorted(found.left_out.items()))
    return DataError(
        f"no new correction of {name}'s answers" + (f" can be used ({why})" if why else " has come in"),
        expected="corrections sent to POST /v1/feedback",
        hint="docs/updates.md shows how; tunesmith monitor counts what came in",
    )


def _parts(rows: Sequence[Harvested], holdout: float, seed: int) -> dict[str, list[Harvested]]:
    """Split harvested rows, each answer in its share; free answers are one stratum."""
    strata: dict[str, list[Harvested]] = defaultdict(list)
    repeated = len({item.answer for item in rows}) <= len(rows) / 2
    for item in sorted(rows, key=lambda item: digest_bytes(f"{seed}\0{item.key}".encode())):
        strata[item.answer if repeated else ""].append(item)
    parts: dict[str, list[Harvested]] = {"train": [], "valid": [], "test": []}
    for own in strata.values():
        tested = min(round(len(own) * holdout), len(own) - 1)  # something of it must be learnt
        validated = round((len(own) - tested) * VALID_FRAC)
        parts["test"] += own[:tested]
        parts["valid"] += own[tested : tested + validated]
        parts["train"] += own[tested + validated :]
    return parts


def _mixed(old: dict[str, list[Example]], parts: dict[str, list[Harvested]], recipe: Recipe) -> dict[str, list[Record]]:
    """Return the records of each split: the old ones (a share of train), then the new ones."""
    overruled = {item.key for own in parts.values() for item in own}
    train = [example for example in old["train"] if _key(example) not in overruled]
    ranked = sorted(train, key=lambda example: digest_bytes(f"{recipe.seed}\0{example.row_id}".encode()))
    replayed = {example.row_id for example in ranked[: round(recipe.update.replay * len(train))]}
    kept = {**old, "train": [example for example in train if example.row_id in replayed]}
    if any(example.weight != 1 for example in kept["train"]):
        say("  weights of single examples are not replayed: every example counts as 1 in the update")
    return {split: [*map(_old_record, kept[split]), *map(_new_record, parts[split])] for split in parts}


def _old_record(example: Example) -> Record:
    record: Record = {**example.kept, "messages": example.messages}
    return {**record, "tools": example.tools} if example.tools else record


def _new_record(item: Harvested) -> Record:
    answer = {"role": "assistant", "content": item.answer}
    return {"messages": [*item.prompt, answer], "request_id": item.request_id}


def _write(settings: Record, mixed: dict[str, list[Record]], updates: Path) -> Path:
    folder = updates / f"{settings['name']}-{digest([settings, mixed])}"
    folder.mkdir(parents=True, exist_ok=True)
    for split, records in mixed.items():
        lines = (json.dumps(record, ensure_ascii=False) for record in records)
        (folder / f"{split}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    (folder / "recipe.yaml").write_text(f"# Written by tunesmith update.\n{text}", encoding="utf-8")
    return folder


def _recipe(recipe: Recipe, model: Artifact, mixed: dict[str, list[Record]], labels: list[str]) -> Record:
    """Return the update's recipe: as given, with the new files, and measured against production instead of a base."""
    given = recipe.given()
    evaluate = given.setdefault("evaluate", {})
    evaluate["baselines"] = [name for name in recipe.evaluate.baselines if name not in ("base", "prompt")]
    evaluate["gate"] = {**evaluate.get("gate", {}), "against": ["production"]}
    _keep_needed_rivals(evaluate, recipe)
    _go_on(given, recipe, model)
    kept = {key: value for key, value in given["data"].items() if key in ("clean", "dedup", "privacy", "keep")}
    data = {split: [f"{split}.jsonl"] for split, records in mixed.items() if records}
    given["data"] = {**data, "format": "openai", "split": {"valid": 0.0, "test": 0.0}, **kept}
    if recipe.task == "classify":
        given["data"]["labels"] = {"names": labels}
    return given


def _go_on(given: Record, recipe: Recipe, model: Artifact) -> None:
    """Let the next version begin where the one in production is, if the recipe's method can."""
    train = given.setdefault("train", {})
    if continued := _same_adapter(recipe, model):
        train["lora"] = {**train.get("lora", {}), "earlier": "continued"}
    if recipe.train.method == "full" or continued:
        given["base"] = model.id
        if _knows_tokens(recipe, model):
            train.pop("tokens", None)


def _same_adapter(recipe: Recipe, model: Artifact) -> bool:
    """Tell whether the one in production is an adapter such as the recipe would make, so that it can learn on."""
    train, made = recipe.train, model.manifest["config"].get("train", {})
    form = train.lora.model_dump(mode="json", exclude={"dropout", "earlier"})
    same = {"method": train.method, "save": train.save, **form}
    was = {"method": made.get("method"), "save": made.get("save"), **made.get("lora", {})}
    return (
        train.method in ("lora", "dora")
        and train.save == "adapter"
        and train.freeze is None
        and all(was.get(name) == value for name, value in same.items())
        and _knows_tokens(recipe, model)
    )


def _knows_tokens(recipe: Recipe, model: Artifact) -> bool:
    """Tell whether the model in production has the tokens that the recipe adds."""
    file = model.path / "model" / "tokenizer.json"
    if recipe.train.tokens is None or not file.is_file():
        return recipe.train.tokens is None
    added = {one["content"] for one in json.loads(file.read_text(encoding="utf-8")).get("added_tokens", [])}
    return added.issuperset(recipe.train.tokens.add)


def _keep_needed_rivals(evaluate: Record, recipe: Recipe) -> None:
    """Ask only those services anew that a rule of the gate or the judge compares with: each question costs."""
    gate, judge = recipe.evaluate.gate, recipe.evaluate.judge
    needed = {who for rule in gate.metrics.values() for who in (*rule.over, *rule.kept_to)}
    needed.update(judge.against if judge else ())
    if kept := {name: rival for name, rival in evaluate.pop("rivals", {}).items() if name in needed}:
        evaluate["rivals"] = kept


def _from_anywhere(evaluate: Record, folder: Path) -> None:
    """Write the paths of graders and functions in full: the update's recipe lies in another folder."""
    if evaluate.get("graders_file"):
        evaluate["graders_file"] = str(folder / evaluate["graders_file"])
    if "functions" in evaluate:
        evaluate["functions"] = {name: str(folder / place) for name, place in evaluate["functions"].items()}


def _counts(found: Harvest, parts: dict[str, list[Harvested]], mixed: dict[str, list[Record]]) -> Record:
    corrections = sum(item.corrected for item in found.rows)
    return {
        "corrections": corrections,
        "confirmations": len(found.rows) - corrections,
        "new_labels": found.new_labels,
        "rare_labels": found.rare_labels,
        "left_out": dict(found.left_out),
        "harvested": {split: len(own) for split, own in parts.items()},
        "rows": {split: len(records) for split, records in mixed.items()},
    }


def _summary(found: Harvest, counts: Record) -> str:
    told = f"{counts['corrections']} corrections and {counts['confirmations']} confirmations"
    if found.new_labels:
        told += f", new: {', '.join(found.new_labels)}"
    if found.rare_labels:
        told += f", left out as too rare: {', '.join(found.rare_labels)}"
    harvested, rows = counts["harvested"], counts["rows"]
    told += f" · {harvested['train']} of them to learn from, {harvested['test']} held out for the test"
    return told + f" · {rows['train'] - harvested['train']:,} earlier examples replayed"
