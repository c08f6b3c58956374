"""The curves of a job, which Bedrock writes as CSV files into the bucket when it is done.

Owns finding and reading them. Files are found by how their names begin and end, since what lies between is not always
the same; a job that was stopped or failed has none.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from tunesmith.providers.said import number_of

if TYPE_CHECKING:
    from tunesmith.providers.aws import Client
    from tunesmith.providers.hosted import Row

_FILES = {
    "/step_wise_training_metrics.csv": {"training_loss": "loss", "perplexity": "perplexity", "epoch_number": "epoch"},
    "/validation_metrics.csv": {"validation_loss": "valid_loss", "epoch_number": "epoch"},
}


def curves(s3: Client, output_uri: str, job_arn: str) -> list[Row]:
    """Return the rows of both files, joined by step, ascending; empty if there are none.

    Steps are counted from 1, as local runs do; the service counts from 0.

    Raises:
        AwsError: if the bucket cannot be read.
    """
    bucket, prefix = output_uri.removeprefix("s3://").split("/", 1)
    prefix = f"{prefix.rstrip('/')}/model-customization-job-{job_arn.rsplit('/', 1)[1]}/"
    rows: dict[int, Row] = {}
    for key in _keys(s3, bucket, prefix):
        names = next((names for end, names in _FILES.items() if key.endswith(end)), None)
        if names is None:
            continue
        text = s3.content("get_object", Bucket=bucket, Key=key).decode("utf-8-sig", errors="replace")
        for row in _read(text, names):
            rows.setdefault(row["step"], {}).update(row)
    return [rows[step] for step in sorted(rows)]


def _keys(s3: Client, bucket: str, prefix: str) -> list[str]:
    keys: list[str] = []
    more: dict[str, Any] = {}
    while True:
        answer = s3.call("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
        keys += [one["Key"] for one in answer.get("Contents", [])]
        if not answer.get("NextContinuationToken"):
            return keys
        more = {"ContinuationToken": answer["NextContinuationToken"]}


def _read(text: str, names: dict[str, str]) -> list[Row]:
    """Return what a file says; a cell that is empty or no number is left out, and so is a row without its step."""
    rows = []
    for cells in csv.DictReader(io.StringIO(text)):
        step = number_of(cells.get("step_number"))
        if step is None:
            continue
        row: Row = {"step": int(step) + 1}
        for theirs, ours in names.items():
            value = number_of(cells.get(theirs))
            if value is not None:
                row[ours] = value
        rows.append(row)
    return rows
