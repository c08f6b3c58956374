"""The file of results that a job leaves: the curves, as OpenAI's CSV.

Owns its columns. What we do not measure stays empty. Source: the result files of OpenAI's fine-tuning guide.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunesmith.serve.tuning.progress import Line

PURPOSE = "fine-tune-results"
FILENAME = "step_metrics.csv"
COLUMNS = {
    "step": "step",
    "train_loss": "train_loss",
    "train_accuracy": "train_mean_token_accuracy",
    "valid_loss": "valid_loss",
    "valid_mean_token_accuracy": "valid_mean_token_accuracy",
}
"""Columns, and the metric that each has."""


def results_of(lines: Iterable[Line]) -> bytes:
    """Return the file of what a worker told."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for line in lines:
        if line["kind"] == "step":
            rows.writerow([line.get(metric, "") for metric in COLUMNS.values()])
    return text.getvalue().encode()
