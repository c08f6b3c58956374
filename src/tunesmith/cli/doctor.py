"""``tunesmith doctor``."""

from __future__ import annotations

import os
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from tunesmith import __version__
from tunesmith.cli.common import home_option, json_option, print_json, table, workspace_here
from tunesmith.core.progress import say

_EXTRAS = {
    "train": ("torch", "transformers", "peft", "safetensors"),
    "evaluate": ("scikit-learn", "scipy"),
    "serve": ("starlette", "uvicorn"),
    "postgres": ("psycopg",),
    "datasets": ("datasets",),
    "zstd": ("zstandard",),
    "qlora": ("bitsandbytes",),
}
_LEAST_FREE_BYTES = 2 * 2**30


@click.command("doctor")
@home_option
@json_option
def command(home: Path | None, as_json: bool) -> None:
    """Check this machine and installation; paste the output into a bug report."""
    facts: dict[str, Any] = {
        "tunesmith": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    facts |= _machine(workspace_here(home).root)
    packages = {extra: {name: _version(name) for name in names} for extra, names in _EXTRAS.items()}
    missing = [extra for extra, names in packages.items() if not all(names.values())]
    if as_json:
        print_json({**facts, "packages": packages, "missing_extras": missing})
        return
    table("", ["", ""], [[key, value] for key, value in facts.items()])
    lines = [
        [extra, ", ".join(f"{name} {version or '–'}" for name, version in names.items())]
        for extra, names in packages.items()
    ]
    table("", ["extra", "packages"], lines)
    for extra in missing:
        say(f"  {extra} is not installed (optional): pip install 'tunesmith[{extra}]'")
    if facts["free_disk_bytes"] < _LEAST_FREE_BYTES:
        say("  less than 2 GiB of disk is free: tunesmith clean", style="yellow")


def _machine(root: Path) -> dict[str, Any]:
    existing = next(parent for parent in [root, *root.parents] if parent.exists())
    facts: dict[str, Any] = {
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "workspace": str(root),
        "free_disk_bytes": shutil.disk_usage(existing).free,
    }
    if _version("torch"):
        import torch

        from tunesmith.models.precision import choose_precision

        facts["gpu"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        facts["precision"] = choose_precision("auto", device)
    return facts


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
