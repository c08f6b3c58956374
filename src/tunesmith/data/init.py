"""``tunesmith init``: look at the user's file and write a commented recipe that works.

Owns the recipe's text and the choices in it, each said in a comment. The file is read and checked by the same code
that prepares, so what cannot be prepared is refused here and nothing is written.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tunesmith.core.errors import DataError, RecipeError, SetupError, did_you_mean
from tunesmith.core.progress import say
from tunesmith.data.decide import decide
from tunesmith.data.gather import gather
from tunesmith.data.index import Index
from tunesmith.data.prepare import sources_of
from tunesmith.data.propose import propose, seen, without_header
from tunesmith.data.read.columns import Mapping, recognise
from tunesmith.data.read.files import Table, begin
from tunesmith.data.read.recognise import recognised
from tunesmith.data.read.sources import expand, is_known, nearest_file
from tunesmith.data.restore import Restored
from tunesmith.data.rowwise import RowWorker
from tunesmith.recipe import parse_recipe

FILE = "recipe.yaml"
EPOCHS = {"classify": 10, "extract": 4, "chat": 3, "preference": 1}
MANY_ROWS = 5000
"""From this many rows on a classification needs fewer passes."""

EPOCHS_OF_MANY = 5
_HELD_OUT = {"valid": ("valid", "validation", "val", "dev"), "test": ("test",)}
_GROUPS = ("customer", "customer_id", "user", "user_id", "author", "conversation_id", "session", "session_id", "thread")


@dataclass(frozen=True)
class Look:
    """What was seen in the user's file."""

    files: dict[str, list[str]]
    mapping: Mapping | None
    group: str | None


def write_recipe(folder: Path, task: str, data: Path, columns: tuple[tuple[str, ...], str] | None = None) -> Path:
    """Write ``recipe.yaml`` into a folder (made if missing) and return its path.

    Args:
        folder: where to write it.
        task: the recipe's.
        data: the user's file or folder.
        columns: the columns of input and target; None recognises them by name, or proposes them by what is in them.

    Raises:
        RecipeError: if there is a recipe already.
        DataError: if the file cannot be read or understood; nothing is written then.
        SetupError: if the folder cannot be written to.
    """
    target = folder / FILE
    if target.exists():
        raise RecipeError(f"{target} exists already", hint="delete it, or give another folder: tunesmith init DIR ...")
    if folder.exists() and not folder.is_dir():
        raise RecipeError(f"{folder} is a file", expected="a folder to write recipe.yaml into")
    if not data.exists():
        near = nearest_file(data.absolute(), Path.cwd())
        raise DataError(f"no file {str(data)!r}", expected="your file or folder of examples", hint=near)
    base = folder.resolve()
    look = _look(task, data.resolve(), base, columns)
    text = _text(task, _name_for(data), look, epochs=EPOCHS[task])
    rows = _check(text, base)
    if task == "classify" and rows > MANY_ROWS:
        text = _text(task, _name_for(data), look, epochs=EPOCHS_OF_MANY)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SetupError(
            f"cannot write {target}: {error.strerror}", hint="give a folder you may write to: tunesmith init DIR ..."
        ) from error
    return target


def _look(task: str, data: Path, base: Path, columns: tuple[tuple[str, ...], str] | None) -> Look:
    files = {"train": [_relative(data, base)], **_siblings(data, base)}
    table, *_ = begin(expand([str(data)], base, "--data")[0])
    if columns is not None:
        mapping = _named(table, *columns)
    elif recognised(table) is not None or task == "preference":
        return Look(files, None, None)
    else:
        mapping = recognise(table.columns, task) or _proposed(table, task, data)
    return Look(files, mapping, _group(table, mapping))


def _named(table: Table, inputs: tuple[str, ...], target: str) -> Mapping:
    for option, name in (*(("--input", one) for one in inputs), ("--target", target)):
        if name not in table.columns:
            raise DataError(
                f"{table.label}: no column {name!r} ({option}); it has {', '.join(table.columns)[:300]}",
                expected="a column of the file",
                hint=did_you_mean(name, table.columns),
            )
    return Mapping(inputs, target, None, None, "from --input and --target")


def _proposed(table: Table, task: str, data: Path) -> Mapping:
    columns = seen(table)
    mapping = propose(columns, task)
    if mapping is None:
        told = ", ".join(f"{one.name} ({one.distinct:,} values of {one.words:.0f} words)" for one in columns[:12])
        raise DataError(
            f"{table.label}: neither names nor contents tell which column is the input and which the target: {told}",
            expected="columns named on the command line, or a message format (docs/data.md)",
            hint=f"tunesmith init DIR --task {task} --data {shlex.quote(data.name)} --input COLUMN --target COLUMN",
        )
    name = without_header(columns, mapping) if any(one in table.label for one in (".csv", ".tsv")) else None
    if name is not None:
        raise DataError(
            f"{table.label}:1: the first line seems to be a row, not the names of columns: {name[:100]!r}",
            expected="a first line that names the columns",
            hint="put a line before it, such as text,label; if these are names, --input COLUMN --target COLUMN",
        )
    say(
        f"  {table.label}: input {mapping.input[0]}, target {mapping.target}, {mapping.how}; "
        "if that is wrong, name them with --input and --target"
    )
    return mapping


