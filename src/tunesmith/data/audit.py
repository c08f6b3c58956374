"""The recipe's rules measured on the user's own data: known defects are planted in a copy, and those found are counted.

Owns the defects, where they are planted, and the recall and false alarms of each rule. Does not own any rule: the copy
goes through the same reading and deciding as the data did. Nothing of the Dataset changes.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tunesmith.core.errors import DataError
from tunesmith.core.estimates import wilson
from tunesmith.data.decide import decide
from tunesmith.data.gather import gather
from tunesmith.data.index import Index
from tunesmith.data.read.sources import Source
from tunesmith.data.restore import Restored
from tunesmith.data.rowwise import RowWorker
from tunesmith.text.examples import read_examples, text_of

if TYPE_CHECKING:
    from tunesmith.core.artifacts import Artifact
    from tunesmith.recipe import Recipe

MOST_ROWS = 4_000
PLANTED = 25
"""Defects of each kind: a recall of 1.0 is then known to within 0.13."""

FEWEST_ROWS = 200

Pair = tuple[str, str]
"""A question and its answer."""

Spoil = Callable[[Pair, random.Random], Pair | None]


@dataclass(frozen=True)
class Defect:
    """A kind of defect: the rules meant for it, how it is made, and whether it spoils the answer."""

    name: str
    rules: tuple[str, ...]
    spoil: Spoil
    of_answer: bool = False
    is_copy: bool = False


def _in_question(change: Callable[[str, random.Random], str | None]) -> Spoil:
    def spoil(pair: Pair, chance: random.Random) -> Pair | None:
        changed = change(pair[0], chance)
        return None if changed is None or changed == pair[0] else (changed, pair[1])

    return spoil


def _in_answer(change: Callable[[Pair, random.Random], str | None]) -> Spoil:
    def spoil(pair: Pair, chance: random.Random) -> Pair | None:
        changed = change(pair, chance)
        return None if changed is None or changed == pair[1] else (pair[0], changed)

    return spoil


def _recased(text: str, chance: random.Random) -> str:
    return text.upper() if chance.random() < 0.5 else text.lower().replace(" ", "  ")


def _one_word_changed(text: str, chance: random.Random) -> str | None:
    words = text.split(" ")
    if len(words) < 30:
        return None
    words[len(words) // 2] = chance.choice(["perhaps", "clearly", "often", "rather"])
    return " ".join(words)


def _mojibake(text: str, chance: random.Random) -> str:
    words = chance.choice(["café", "naïve façade", "Zürich — yes", "it’s"])
    return f"{text} {words}".encode().decode("cp1252", "replace")


def _html(text: str, chance: random.Random) -> str:
    return chance.choice([f"<p>{text}</p>", f"{text}<br><br/>", f"<div class='x'>{text}&nbsp;</div>"])


def _control(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(["\u200b", "\x07", "\ufeff", "\x1b"]) + text[at:]


def _email(text: str, chance: random.Random) -> str:
    name = chance.choice(["maria.lopez", "j.smith42", "tom_b"])
    return f"{text} {name}@{chance.choice(['mailbox.org', 'corp.example.com'])}"


def _card(text: str, chance: random.Random) -> str:
    return f"{text} {chance.choice(['4111 1111 1111 1111', '5500 0055 5555 5559', '3782 822463 10005'])}"


def _looped(pair: Pair, chance: random.Random) -> str | None:
    words = pair[1].split()
    return " ".join([*words[:12], *(words[8:12] * 12)]) if len(words) >= 12 else None


def _cut(pair: Pair, chance: random.Random) -> str | None:
    words = pair[1].split()
    return " ".join(words[: len(words) * 2 // 3]).rstrip(".,;:!?") + " the" if len(words) >= 20 else None


def _nothing(pair: Pair, chance: random.Random) -> str:
    return chance.choice(["N/A", "<no output>", "TODO", "[No answer provided]"])


def _disclaimer(pair: Pair, chance: random.Random) -> str:
    return f"As an AI language model, I do not have personal opinions. {pair[1]}"


def _echoed(pair: Pair, chance: random.Random) -> str | None:
    return pair[0] if len(pair[0].split()) >= 5 else None


def _other_answer(pair: Pair, chance: random.Random) -> str:
    return f"No, {chance.choice(['it is the other way round', 'that is wrong', 'there is none'])} in this case 7 times."


DEFECTS = (
    Defect("copy in other case or spacing", ("duplicate", "near_duplicate"), _in_question(_recased), is_copy=True),
    Defect("copy with one word changed", ("near_duplicate",), _in_question(_one_word_changed), is_copy=True),
    Defect("broken encoding", ("encoding",), _in_question(_mojibake)),
    Defect("HTML of a web form", ("html",), _in_question(_html)),
    Defect("control characters", ("control",), _in_question(_control)),
    Defect("e-mail address", ("pii",), _in_question(_email)),
    Defect("card number", ("pii",), _in_question(_card)),
    Defect("words in a loop", ("repetition",), _in_answer(_looped), of_answer=True),
    Defect("answer cut off", ("truncated",), _in_answer(_cut), of_answer=True),
    Defect("no answer", ("no_answer", "empty_answer"), _in_answer(_nothing), of_answer=True),
    Defect("words of another assistant", ("ai_disclaimer",), _in_answer(_disclaimer), of_answer=True),
    Defect("question as answer", ("echo",), _in_answer(_echoed), of_answer=True),
    Defect(
        "another answer to the same question", ("conflict",), _in_answer(_other_answer), of_answer=True, is_copy=True
    ),
)


@dataclass(frozen=True)
class _Planted:
    rows: list[Pair]
    kinds: list[str]
    skipped: list[str]


def audit(recipe: Recipe, dataset: Artifact) -> dict[str, Any]:
    """Return, for each kind of defect, how many were planted and found, and what the rules took from sound rows.

    Raises:
        DataError: if the Dataset has too few rows to plant anything in.
    """
    pairs = [
        (example.input_text, text_of(example.messages[-1]))
        for example in read_examples(dataset.path / "train.parquet")
        if example.input_text and isinstance(example.messages[-1].get("content"), str)
    ]
    if len(pairs) < FEWEST_ROWS:
        raise DataError(
            f"{dataset.id}: {len(pairs):,} questions with an answer are too few to plant defects in",
            expected=f"at least {FEWEST_ROWS} rows in train",
        )
    planted = _plant(pairs, recipe.task, recipe.seed)
    hits = _hits(recipe, planted.rows)
    return _counts(planted, hits)


def _plant(pairs: list[Pair], task: str, seed: int) -> _Planted:
    """Spoil rows at random, each by one kind: a copy joins its original, anything else takes its place."""
    chance = random.Random(seed)
    pairs = chance.sample(pairs, min(len(pairs), MOST_ROWS))
    defects = [one for one in DEFECTS if task in ("chat", "preference") or not one.of_answer]
    order = chance.sample(range(len(pairs)), len(pairs))
    each = min(PLANTED, len(pairs) // (2 * len(defects)))
    rows, kinds = list(pairs), [""] * len(pairs)
    skipped = []
    for defect in defects:
        done = 0
        for at in list(order):
            if done == each:
                break
            spoilt = defect.spoil(pairs[at], chance)
            if spoilt is None:
                continue
            order.remove(at)
            done += 1
            if defect.is_copy:
                rows.append(spoilt)
                kinds.append(defect.name)
            else:
                rows[at], kinds[at] = spoilt, defect.name
        if not done:
            skipped.append(defect.name)
    return _Planted(rows, kinds, skipped)


def _hits(recipe: Recipe, rows: list[Pair]) -> dict[int, set[str]]:
    """Return the rules that took, changed or flagged each row (numbered from 1) of a copy of the data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "planted.jsonl"
        with file.open("w", encoding="utf-8") as out:
            for question, answer in rows:
                messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
                out.write(json.dumps({"messages": messages}) + "\n")
        copy = _for_copy(recipe, file)
        sources = {"train": [Source("planted.jsonl", file)]}
        gathered = gather(RowWorker(copy, Restored(), None), sources, Index(folder / "index"), folder)
        decided = decide(copy, gathered, Restored(), folder)
        later = [
            {"row_id": gathered.frame["row_id"][row], "rule": rule} for row, (rule, _) in decided.fates.removed.items()
        ]
        later += [{"row_id": one.row_id, "rule": one.rule} for one in decided.fates.flagged]
        lines = (
            pl.concat([gathered.rows(), gathered.removed().lazy()], how="diagonal").select("row_id", "line").collect()
        )
        found = pl.concat(
            [
                gathered.repairs().select("row_id", "rule").collect(),
                gathered.removed().select("row_id", "rule"),
                pl.DataFrame(later, schema={"row_id": pl.String, "rule": pl.String}),
            ]
        ).join(lines, on="row_id")
    hits: dict[int, set[str]] = {}
    for line, rule in found.select("line", "rule").iter_rows():
        hits.setdefault(line, set()).add(rule)
    return hits


