"""``tunesmith models``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tunesmith.cli.common import home_option, json_option, print_json, store_here, table
from tunesmith.core.progress import say


@click.command("models")
@home_option
@json_option
def command(home: Path | None, as_json: bool) -> None:
    """List the models of this workspace and the aliases that point at them."""
    from tunesmith.release.aliases import aliases

    workspace, store = store_here(home)
    pointing: dict[str, list[str]] = {}
    for alias in aliases(store):
        pointing.setdefault(alias.model_id, []).append(f"{alias.name}@{alias.alias}")
    rows: list[dict[str, Any]] = [
        {
            "model": model.id,
            "aliases": pointing.get(model.id, []),
            "method": model.manifest["config"]["train"].get("method", "hosted"),
            "base": model.manifest["given"].get("base", "nano"),
            "created": model.manifest["created"],
        }
        for model in workspace.list("model")
    ]
    if as_json:
        print_json({"models": rows})
    elif rows:
        lines = [[row["model"], " ".join(row["aliases"]), row["method"], row["base"], row["created"]] for row in rows]
        table("", ["model", "aliases", "method", "base", "created"], lines)
    else:
        say(f"no models in {workspace.root} yet · tunesmith run RECIPE makes one")
