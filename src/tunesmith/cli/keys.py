"""``tunesmith keys create|list|revoke``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, store_here, table
from tunesmith.core.progress import say


@click.group("keys")
def command() -> None:
    """Make, list and revoke API keys. As soon as one exists, the server asks for one."""


@command.command("create")
@click.option("--name", required=True, help="whose key it is")
@home_option
@json_option
def create(name: str, home: Path | None, as_json: bool) -> None:
    """Make a key. It is shown once and kept only as a hash."""
    from tunesmith.serve.keys import create_key

    _, store = store_here(home, make=True)
    made = create_key(store, name)
    if as_json:
        print_json({"key": made.secret, "id": made.id})
    else:
        say(f"key for {name!r} (id {made.id}); it will not be shown again:")
        click.echo(made.secret)


@command.command("list")
@home_option
@json_option
def list_(home: Path | None, as_json: bool) -> None:
    """List the keys, without their secrets."""
    from tunesmith.serve.keys import list_keys

    _, store = store_here(home)
    keys = [
        {"id": k.id, "name": k.name, "prefix": k.prefix, "created": k.created, "revoked": k.revoked}
        for k in list_keys(store)
    ]
    if as_json:
        print_json({"keys": keys})
    elif keys:
        table("", list(keys[0]), [[value or "" for value in key.values()] for key in keys])
    else:
        say("no keys: the server answers without one · tunesmith keys create --name NAME")


@command.command("revoke")
@click.argument("key_id", metavar="ID")
@home_option
@json_option
def revoke(key_id: str, home: Path | None, as_json: bool) -> None:
    """Make a key useless from now on."""
    from tunesmith.serve.keys import revoke_key

    _, store = store_here(home)
    revoke_key(store, key_id)
    if as_json:
        print_json({"revoked": key_id})
    else:
        say(f"key {key_id} is revoked")
