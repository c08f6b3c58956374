"""``tunesmith rollback NAME``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, name_argument, print_json, store_here
from tunesmith.core.progress import say


@click.command("rollback")
@name_argument
@home_option
@json_option
def command(name: str, home: Path | None, as_json: bool) -> None:
    """Put the model that was in production before back into production."""
    from tunesmith.release.aliases import rollback

    _, store = store_here(home)
    model_id = rollback(store, name)
    if as_json:
        print_json({"release": f"{name}@production", "model": model_id})
    else:
        say(f"{name}@production is again {model_id}")
