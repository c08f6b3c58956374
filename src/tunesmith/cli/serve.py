"""``tunesmith serve [RECIPE]``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, store_here


@click.command("serve")
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on; others need an API key")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one")
@home_option
def command(recipe: Path | None, host: str, port: int, home: Path | None) -> None:
    """Answer over HTTP as OpenAI's API does, with every released model of the workspace.

    RECIPE says how (its serve section) and where the workspace is; without one, recipe.yaml in this folder, if there is
    one, else the defaults.
    """
    from tunesmith import flow
    from tunesmith.serve.server import run

    here = Path("recipe.yaml")
    if recipe is None and here.exists():
        recipe = here
    if recipe is None:
        workspace, store = store_here(home, make=True)
        run(store, workspace, host=host, port=port, grade=flow.grade_one)
        return
    project = flow.Project.of(recipe, home)
    settings = project.recipe.serve
    run(project.store, project.workspace, host=host, port=port, settings=settings, grade=flow.grade_one)
