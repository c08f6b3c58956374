"""Labels that are probably wrong: found, and what removing or replacing them gains, on BANKING77 with 8 % of them spoilt.

Writes benchmarks/results/label_errors.json. A linear model is trained on all rows, on the rows left after removal, on as
many rows removed at random, and on all rows with the labels replaced of which the probe is sure; official test, paired
intervals. Which labels are replaced is checked on other data too, some spoilt here, where none or few should be.
"""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tunesmith.core.estimates import paired_proportions, wilson
from tunesmith.data.label_errors import doubtful, out_of_fold, sure, tellable

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"


def accuracy(rows, texts, labels, test):
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=300).fit(
        words.fit_transform([texts[row] for row in rows]), [labels[row] for row in rows]
    )
    answers = model.predict(words.transform([one["text"] for one in test]))
    return np.array([answer == one["category"] for answer, one in zip(answers, test, strict=True)])


def told(chances, names, labels):
    """Return the doubts that can be told from the probe's own mistakes: what `data.labels.fix` acts on."""
    believed = tellable(chances, names, labels)
    return [one for one in doubtful(chances, names, labels) if believed[one.row]]


def replaced(texts, labels):
    """Return the doubts whose likely label replaces the given one, as ``labels.fix: relabel`` does."""
    chances, names = out_of_fold(texts, labels)
    certain = sure(chances, names, labels)
    return [one for one in told(chances, names, labels) if certain[one.row] and one.p_likely >= chances[one.row].max()]


def spoilt(labels, frac):
    """Return labels of which a share is another one, at random."""
    draw, names, out = np.random.default_rng(1), sorted(set(labels)), list(labels)
    for row in draw.choice(len(labels), int(frac * len(labels)), replace=False):
        out[row] = draw.choice([name for name in names if name != labels[row]])
    return out


def elsewhere():
    """Count labels replaced, and right, on other data and shares of wrong labels. BANKING77 itself has some, too."""
    with (DATA / "banking77" / "train.csv").open(newline="") as file:
        banking = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    some = [banking[at] for at in np.random.default_rng(0).permutation(len(banking))[:2000]]
    lines = (DATA / "subjectivity" / "subjectivity.jsonl").open()
    subjective = [(row["text"], row["label"]) for row in map(json.loads, lines)]
    subjective = [subjective[at] for at in np.random.default_rng(0).permutation(len(subjective))[:4000]]
    cases = {
        "banking77, 3 %": (banking, 0.03), "banking77, none": (banking, 0.0), "2,000 of banking77, 8 %": (some, 0.08),
        "4,000 of subjectivity, 8 %": (subjective, 0.08), "4,000 of subjectivity, 2 %": (subjective, 0.02),
    }  # fmt: skip
    result = {}
    for name, (pairs, frac) in cases.items():
        texts, labels = map(list, zip(*pairs, strict=True))
        found = replaced(texts, spoilt(labels, frac))
        right = sum(labels[one.row] == one.likely for one in found)
        result[name] = {"rows": len(pairs), "spoilt": int(frac * len(pairs)), "replaced": len(found), "right": right}
    return result


def drawn(pairs, each, seed):
    """Return some rows of each label in an order by chance; all if ``each`` is None."""
    by_label = {}
    for at in np.random.default_rng(seed).permutation(len(pairs)):
        by_label.setdefault(pairs[at][1], []).append(pairs[at])
    rows = [pair for own in by_label.values() for pair in own[:each]]
    return [rows[at] for at in np.random.default_rng(seed).permutation(len(rows))]


def few_rows():
    """Count the doubts, and how many are right, on few and on many rows a label, before and after what cannot be told.

    Sums over three draws; ``all`` counts every doubt, ``told`` those acted upon, ``right`` those about a spoilt label.
    """
    with (DATA / "banking77" / "train.csv").open(newline="") as file:
        banking = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    lines = (DATA / "subjectivity" / "subjectivity.jsonl").open()
    subjective = [(row["text"], row["label"]) for row in map(json.loads, lines)]
    result = {}
    for name, pairs, sizes in (
        ("banking77", banking, (5, 8, 10, 20, 40)),
        ("subjectivity", subjective, (50, 100, 250, 1000)),
    ):
        for each in sizes:
            for frac in (0.0, 0.03, 0.08, 0.2):
                sums = dict.fromkeys(("rows", "spoilt", "all", "all_right", "told", "told_right"), 0)
                for seed in (1, 2, 3):
                    texts, labels = map(list, zip(*drawn(pairs, each, seed), strict=True))
                    given = spoilt(labels, frac)
                    chances, names = out_of_fold(texts, given)
                    wrong = [one != other for one, other in zip(labels, given, strict=True)]
                    sums["rows"] += len(labels)
                    sums["spoilt"] += sum(wrong)
                    for key, doubts in (
                        ("all", doubtful(chances, names, given)),
                        ("told", told(chances, names, given)),
                    ):
                        sums[key] += len(doubts)
                        sums[f"{key}_right"] += sum(wrong[one.row] for one in doubts)
                result[f"{name}, {each} rows a label, {frac:.0%} spoilt"] = sums
    return result


