"""``tunesmith tuning-job FOLDER``: what the server starts to work on a fine-tuning job; not for people."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.serve.tuning import LOCK


@click.command("tuning-job", hidden=True)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--home", type=click.Path(path_type=Path), required=True, help="workspace")
@click.option("--check", is_flag=True, help="check the rows and end")
def command(folder: Path, home: Path, check: bool) -> None:
    """Work on a job of `tunesmith serve`, unless another process does."""
    from tunesmith.core.locks import locked_if_free

    with locked_if_free(folder / LOCK) as ours:  # before anything that takes time: a server may be killed meanwhile
        if ours:
            from tunesmith.serve.tuning.folder import JobFolder
            from tunesmith.tuning_job import work

            work(JobFolder(folder), home, train=not check)
