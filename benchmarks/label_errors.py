"""Labels that are probably wrong: found, and what removing them gains, on BANKING77 with 8 % of the labels spoilt.

Writes benchmarks/results/label_errors.json. Beside it: the same linear model trained on all rows, on the rows left after
removal, and on as many rows removed at random, on the official test; paired intervals.
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
from tunesmith.data.label_errors import doubtful, out_of_fold

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"


def accuracy(rows, texts, labels, test):
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=300).fit(
        words.fit_transform([texts[row] for row in rows]), [labels[row] for row in rows]
    )
    answers = model.predict(words.transform([one["text"] for one in test]))
    return np.array([answer == one["category"] for answer, one in zip(answers, test, strict=True)])


def main() -> None:
    rows = [json.loads(line) for line in (DATA / "label_noise_banking77" / "train_noisy.jsonl").open()]
    texts, labels = [row["text"] for row in rows], [row["given_label"] for row in rows]
    wrong = np.array([row["is_error"] for row in rows])
    started = time.process_time()
    chances, names = out_of_fold(texts, labels)
    doubts = doubtful(chances, names, labels)
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
    right = {
        "all rows": accuracy(range(len(rows)), texts, labels, test),
        "doubtful removed": accuracy(np.flatnonzero(~flagged), texts, labels, test),
        "as many removed at random": accuracy(np.sort(random), texts, labels, test),
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
        "cpu_s": round(seconds, 1),
    }
    print(json.dumps(result, indent=1))
    (ROOT / "benchmarks" / "results" / "label_errors.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
