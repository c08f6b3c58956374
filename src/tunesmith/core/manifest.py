"""The manifest of an artifact: what made it, from what, when, with which versions, and the digest of each file."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from importlib import metadata
from typing import TYPE_CHECKING

from tunesmith.core.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunesmith.core.artifacts import Draft

FORMAT = 1
"""Version of the manifest's layout; readers refuse a newer one."""

MANIFEST = "manifest.json"

_RECORDED_PACKAGES = (
    "tunesmith",
    "torch",
    "transformers",
    "peft",
    "polars",
    "numpy",
    "ftfy",
    "scikit-learn",
    "tokenizers",
)


def manifest_text(draft: Draft, digests: Mapping[str, str], seconds: float) -> str:
    """Return the manifest of a draft whose files are complete, as JSON."""
    plan = draft.plan
    manifest = {
        "format": FORMAT,
        "id": plan.id,
        "stage": plan.stage,
        "name": plan.name,
        "status": "complete",
        "parents": list(plan.parents),
        "config": dict(plan.config),
        "given": dict(plan.given),
        "inputs": dict(plan.inputs),
        "code": plan.code,
        "seed": plan.seed,
        "counts": draft.counts,
        "result": draft.result,
        "files": dict(digests),
        "versions": versions(),
        "machine": {"platform": platform.platform(), "cores": os.cpu_count()},
        "created": now_utc().isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
    }
    return json.dumps(manifest, indent=2, ensure_ascii=False, default=str) + "\n"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what a stage makes."""
    found = {"python": platform.python_version()}
    for package in _RECORDED_PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
