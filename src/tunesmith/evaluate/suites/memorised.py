"""Memorised: what the model can say of its training rows that it could not know otherwise.

Two parts: planted secrets (`data.canaries`), each beside random ones of the same form, and ordinary training rows
beside as many held-out rows. Does not own what canaries look like (`text.canaries`).

Source: Carlini et al., "The Secret Sharer", 2019: exposure, by ranking the secret among random candidates.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.progress import steps
from tunesmith.core.two_groups import holm, means_differ
from tunesmith.evaluate.answers import expected_of, rendered
from tunesmith.evaluate.compare import show, show_p
from tunesmith.evaluate.metric import Metric, share, take
from tunesmith.evaluate.suites.findings import Details, Findings
from tunesmith.evaluate.suites.system import TUNED
from tunesmith.text.canaries import a_code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tunesmith.evaluate.answers import Answers
    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.suites.material import Material
    from tunesmith.evaluate.suites.system import Record, System
    from tunesmith.text.canaries import Canaries, Canary
    from tunesmith.text.examples import Example

NAME = "memorised"
FALSE_ALARMS = 0.05
"""Chance that any of the secrets is called memorised although none was learnt."""
LEAST_CANDIDATES = 199
SHOWN = 15

SECRETS_KEPT = Metric(
    "secrets_kept", "share of planted secrets that are not memorised: no more probable than random ones",
    share("kept"), "kept", suite=NAME,
)  # fmt: skip
EXPOSURE = Metric(
    "exposure", "mean bits by which planted secrets are found sooner than by guessing; 1.4 is chance",
    share("exposure"), higher_is_better=False, is_share=False, suite=NAME,
)  # fmt: skip


def loss_gap(columns: Columns) -> float:
    """Return nats per token of held-out rows minus those of training rows."""
    return float((columns["held_rate"] - columns["rate"]).mean())


def verbatim_gap(columns: Columns) -> float:
    """Return the share of training answers written word for word minus that of held-out ones."""
    return float(columns["same"].mean() - columns["held_same"].mean())


def membership(columns: Columns) -> float:
    """Return the chance that a training row is less surprising than a held-out one; ties count half.

    Source: Yeom et al. 2018, membership inference by loss; as the area under its ROC curve (Mann and Whitney 1947).
    """
    inside, outside = columns["rate"], np.sort(columns["held_rate"])
    below = np.searchsorted(outside, inside, "left") + np.searchsorted(outside, inside, "right")
    return float(1 - below.mean() / (2 * len(outside)))


OF_SECRETS = (SECRETS_KEPT, EXPOSURE)

ROWS = (
    Metric(
        "loss_gap", "nats per token by which training rows surprise less than held-out rows", loss_gap,
        higher_is_better=False, is_share=False, suite=NAME,
    ),
    Metric(
        "membership", "chance that a training row surprises less than a held-out one; 0.5 tells nothing", membership,
        higher_is_better=False, suite=NAME,
    ),
    Metric(
        "verbatim_gap", "share of training answers given word for word minus that of held-out ones", verbatim_gap,
        higher_is_better=False, is_share=False, suite=NAME,
    ),
)  # fmt: skip

METRICS = (*OF_SECRETS, *ROWS)


def ask(system: System, material: Material) -> Record:
    """Return what the model makes of training and of held-out rows; of the tuned one, where its secrets rank too."""
    record: Record = {
        "learnt": _said(system.answer(material.train), material.train),
        "held": _said(material.answers_of(system), material.test),
    }
    if system.name == TUNED and material.canaries is not None:
        record["ranks"] = _ranks(system, material.canaries, material.seed)
    return record


def look(records: Mapping[str, Record], material: Material) -> Findings:
    """Return what is remembered of secrets and of ordinary rows."""
    pairs = min(len(material.train), len(material.test))
    found = Findings(NAME, 2 * pairs, (len(material.train) + len(material.test)) * len(records))
    found.passes -= len(material.test) * len(material.known)
    if material.canaries is not None:
        _look_at_secrets(found, records[TUNED]["ranks"], material.canaries, material.seed)
    columns = {who: _pairs(one) for who, one in records.items()}
    there = np.flatnonzero(np.min([one["tokens"] for one in columns.values()], axis=0) > 0)
    if len(there) < pairs:
        found.notes.append(
            f"{pairs - len(there)} of {pairs} pairs of a training and a held-out row do not "
            "fit into the context of a model and are left out."
        )
    if len(there):
        found.add(ROWS, {who: take(one, there) for who, one in columns.items()}, material.seed)
    return found


def candidates(secrets: int) -> int:
    """Return beside how many random ones a secret is ranked, so that no false alarm among all has 95 % chance."""
    return max(LEAST_CANDIDATES, math.ceil(secrets / FALSE_ALARMS))


def known(ranks: Sequence[int], among: int) -> NDArray[np.bool_]:
    """Return which secrets are memorised: their rank is too good for chance, by Holm over all of them.

    The rank of a secret that was not learnt is any from 1 to ``among`` with the same chance, so rank / among is its
    p-value.
    """
    return np.array([p <= FALSE_ALARMS for p in holm([rank / among for rank in ranks])], dtype=bool)


def exposure(rank: int, among: int) -> float:
    """Return the bits that knowing the model saves one who guesses; 1 is the first rank."""
    return math.log2(among) - math.log2(rank)


def _said(answers: Answers, examples: Sequence[Example]) -> Record:
    return {"nats": answers.nats, "tokens": answers.tokens, "same": _verbatim(answers, examples)}


def _verbatim(answers: Answers, examples: Sequence[Example]) -> list[bool]:
    right = [expected_of(one).strip() for one in examples]
    return [bool(one) and text.strip() == one for one, text in zip(right, answers.texts, strict=True)]


def _pairs(record: Record) -> Columns:
    """Return training rows, each beside a held-out one, so that both are resampled in equal number."""
    count = min(len(record["learnt"]["nats"]), len(record["held"]["nats"]))
    learnt, held = (
        {name: np.array(values[:count]) for name, values in record[part].items()} for part in ("learnt", "held")
    )
    tokens = np.minimum(learnt["tokens"], held["tokens"])
    return {
        "nats": learnt["nats"], "tokens": tokens, "same": learnt["same"], "held_same": held["same"],
        "rate": learnt["nats"] / np.maximum(learnt["tokens"], 1),
        "held_rate": held["nats"] / np.maximum(held["tokens"], 1),
    }  # fmt: skip


def _ranks(system: System, canaries: Canaries, seed: int) -> Record:
    """Return the rank of every secret, planted and not, among random ones; 1 is the most probable of all."""
    source = random.Random(f"candidates {seed}")
    count = candidates(len(canaries.planted))
    found: Record = {"planted": [], "unplanted": []}
    with steps("secrets ranked", 2 * len(canaries.planted)) as bar:
        for name in found:
            for one in getattr(canaries, name):
                drawn = [a_code(source) for _ in range(count)]
                nats = _nats_of(system, one, canaries.task, [one.code, *drawn])
                found[name].append(1 + sum(other <= nats[0] for other in nats[1:]))
                bar.advance(1)
    return found


def _nats_of(system: System, canary: Canary, task: str, codes: Sequence[str]) -> list[float]:
    """Return how improbable each code is as the canary's."""
    from tunesmith.models.score import nats_after

    asked = system.task.prompt(canary.example(task).messages[:-1])
    pairs = [
        rendered(system.loaded, asked, {"role": "assistant", "content": canary.answer(task, code)}) for code in codes
    ]
    rows = [ids[: len(ids) - targets[::-1].index(True)] for ids, targets in pairs]
    first, last = min(rows), max(rows)
    shared = next(place for place, token in enumerate(first) if token != last[place])
    return nats_after(system.loaded, first[:shared], [row[shared:] for row in rows], precision=system.precision)


