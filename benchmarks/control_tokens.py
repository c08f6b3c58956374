"""Is a control token obeyed? Three added tokens say how an intent of BANKING77 is to be written, on held-out messages.

Run: ``python benchmarks/control_tokens.py``. Needs ../shared/data. Writes benchmarks/results/control_tokens.json: for each
seed, how many of 600 held-out messages are answered in the form their token asks for, and how many with the right intent.
The tokens alone (`method: tokens`) show what their rows can do while all other weights of nano stay as they are.
"""

from __future__ import annotations

import csv
import json
import random
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tunesmith.core.artifacts import Workspace
from tunesmith.core.estimates import wilson
from tunesmith.data.prepare import prepare
from tunesmith.models.generate import Decoding, generate
from tunesmith.models.load import load_model
from tunesmith.recipe import Recipe
from tunesmith.text.chat import prompt_ids
from tunesmith.train.stage import train

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "banking77"
TRAIN_ROWS, HELD_ROWS, SEEDS, EPOCHS = 3_000, 600, (0, 1, 2), 3

FORMS = {
    "<|json|>": (lambda intent: json.dumps({"intent": intent}), r'\{"intent": "[a-zA-Z_?]+"\}'),
    "<|name|>": (lambda intent: intent, r"[a-zA-Z?]+(_[a-zA-Z?]+)*"),
    "<|words|>": (lambda intent: intent.replace("_", " ") + ".", r"[a-zA-Z?]+( [a-zA-Z?]+)*\."),
}
MEANINGS = {"<|json|>": "as a JSON object", "<|name|>": "name of the intent", "<|words|>": "in plain words"}


def rows_of(file: str, count: int, seed: int) -> list[dict[str, str]]:
    """Return messages, each with a token drawn for it and the answer in the token's form."""
    drawn = random.Random(seed)
    with (DATA / file).open(encoding="utf-8", newline="") as lines:
        rows = drawn.sample(list(csv.DictReader(lines)), count)
    tokens = drawn.choices(list(FORMS), k=count)
    return [
        {"prompt": f"{token} {row['text']}", "answer": FORMS[token][0](row["category"]), "token": token,
         "intent": row["category"]}
        for row, token in zip(rows, tokens, strict=True)
    ]  # fmt: skip


def recipe(folder: Path, method: str, seed: int) -> Recipe:
    """Return the recipe of one run on nano."""
    return Recipe.model_validate({
        "name": "control", "task": "chat", "seed": seed,
        "data": {"train": str(folder / "train.jsonl"), "columns": {"input": "prompt", "target": "answer"},
                 "split": {"valid": 0.05, "test": 0}},
        "train": {"method": method, "epochs": EPOCHS, "tokens": {"add": MEANINGS}},
    })  # fmt: skip


def run(method: str, seed: int) -> dict:
    """Train on messages with tokens and answer held-out ones."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [
            json.dumps({key: row[key] for key in ("prompt", "answer")})
            for row in rows_of("train.csv", TRAIN_ROWS, seed)
        ]
        (folder / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
        chosen, workspace = recipe(folder, method, seed), Workspace(folder / "home")
        model = train(chosen, prepare(chosen, workspace, recipe_dir=folder), workspace)
        loaded = load_model(model.path / "model")
        held = rows_of("test.csv", HELD_ROWS, seed)
        prompts = [prompt_ids(loaded.tokenizer, [{"role": "user", "content": row["prompt"]}]) for row in held]
        answers = [
            loaded.tokenizer.decode(one, skip_special_tokens=True) for one in generate(loaded, prompts, Decoding(48))
        ]
    obeyed = [bool(re.fullmatch(FORMS[row["token"]][1], answer)) for row, answer in zip(held, answers, strict=True)]
    right = [answer == row["answer"] for row, answer in zip(held, answers, strict=True)]
    return {
        "method": method, "seed": seed, "steps": model.result["steps"],
        "obeyed": wilson(sum(obeyed), HELD_ROWS).as_dict(), "right_intent_and_form": wilson(sum(right), HELD_ROWS).as_dict(),
        "not_obeyed": [[row["prompt"], answer] for row, answer, good in zip(held, answers, obeyed, strict=True) if not good][:5],
    }  # fmt: skip


def main() -> None:
    runs = [run(method, seed) for method in ("lora", "full", "tokens") for seed in SEEDS]
    result = {"date": datetime.now(UTC).date().isoformat(), "train_rows": TRAIN_ROWS, "forms": MEANINGS, "runs": runs}
    (ROOT / "benchmarks" / "results" / "control_tokens.json").write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
