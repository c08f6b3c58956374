"""Is the judge code right? Scripted judges of known bias and noise on llmbar.

Run: ``python benchmarks/judge.py``. Needs ../shared/data. Writes benchmarks/results/judge.json.

- over HTTP: a real server that speaks OpenAI's protocol prefers llmbar's better answer with chance 0.75 + bias where it
  stands first and 0.75 - bias where it stands second; three answers to each question. The bias measured, the win rate
  of both orders, and that of one order alone.
- coverage: many judges of the same kind, in this process, whose rows differ. How often the intervals hold the truth; beside
  it an interval that takes every answer of the judge for a row of its own (Wilson over all answers).
- people: judges that agree with llmbar's labels with some chance. Kappa, and how often a judge of no skill is trusted.
"""

from __future__ import annotations

import json
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from near_duplicates import ROOT, machine
from tunesmith.core.artifacts import Workspace
from tunesmith.core.estimates import wilson
from tunesmith.evaluate.judge.pairs import Contest, Pair, compare_pairs
from tunesmith.evaluate.judge.people import with_people
from tunesmith.providers.asker import Asker
from tunesmith.providers.cache import ReplyCache
from tunesmith.providers.chat import ChatRequest, Reply, connect
from tunesmith.recipe.judge import Judge, Pairwise
from tunesmith.text.examples import Example

sys.path.append(str(ROOT / "tests"))
from judges import answers_in, biased, judging

DATA = ROOT.parent / "shared" / "data" / "llmbar"
RESULT = ROOT / "benchmarks" / "results" / "judge.json"
RIGHT, SAMPLES = 0.75, 3
BIASES = (0.0, 0.05, 0.12, 0.2, -0.15)
SPREAD = 0.2
"""Of the rows' own chances around RIGHT, uniform: to either side."""
JUDGES = 600
SKILLS = (0.5, 0.7, 0.9)
"""Chance that a judge says what llmbar's label says."""


class Scripted:
    """A judge without a network: each row's chance is its own, drawn anew with each judge."""

    endpoint = "scripted"

    def __init__(self, better: Sequence[str], *, right: float, spread: float, bias: float, seed: int) -> None:
        self.generator = random.Random(seed)
        self.chance = {text: right + self.generator.uniform(-spread, spread) for text in better}
        self.bias = bias

    def identity(self, model: str) -> str:
        return model

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Reply]]:
        for place, request in enumerate(requests):
            first, second = answers_in(request.messages[1]["content"])
            luck = self.generator.random()
            if first in self.chance:
                said = 1 if luck < self.chance[first] + self.bias else 2
            else:
                said = 2 if luck < self.chance[second] - self.bias else 1
            yield place, Reply(f"Better: {said}")

    def close(self) -> None:
        pass


def main() -> None:
    rows = [row for name in ("base_10", "normal") for row in json.loads((DATA / f"{name}.json").read_text("utf-8"))]
    rows = list({(row["input"], *sorted([row["output_1"], row["output_2"]])): row for row in rows}.values())
    pairs = [Pair(row["input"], row[f"output_{row['label']}"], row[f"output_{3 - row['label']}"]) for row in rows]
    result = {
        "machine": machine(), "python": platform.python_version(), "pairs": len(pairs), "right": RIGHT,
        "samples": SAMPLES, "over_http": [over_http(pairs, bias) for bias in BIASES],
        "coverage": [coverage(pairs, samples) for samples in (1, SAMPLES)],
        "people": [people(rows, skill) for skill in SKILLS],
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def over_http(pairs: Sequence[Pair], bias: float) -> dict[str, Any]:
    better = {pair.ours for pair in pairs}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, judging(biased(better, right=RIGHT, bias=bias, seed=1)) as served:
        judge = Judge(model="scripted", base_url=served.url, samples=SAMPLES, pairwise=Pairwise())
        with Asker(connect(judge, Workspace(Path(folder))), ReplyCache(Path(folder))) as asker:
            contest = compare_pairs(asker, judge, Pairwise(), pairs, "judge")
        calls = len(served.asked)
    found, rate = contest.position_bias(), contest.win_rate()
    return {
        "bias": bias, "measured": found.as_dict(), "held": found.low <= bias <= found.high,
        "win_rate": rate.as_dict(), "win_rate_held": rate.low <= RIGHT <= rate.high,
        "win_rate_of_one_order": float(contest.ours_first.mean()), "calls": calls,
        "seconds": round(time.perf_counter() - started, 2),
    }  # fmt: skip


def contest_of(pairs: Sequence[Pair], samples: int, seed: int, bias: float) -> Contest:
    judge = Judge(model="scripted", base_url="http://none/v1", samples=samples, pairwise=Pairwise())
    scripted = Scripted([pair.ours for pair in pairs], right=RIGHT, spread=SPREAD, bias=bias, seed=seed)
    with tempfile.TemporaryDirectory() as folder, Asker(scripted, ReplyCache(Path(folder))) as asker:
        return compare_pairs(asker, judge, Pairwise(), pairs, "judge")


def coverage(pairs: Sequence[Pair], samples: int) -> dict[str, Any]:
    bias = 0.05  # with the rows' spread no chance leaves 0 to 1, so that the truth is the bias itself
    contests = [contest_of(pairs, samples, seed, bias) for seed in range(JUDGES)]
    rates = [one.win_rate(seed) for seed, one in enumerate(contests)]
    biases = [one.position_bias(seed) for seed, one in enumerate(contests)]
    answers = len(pairs) * 2 * samples
    naive = [wilson(round(one.value * answers), answers) for one in rates]
    return {
        "judges": JUDGES, "samples": samples, "bias": bias,
        "win_rate_held": statistics.mean(one.low <= RIGHT <= one.high for one in rates),
        "win_rate_mean": statistics.mean(one.value for one in rates),
        "bias_held": statistics.mean(one.low <= bias <= one.high for one in biases),
        "bias_mean": statistics.mean(one.value for one in biases),
        "held_if_every_answer_were_a_row": statistics.mean(one.low <= RIGHT <= one.high for one in naive),
        "half_width": statistics.mean((one.high - one.low) / 2 for one in rates),
    }  # fmt: skip


def people(rows: Sequence[dict[str, Any]], skill: float) -> dict[str, Any]:
    human = {"pair": ("output_1", "output_2"), "preferred": "label"}
    judge = Judge(model="scripted", base_url="http://none/v1", samples=SAMPLES, pairwise=Pairwise(), human=human)
    turns = [[{"role": "user", "content": row["input"]}, {"role": "assistant", "content": ""}] for row in rows]
    examples = [Example(turn, row_id=str(n), kept=row) for n, (turn, row) in enumerate(zip(turns, rows, strict=True))]
    better = [row[f"output_{row['label']}"] for row in rows]
    found = []
    for seed in range(JUDGES // 6):
        scripted = Scripted(better, right=skill, spread=0.0, bias=0.1, seed=seed)
        with tempfile.TemporaryDirectory() as folder, Asker(scripted, ReplyCache(Path(folder))) as asker:
            found.append(with_people(asker, judge, examples, seed)["judge_win_rate"])
    return {
        "chance_to_agree": skill, "judges": len(found), "agreement": statistics.mean(one.agreement.value for one in found),
        "kappa": statistics.mean(one.kappa.value for one in found),
        "kappa_of_the_first": found[0].kappa.as_dict(), "trusted": statistics.mean(one.usable for one in found),
    }  # fmt: skip


if __name__ == "__main__":
    main()
