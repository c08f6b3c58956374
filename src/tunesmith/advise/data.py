"""What the rows give a reason to do: contradictions, doubtful and starved labels, too few rows, rows off the topic."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tunesmith.advise.advice import Advice, Gain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.advise.evidence import Evidence

STARVED_SHARE = 0.25
"""Of the median label's rows: a label with fewer is starved."""

STARVED_ROWS = 20
"""A label with as many is not starved, however many the others have."""

WORST_SHOWN = 4


def conflicts(known: Evidence) -> Iterator[Advice]:
    """Equal or nearly equal questions with different answers."""
    count = known.dataset.get("conflicts", 0) + known.dataset.get("near_conflicts", 0)
    rows = known.dataset["rows"]["kept"]
    if count:
        yield Advice(
            "conflicts",
            "settle the rows that contradict one another",
            f"{count:,} of {rows:,} rows ask what another row asks and are answered otherwise: no model can learn both",
            settings=(("data.dedup.conflicts", "majority"),),
            command=f"tunesmith show {known.dataset['dataset']}",
        )


def doubtful_labels(known: Evidence) -> Iterator[Advice]:
    """Labels that are probably wrong."""
    count, rows = known.dataset.get("facts", {}).get("doubtful_labels", 0), known.dataset["splits"]["train"]
    if count:
        yield Advice(
            "doubtful labels",
            "look through the labels that are probably wrong, the surest first in report.html",
            f"{count:,} of {rows:,} training rows have a label that a model trained on the others contradicts",
            settings=(("data.labels.fix", "relabel"),),
        )


def starved_labels(known: Evidence) -> Iterator[Advice]:
    """Labels with far fewer rows than the others, where the test rows show that it hurts."""
    if len(known.counts) < 2:
        return
    bound = min(STARVED_ROWS, STARVED_SHARE * median(known.counts.values()))
    starved = sorted((rows, label) for label, rows in known.counts.items() if rows < bound)
    if not starved:
        return
    names = {label for _, label in starved}
    wrong = sum(label in names for label in known.wrong["expected"].to_list())
    shown = ", ".join(f"{label} {rows:,}" for rows, label in starved[:WORST_SHOWN])
    more = f" and {len(starved) - WORST_SHOWN} more" if len(starved) > WORST_SHOWN else ""
    yield Advice(
        "starved labels",
        "collect more rows of the labels with fewest, or let them weigh more",
        f"{shown}{more} rows, the median label {median(known.counts.values()):,.0f}",
        settings=(("data.balance", {"by": "target"}),),
        gain=_share(known, wrong, "of test rows have such a label and a wrong answer"),
    )


def more_rows(known: Evidence) -> Iterator[Advice]:
    """More rows, by the learning curve if it was made."""
    size, curve = known.dataset["verdicts"]["size"], known.curve
    if curve is not None:
        gain, rows = curve["gain"], curve["all"]["rows"]
        metric = curve["score"] if curve["score"] == "accuracy" else f"{curve['score']} saved"
        how = f"the learning curve of {curve['probe']} at twice the rows"
        if gain["low"] > 0:
            yield Advice(
                "more rows",
                f"collect {rows:,} more rows",
                curve["sentence"],
                gain=Gain(metric, gain["value"], how, gain["low"], gain["high"]),
            )
    elif size["verdict"] in ("look", "poor"):
        yield Advice(
            "more rows",
            "measure what more rows would bring",
            size["why"],
            command="tunesmith advise --curve",
        )


def off_topic(known: Evidence) -> Iterator[Advice]:
    """Rows that are not of the target domain, rows that are noise, labels out of balance."""
    settings = {
        "relevance": (),
        "cleanliness": (),
        "balance": (("data.balance", {"by": "target"}),),
    }
    for topic, changes in settings.items():
        verdict = known.dataset["verdicts"][topic]
        if verdict["verdict"] == "poor" or (verdict["verdict"] == "look" and topic != "balance"):
            yield Advice(
                topic, f"look at the rows that report.html names under {topic}", verdict["why"], settings=changes,
                urgent=verdict["verdict"] == "poor",
            )  # fmt: skip


def _share(known: Evidence, rows: int, what: str) -> Gain | None:
    if not known.num_answers:
        return None
    return Gain("answers right", rows / known.num_answers, f"{rows} of {known.num_answers:,} {what}", at_most=True)


RULES = (conflicts, doubtful_labels, starved_labels, more_rows, off_topic)
