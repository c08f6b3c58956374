"""What Bedrock says of a tuning job, read: its state, how it goes, why it made no model.

Does not own asking for it (`bedrock_tuning`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError, RemoteError
from tunesmith.providers.hosted import status_of

if TYPE_CHECKING:
    from tunesmith.providers.bedrock_rows import Written
    from tunesmith.providers.hosted import Status

WORDS: dict[str, Status] = {
    "InProgress": "running", "Stopping": "running", "Completed": "succeeded", "Failed": "failed",
    "Stopped": "cancelled",
}  # fmt: skip


def why_no_model(job: dict[str, Any], train: Written, note: str) -> DataError | RemoteError:
    """Return why a job that has ended made no model, with a note at its end."""
    if was_stopped(job):
        return RemoteError(
            f"job {job['jobArn']} was stopped, and Bedrock made no model of it{note}",
            hint="the same command begins a new job",
        )
    said = str(job.get("failureMessage") or "Bedrock does not say why")
    line = re.search(r"\bline (\d+)\b", said, re.IGNORECASE)
    if line and 1 <= int(line[1]) <= len(train.lines):
        place = train.lines[int(line[1]) - 1].place
        return DataError(f"Bedrock refuses the row of {place}: {said}{note}", hint="mend or leave out that row")
    return RemoteError(f"job {job['jobArn']} failed: {said}{note}", hint="the same command begins a new job")


def was_stopped(job: dict[str, Any]) -> bool:
    """Tell whether a job that has ended was stopped."""
    return status_of(job["status"], WORDS) == "cancelled"


def told_of(job: dict[str, Any]) -> str:
    """Return how a job is, in a sentence that changes when it does."""
    word = job.get("status", "without a status")
    steps = {
        name.removesuffix("Details"): detail.get("status", "")
        for name, detail in job.get("statusDetails", {}).items()
        if isinstance(detail, dict)
    }
    inner = ", ".join(f"{name} {status}" for name, status in steps.items() if status not in ("", "NotStarted"))
    known = "" if word in WORDS else ", which is not a word known here; looked at again"
    return f"job is {word}{f' ({inner})' if inner else ''}{known}"