def _siblings(data: Path, base: Path) -> dict[str, list[str]]:
    """Return the validation and test files beside a file called train: they are the official ones."""
    if not data.is_file() or not data.name.lower().startswith("train"):
        return {}
    found: dict[str, list[str]] = {}
    for part, names in _HELD_OUT.items():
        for name in names:
            rest = data.name[len("train") :]
            candidates = (data.with_name(name + rest), data.with_name(name + "".join(data.suffixes)))
            beside = next((one for one in candidates if one.is_file() and is_known(one)), None)
            if beside is not None:
                found[part] = [_relative(beside, base)]
                say(f"  {beside.name} lies beside {data.name}: taken as data.{part}")
                break
    return found


def _group(table: Table, mapping: Mapping) -> str | None:
    """Return a column that names who wrote a row, if there is one and its values repeat."""
    used = (*mapping.input, mapping.target)
    column = next((one for one in table.columns if one.lower() in _GROUPS and one not in used), None)
    if column is None:
        return None
    values = [row.fields.get(column) for row in table.rows]
    distinct = len({str(value) for value in values})
    return column if 1 < distinct < len(values) else None


def _relative(path: Path, base: Path) -> str:
    return Path(os.path.relpath(path, base)).as_posix()


def _name_for(data: Path) -> str:
    """Return a recipe name from the file's name, or its folder's if the file is just called train or the like."""
    stem = data.resolve().name.split(".")[0]
    if re.fullmatch(r"(train(ing)?|data|examples)[\W\d_]*", stem.lower()):
        stem = data.resolve().parent.name
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40]
    return name or "model"


def _check(text: str, base: Path) -> int:
    """Read and judge all rows as prepare would; returns how many are usable for training."""
    recipe = parse_recipe(text, FILE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gathered = gather(
            RowWorker(recipe, Restored(), None), sources_of(recipe, base), Index(folder / "index"), folder
        )
        decided = decide(recipe, gathered, Restored(), base)
    train = len(decided.parts["train"])
    removed = gathered.read - sum(map(len, decided.parts.values()))
    say(f"  {train:,} usable examples to train on, {removed:,} rows removed (prepare says why)")
    return train


def _text(task: str, name: str, look: Look, *, epochs: int) -> str:
    lines = [
        "# Written by tunesmith init. Every setting, its default and its reason: docs/recipe.md",
        f"name: {_plain(name)}",
        f"task: {task}",
        "base: nano                     # bundled, runs offline; or a Hugging Face name such as Qwen/Qwen3-0.6B",
        "",
        "data:",
        *(f"  {part}: {_flow(files)}" for part, files in look.files.items()),
        *_columns(look),
        *_shares(look),
        "  privacy: {pii: redact}       # e-mails, phones, cards, accounts become [EMAIL], [PHONE], ...",
    ]
    lines += _train(task, epochs) + _evaluate(task)
    return "\n".join(lines) + "\n"


def _columns(look: Look) -> list[str]:
    if look.mapping is None:
        return []
    sources: str = _flow(list(look.mapping.input)) if len(look.mapping.input) > 1 else _plain(look.mapping.input[0])
    group = f", group: {_plain(look.group)}" if look.group else ""
    why = f"    # {look.mapping.how}" if look.mapping.how.startswith("proposed") else ""
    return [f"  columns: {{input: {sources}, target: {_plain(look.mapping.target)}{group}}}{why}"]


def _shares(look: Look) -> list[str]:
    shares = [f"{part}: {share}" for part, share in (("valid", 0.1), ("test", 0.1)) if part not in look.files]
    return (
        [f"  split: {{{', '.join(shares)}}}    # held out of train; equal questions never straddle"] if shares else []
    )


def _train(task: str, epochs: int) -> list[str]:
    return [
        "",
        "train:",
        "  method: full                 # nano is small: train every weight; lora for bigger bases",
        f"  epochs: {epochs:<21}# early stopping ends sooner when the validation loss no longer falls",
        *(_PREFERRING if task == "preference" else []),
    ]


_PREFERRING = [
    "  objective: dpo               # chosen above rejected, pair by pair; or kto: the same answers one by one",
    "  preference: {beta: 0.1}      # the larger, the closer to the base",
]


def _evaluate(task: str) -> list[str]:
    own = {"classify": "[base, prompt, linear, majority]", "preference": "[base, length]"}
    baselines = own.get(task, "[base, prompt]")
    return ["", "evaluate:", f"  baselines: {baselines}   # does tuning pay? measured against these"]


def _flow(items: list[str]) -> str:
    return "[" + ", ".join(map(_plain, items)) + "]"


def _plain(text: str) -> str:
    """Return a YAML scalar: bare where that is safe, else quoted."""
    bare = re.fullmatch(r"[A-Za-z_./][\w./ -]*(?<! )", text) and text.lower() not in _WORDS
    return text if bare else json.dumps(text, ensure_ascii=False)


_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "."}
