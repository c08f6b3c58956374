"""Retention: what the base knew and the tuned model forgot, asked outside of the task.

Two parts: how well general texts are predicted, and questions of general knowledge whose answer is chosen among four
by its probability. Neither needs the model to write, so a small one shows what it knows as well.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.estimates import wilson
from tunesmith.core.progress import say
from tunesmith.evaluate.answers import rendered
from tunesmith.evaluate.metric import Metric, share
from tunesmith.evaluate.suites.findings import Details, Findings
from tunesmith.evaluate.suites.items import items
from tunesmith.evaluate.suites.system import BASE, TUNED
from tunesmith.evaluate.values import bits_per_byte, perplexity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.suites.material import Material
    from tunesmith.evaluate.suites.system import Record, System

NAME = "retention"
LOST_SHOWN = 20

BITS = Metric(
    "general_bits_per_byte", "bits for a byte of general texts", bits_per_byte, higher_is_better=False, is_share=False,
    suite=NAME, margin=0.03,
)  # fmt: skip
"""A tenth of perplexity a token, at four bytes a token, is 0.03 bits a byte."""

PERPLEXITY = Metric(
    "general_perplexity", "exp of the nats per token of general texts", perplexity, higher_is_better=False,
    is_share=False, suite=NAME,
)  # fmt: skip

SKILLS = Metric(
    "general_skills", "share of general questions whose right answer is the most probable of four", share("skilled"),
    "skilled", suite=NAME, margin=0.1,
)  # fmt: skip

METRICS = (BITS, PERPLEXITY, SKILLS)


def ask(system: System, _material: Material) -> Record:
    """Return what the model makes of the texts and which answer it finds most probable, asked plainly."""
    say(f"  retention: {len(items('texts'))} texts and {len(items('skills'))} questions read by {system.name}")
    return {"texts": _texts(system), "choices": _choices(system.plain)}


def look(records: Mapping[str, Record], material: Material) -> Findings:
    """Return what was forgotten: the tuned model beside the others on the same texts and questions."""
    texts, skills = items("texts"), items("skills")
    rows = len(texts) + len(skills)
    found = Findings(NAME, rows, (len(texts) + sum(map(len, map(_options, skills)))) * len(records))
    found.add([BITS, PERPLEXITY], {who: _text_columns(one) for who, one in records.items()}, material.seed)
    chosen = {who: _skill_columns(one) for who, one in records.items()}
    found.add([SKILLS], chosen, material.seed)
    found.levels = {BITS.name: _bits_of_bytes([one["text"] for one in texts]), SKILLS.name: _by_chance()}
    if BASE in chosen:
        found.details = [*_areas(chosen), *_lost(chosen, records)]
    return found


def _texts(system: System) -> list[tuple[float, int]]:
    """Return nats and tokens of every text, read behind the token that begins or ends one (as lm-eval does)."""
    from tunesmith.models.score import nll

    tokenizer = system.loaded.tokenizer
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    ids = [[int(first or 0), *tokenizer.encode(one["text"], add_special_tokens=False)] for one in items("texts")]
    targets = [[False] + [True] * (len(one) - 1) for one in ids]
    return [(one.nats, one.num_targets) for one in nll(system.loaded, ids, targets, precision=system.precision)]


def _choices(system: System) -> list[list[float]]:
    """Return the nats of every answer to every question; the right one is the first."""
    from tunesmith.models.score import nll

    pairs = [
        rendered(system.loaded, [{"role": "user", "content": one["question"]}], {"role": "assistant", "content": text})
        for one in items("skills")
        for text in _options(one)
    ]
    ids, targets = [ids for ids, _ in pairs], [targets for _, targets in pairs]
    nats = iter([one.nats for one in nll(system.loaded, ids, targets, precision=system.precision)])
    return [[next(nats) for _ in _options(one)] for one in items("skills")]


def _options(item: dict[str, object]) -> list[str]:
    wrong = item["wrong"]
    assert isinstance(wrong, list)
    return [str(item["right"]), *wrong]


def _text_columns(record: Record) -> Columns:
    read = np.array(record["texts"], dtype=np.float64)
    size = np.array([len(one["text"].encode()) for one in items("texts")])
    return {"nats": read[:, 0], "tokens": read[:, 1], "bytes": size}


def _skill_columns(record: Record) -> Columns:
    nats = [np.array(one) for one in record["choices"]]
    return {
        "nats": np.array([one[0] for one in nats]),
        "skilled": np.array([bool(one[0] < one[1:].min()) for one in nats], dtype=bool),
    }


def _by_chance() -> float:
    return float(np.mean([1 / len(_options(one)) for one in items("skills")]))


def _bits_of_bytes(texts: list[str]) -> float:
    """Return the bits a byte takes for one that knows how frequent bytes are and nothing else."""
    counts = Counter("".join(texts).encode())
    total = counts.total()
    return -sum(count / total * math.log2(count / total) for count in counts.values())


def _areas(chosen: Mapping[str, Columns]) -> list[Details]:
    """Return by area what the base knew and what is left, the greatest loss first."""
    rows = []
    areas = np.array([one["area"] for one in items("skills")])
    for area in dict.fromkeys(areas.tolist()):
        here = areas == area
        before, after = chosen[BASE]["skilled"][here], chosen[TUNED]["skilled"][here]
        known = wilson(int(after.sum()), len(after))
        shown = f"{known.value:.2f} [{known.low:.2f}, {known.high:.2f}]"
        lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
        rows.append([area, f"{before.mean():.2f}", shown, lost, gained, int(here.sum())])
    rows.sort(key=lambda row: (row[4] - row[3], row[0]))
    header = ["area", "base", "tuned", "forgotten", "learnt", "questions"]
    return [Details("General questions by area, greatest loss first", header, rows, numeric_from=1)]


def _lost(chosen: Mapping[str, Columns], records: Mapping[str, Record]) -> list[Details]:
    """Return questions that the base answered right and the tuned model does not."""
    lost = np.flatnonzero(chosen[BASE]["skilled"] & ~chosen[TUNED]["skilled"])
    rows = []
    for place in lost[:LOST_SHOWN].tolist():
        one = items("skills")[place]
        now = _options(one)[int(np.argmin(records[TUNED]["choices"][place]))]
        rows.append([one["question"], one["right"], now])
    if not rows:
        return []
    of = f": {len(rows)} of {len(lost)}" if len(lost) > len(rows) else ""
    return [Details(f"Forgotten answers{of}", ["question", "right answer", "now more probable"], rows)]