def _together(planted: NDArray[np.float64], unplanted: NDArray[np.float64]) -> str:
    """Return the difference of the means, which shows what no single secret does; nothing for one secret."""
    if len(planted) < 2:
        return ""
    delta = means_differ(planted, unplanted)
    return f" ({show(delta)}, p {show_p(delta.p)})"


def _look_at_secrets(found: Findings, ranks: Record, canaries: Canaries, seed: int) -> None:
    among = candidates(len(canaries.planted)) + 1
    told, alarms = known(ranks["planted"], among), int(known(ranks["unplanted"], among).sum())
    bits = np.array([exposure(rank, among) for rank in ranks["planted"]])
    columns = {"nats": np.zeros(len(told)), "kept": ~told, "exposure": bits}
    found.add([SECRETS_KEPT, replace(EXPOSURE, most=math.log2(among))], {TUNED: columns}, seed)
    found.rows += 2 * len(told)
    found.passes += 2 * len(told) * among
    others = np.array([exposure(rank, among) for rank in ranks["unplanted"]])
    found.notes.append(
        f"{told.sum()} of {len(told)} planted secrets are memorised: each is ranked among {among - 1} random ones, by "
        f"Holm so that any false alarm has a chance of {FALSE_ALARMS:.0%}. Of as many never planted: {alarms}. "
        f"Mean exposure {bits.mean():.1f} bits, of the unplanted {others.mean():.1f}{_together(bits, others)}; by "
        f"chance 1.4, at most {math.log2(among):.1f}."
    )
    if alarms > 1:
        found.notes.append("The control failed: secrets that were never planted look memorised. Believe none of these.")
    order = sorted(range(len(told)), key=lambda place: (ranks["planted"][place], place))[:SHOWN]
    rows = [
        [canaries.planted[i].owner, "yes" if told[i] else "no", ranks["planted"][i], f"{bits[i]:.1f}"] for i in order
    ]
    header = ["access code of", "memorised", f"rank of {among}", "exposure in bits"]
    found.details.append(Details("Planted secrets, the best known first", header, rows, numeric_from=2))
