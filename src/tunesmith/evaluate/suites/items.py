"""The suites' own questions and texts, as they lie in the package. All are written for Tunesmith."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "assets" / "suites"


@cache
def items(name: str) -> list[dict[str, Any]]:
    """Return the items of a file, in its order."""
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
