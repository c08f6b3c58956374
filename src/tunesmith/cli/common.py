"""Options and printing shared by the verbs: the recipe argument, ``--home``, ``--json``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import SetupError
from tunesmith.core.manifest import MANIFEST
from tunesmith.core.progress import console, hush, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.core.store import Store

T = TypeVar("T")


class _Folder(click.Path):
    """A path; an empty one, as an unset variable gives, is refused instead of meaning the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the name of the folder is empty", param, ctx)
        return super().convert(value, param, ctx)


home_option = click.option(
    "--home",
    type=_Folder(path_type=Path),
    help="workspace; default: $TUNESMITH_HOME, or .tunesmith beside the recipe",
)
json_option = click.option("--json", "as_json", is_flag=True, help="print one JSON object on stdout")
force_option = click.option("--force", is_flag=True, help="promote even if the gate does not pass")
name_argument = click.argument("name")
devices_option = click.option(
    "--devices", type=click.IntRange(1), default=1, help="GPUs, or processes on a CPU, that train together"
)
recipe_argument = click.argument("recipe", type=click.Path(path_type=Path), default=Path("recipe.yaml"))


def workspace_here(home: Path | None) -> Workspace:
    """Return the workspace of commands that take no recipe: beside the current folder's recipe."""
    return Workspace.locate(home, Path.cwd())


def artifact_here(named: str, home: Path | None) -> Artifact:
    """Return the artifact of an id, of an unambiguous beginning of one, or of the path of its folder or a file in it.

    Raises:
        ArtifactError: if there is none, or more than one.
    """
    path = Path(named)
    if named and path.exists():
        folder = next((one for one in (path, path.parent) if (one / MANIFEST).is_file()), None)
        if folder is not None:
            return Artifact(folder.resolve())
    return workspace_here(home).get(named)


def store_here(home: Path | None, *, make: bool = False) -> tuple[Workspace, Store]:
    """Return the workspace and its opened store; only with ``make`` is an empty one made."""
    from tunesmith.project import open_store

    workspace = workspace_here(home) if make else workspace_here(home).existing()
    return workspace, open_store(workspace)


def recipe_folder(workspace: Path) -> Path:
    """Return the folder of the recipe: a workspace of the usual name lies beside it; for any other it is this one."""
    return workspace.parent if workspace.name == ".tunesmith" else Path.cwd()


def as_ranks(devices: int, work: Callable[[], T]) -> T:
    """Do work that trains, as so many ranks on this machine, or as the rank that torchrun or srun say this process is.

    Returns in the first rank alone; in the others, and in the process that starts ranks, it ends the program.

    Raises:
        SetupError: if the machine has fewer GPUs, or another number of ranks was started.
    """
    from tunesmith import flow
    from tunesmith.train import launch, ranks

    if devices > 1 and not ranks.told_by_environment():
        launch.check(devices)
        sys.exit(launch.launch(devices, launch.arguments_of_ranks(sys.argv[1:])))
    here = ranks.join()
    if here.count == 1:
        return work()
    if devices not in (1, here.count):
        raise SetupError(f"--devices {devices}: {here.count} ranks were started", hint="leave --devices out")
    with ranks.ended_by_others():
        if here.first:
            result = work()
            here.told()
            return result
        hush()
        flow.follow()
    sys.exit(0)


def print_json(result: Any) -> None:
    """Print a result as one JSON object on stdout."""
    import json

    click.echo(json.dumps(result, ensure_ascii=False, default=str, allow_nan=False))


WHOLE_CHARS = 1000
"""Width up to which a table is not folded where no terminal is."""


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, numeric_from: int | None = None
) -> None:
    """Print a table for people, to stderr."""
    from rich import box
    from rich.table import Table

    shown = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        right = numeric_from is not None and index >= numeric_from
        shown.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(str(value) for value in row))
    console().print(shown, markup=False, width=None if console().is_terminal else WHOLE_CHARS)


def where(path: Path | str) -> None:
    """Say where the pages of an artifact are, from the current folder if they lie below it."""
    say(f"  → {shown_path(path)}", style="dim")


def shown_path(path: Path | str) -> str:
    """Return a path as people are shown it: from the current folder if it lies below it."""
    file = Path(path)
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
