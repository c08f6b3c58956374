"""``tunesmith chat NAME``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.common import home_option, json_option, name_argument, print_json, store_here
from tunesmith.core.errors import DataError
from tunesmith.core.progress import console, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.serve.engine import Answer
    from tunesmith.serve.talk import Talk


@click.command("chat")
@name_argument
@click.option("--message", "-m", help="say this, print the answer, and end")
@click.option("--max-tokens", default=256, show_default=True, type=click.IntRange(1), help="longest answer")
@click.option("--temperature", default=0.0, show_default=True, type=click.FloatRange(0, 2), help="0: most probable")
@home_option
@json_option
def command(
    name: str, message: str | None, max_tokens: int, temperature: float, home: Path | None, as_json: bool
) -> None:
    """Talk to NAME (its production), NAME@ALIAS, or a model's id.

    On a terminal the conversation goes on until Ctrl-D; elsewhere every line of stdin is a conversation of its own.
    Answers go to stdout.
    """
    from tunesmith import flow
    from tunesmith.serve.talk import Talk

    workspace, store = store_here(home)
    model = flow.model_named(workspace, store, name)
    talk = Talk.load(model, max_tokens=max_tokens, temperature=temperature)
    if message is not None:
        _answer(talk, message, as_json)
    elif sys.stdin.isatty():
        say(f"{model.id} · Ctrl-D ends, /new begins anew", style="dim")
        _converse(talk, as_json)
    else:
        for line in _lines():
            talk.forget()
            _answer(talk, line, as_json)


def _converse(talk: Talk, as_json: bool) -> None:
    """Take turns with the person at the terminal."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # line editing and history for input()
    while True:
        try:
            line = console().input("[bold]> [/bold]").strip()
        except EOFError:
            say("")
            return
        if line == "/new":
            talk.forget()
        elif line:
            try:
                _answer(talk, line, as_json)
            except DataError as error:
                say(f"{error}")


def _lines() -> Iterator[str]:
    for line in sys.stdin:
        if text := line.strip():
            yield text


def _answer(talk: Talk, text: str, as_json: bool) -> None:
    if as_json:
        print_json(_as_dict(talk.model_id, text, talk.say(text)))
        return
    reply = talk.say(text, lambda piece: click.echo(piece, nl=False))
    click.echo("")
    if reply.labels:
        shown = " · ".join(f"{label} {share:.1%}" for label, share in reply.labels[:3])
        say(f"  {shown}", style="dim")


def _as_dict(model_id: str, text: str, reply: Answer) -> dict[str, Any]:
    best = [{"label": label, "probability": share} for label, share in reply.labels or ()]
    return {
        "model": model_id,
        "message": text,
        "answer": reply.text,
        "labels": best,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "finish_reason": reply.finish_reason,
    }
