"""The ``tunesmith`` command: finds the verb's file, turns errors into messages and exit codes.

Verbs are imported only when they are called, so that ``--help`` answers at once. Adding one: write
``cli/<verb>.py`` with a click command called ``command``, and add its line to `VERBS`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings

import click

from tunesmith import __version__
from tunesmith.core.errors import TunesmithError

VERBS = {
    "demo": "the whole ring on bundled examples, offline, in minutes",
    "init": "look at your file and write a recipe that works",
    "plan": "what a recipe would do and cost; spends nothing",
    "curve": "how much data is enough",
    "sweep": "search the settings of a recipe",
    "prompts": "search for a better prompt",
    "distill": "a stronger model's answers as examples",
    "prepare": "raw files to a clean, split dataset",
    "train": "a dataset to a tuned model",
    "evaluate": "a model to a scorecard with a verdict",
    "advise": "what to try next, and why",
    "release": "promote the model if its gate passed",
    "run": "prepare, train, evaluate, gate, release",
    "chat": "talk to a model in the terminal",
    "serve": "answer over HTTP as OpenAI's API does",
    "keys": "create, list and revoke API keys",
    "monitor": "how the model does in the world",
    "lifecycle": "how long models elsewhere go on answering",
    "update": "the next version, from what users corrected",
    "hosted": "what tuned models at Bedrock answer with, and its end",
    "models": "releases and models in this workspace",
    "promote": "point an alias at a model",
    "rollback": "go back to the model before",
    "show": "what an artifact is",
    "why": "what an artifact was made from",
    "diff": "what differs between two artifacts",
    "restore": "bring a removed row back",
    "doctor": "check this machine and installation",
    "clean": "delete unfinished work and free disk",
}

HIDDEN = {"tuning-job": "tuning_job"}
"""Verbs that programs call, and the files they are in."""


class _Verbs(click.Group):
    """A group whose commands live in files of their own, imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS and cmd_name not in HIDDEN:
            return None
        module = HIDDEN.get(cmd_name, cmd_name)
        command: click.Command = importlib.import_module(f"tunesmith.cli.{module}").command
        command.help = command.help or VERBS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in {**VERBS, **HIDDEN} and not args[0].startswith("-"):
            from tunesmith.core.errors import did_you_mean

            raise click.UsageError(f"no command {args[0]!r}; {did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tunesmith")
def root() -> None:
    """Turn examples into a tuned language model that can be trusted in production, and keep it good.

    Start with `tunesmith demo`, then `tunesmith init --task classify --data your.csv`.
    """


def main() -> None:
    """Run the command line; exits with 0, 1 (our bug), 2 (the user's input), 3 (gate), 4 (remote) or 130."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning costs tenfold when busy: docs/log.md
    warnings.simplefilter("ignore", FutureWarning)  # libraries to their callers, nothing a user can act on
    try:
        root(standalone_mode=False)
        _end_rank(0)
    except SystemExit as ended:
        _end_rank(ended.code)
        raise
    except TunesmithError as error:
        _say(f"error: {error}")
        _end_rank(error.exit_code)
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        _say("\ninterrupted: everything done so far is kept; run the same command again to go on")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception:
        import traceback

        traceback.print_exc()
        _say(f"\nThis is a bug in tunesmith {__version__}: please report the lines above with `tunesmith doctor`.")
        sys.exit(1)


def _end_rank(status: str | int | None) -> None:
    """End the program at once if it is one of several ranks, see `ranks.end`."""
    if isinstance(status, int | None) and (ranks := sys.modules.get("tunesmith.train.ranks")) is not None:
        ranks.end(status or 0)


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        click.echo(text, err=True)
