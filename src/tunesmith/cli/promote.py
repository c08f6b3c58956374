"""``tunesmith promote NAME ID``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import force_option, home_option, json_option, name_argument, print_json, store_here
from tunesmith.core.progress import say


@click.command("promote")
@name_argument
@click.argument("model_id", metavar="ID")
@click.option("--alias", default="production", show_default=True, help="which alias of NAME to move")
@force_option
@home_option
@json_option
def command(name: str, model_id: str, alias: str, force: bool, home: Path | None, as_json: bool) -> None:
    """Point NAME's alias at a model whose latest scorecard passed its gate."""
    from tunesmith import flow
    from tunesmith.release.aliases import promote

    workspace, store = store_here(home)
    model = flow.model_named(workspace, store, model_id)
    cards = [card for card in workspace.list("scorecard") if model.id in card.parents]
    promote(store, name, model.id, alias=alias, scorecard=cards[-1] if cards else None, force=force)
    if as_json:
        print_json({"release": f"{name}@{alias}", "model": model.id})
    else:
        say(f"{name}@{alias} is now {model.id}")