def _for_copy(recipe: Recipe, file: Path) -> Recipe:
    """Return the recipe for the copy: the same rules about rows, on a file of chats of its own."""
    nothing = dict.fromkeys(("columns", "relevance", "balance", "size"))
    files = {"train": [str(file)], "valid": [], "test": [], "decontaminate": []}
    data = recipe.data.model_copy(update={**nothing, **files, "format": "openai"})
    names = data.labels.model_copy(update={"fix": "off"})
    split = data.split.model_copy(update={"group_by": None})
    return recipe.model_copy(update={"data": data.model_copy(update={"labels": names, "split": split})})


def _counts(planted: _Planted, hits: dict[int, set[str]]) -> dict[str, Any]:
    kinds = []
    sound = [line for line, kind in enumerate(planted.kinds, 1) if not kind]
    for defect in DEFECTS:
        lines = [line for line, kind in enumerate(planted.kinds, 1) if kind == defect.name]
        if not lines:
            continue
        found = sum(bool(hits.get(line, set()) & set(defect.rules)) for line in lines)
        taken = sum(bool(hits.get(line, set()) & set(defect.rules)) for line in sound)
        recall = wilson(found, len(lines)).as_dict()
        alarms = wilson(taken, len(sound)).as_dict()
        kinds.append(
            {"defect": defect.name, "rules": list(defect.rules), "recall": recall, "also_on_sound_rows": alarms}
        )
    return {"rows": len(planted.rows), "sound_rows": len(sound), "kinds": kinds, "not_planted": planted.skipped}