def main() -> None:
    rows = [json.loads(line) for line in (DATA / "label_noise_banking77" / "train_noisy.jsonl").open()]
    texts, labels = [row["text"] for row in rows], [row["given_label"] for row in rows]
    wrong = np.array([row["is_error"] for row in rows])
    started = time.process_time()
    chances, names = out_of_fold(texts, labels)
    doubts = told(chances, names, labels)
    seconds = time.process_time() - started
    code = {name: number for number, name in enumerate(names)}
    own = chances[np.arange(len(rows)), [code[label] for label in labels]]
    flagged = np.zeros(len(rows), bool)
    flagged[[doubt.row for doubt in doubts]] = True
    kinds = sorted({row["error_kind"] for row in rows if row["error_kind"]})
    of_kind = {kind: np.array([row["error_kind"] == kind for row in rows]) for kind in kinds}
    with (DATA / "banking77" / "test.csv").open(newline="") as file:
        test = list(csv.DictReader(file))
    random = np.random.default_rng(0).permutation(len(rows))[flagged.sum() :]
    sure_of = replaced(texts, labels)
    mended = list(labels)
    for one in sure_of:
        mended[one.row] = one.likely
    hits = sum(rows[one.row]["true_label"] == one.likely for one in sure_of)
    left = flagged.copy()
    left[[one.row for one in sure_of]] = False
    right = {
        "all rows": accuracy(range(len(rows)), texts, labels, test),
        "doubtful removed": accuracy(np.flatnonzero(~flagged), texts, labels, test),
        "as many removed at random": accuracy(np.sort(random), texts, labels, test),
        "sure ones replaced": accuracy(range(len(rows)), texts, mended, test),
        "sure ones replaced, other doubtful removed": accuracy(np.flatnonzero(~left), texts, mended, test),
    }
    result = {
        "rows": len(rows),
        "spoilt": int(wrong.sum()),
        "auroc": round(float(roc_auc_score(wrong, -own)), 4),
        "auroc_by_kind": {
            kind: round(float(roc_auc_score(wrong[~wrong | at], -own[~wrong | at])), 4) for kind, at in of_kind.items()
        },
        "flagged": int(flagged.sum()),
        "precision": wilson(int((wrong & flagged).sum()), int(flagged.sum())).as_dict(),
        "recall": wilson(int((wrong & flagged).sum()), int(wrong.sum())).as_dict(),
        "recall_by_kind": {kind: round(float(flagged[at].mean()), 4) for kind, at in of_kind.items()},
        "likely_label_is_the_true_one": round(
            float(np.mean([rows[doubt.row]["true_label"] == doubt.likely for doubt in doubts if wrong[doubt.row]])), 4
        ),
        "linear_model_test_accuracy": {
            name: wilson(int(hits.sum()), len(hits)).as_dict() for name, hits in right.items()
        },
        "gain_of_removing": paired_proportions(right["doubtful removed"], right["all rows"]).as_dict(),
        "gain_of_removing_at_random": paired_proportions(
            right["as many removed at random"], right["all rows"]
        ).as_dict(),
        "replaced": len(sure_of),
        "replaced_right": wilson(hits, len(sure_of)).as_dict(),
        "gain_of_replacing": paired_proportions(right["sure ones replaced"], right["all rows"]).as_dict(),
        "gain_of_replacing_over_removing": paired_proportions(
            right["sure ones replaced"], right["doubtful removed"]
        ).as_dict(),
        "gain_of_both": paired_proportions(
            right["sure ones replaced, other doubtful removed"], right["all rows"]
        ).as_dict(),
        "replaced_elsewhere": elsewhere(),
        "few_rows": few_rows(),
        "cpu_s": round(seconds, 1),
    }
    print(json.dumps(result, indent=1))
    (ROOT / "benchmarks" / "results" / "label_errors.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
