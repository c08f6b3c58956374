"""One value of a YAML document changed in its text: comments, order and layout of all the rest stay as they are.

Owns where a value stands and how a new one is written there. What comes out is read again: if anything but the one
value changed, nothing does. Does not own what the keys mean (`recipe`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from tunesmith.core.errors import RecipeError
from tunesmith.core.yaml_lines import parse_yaml

if TYPE_CHECKING:
    from tunesmith.core.yaml_lines import Path_

_LITERAL = re.compile(r"[^\s](?:.*[^\s])?(?:\n(?:.*[^\s])?)*\n.*[^\s]")
"""A text of several lines that a literal block holds as it is: no space at its ends nor at the end of a line; its first
line tells the indent."""


def with_value(text: str, path: Path_, value: Any, where: str) -> str:
    """Return the document with a value at a key path; sections on the way that are missing or empty are made.

    Args:
        text: one YAML document whose root is a mapping.
        path: keys of mappings, and places in lists that are there.
        value: text, number, truth value, null, or a mapping of them.
        where: the document's name in errors.

    Raises:
        RecipeError: if it is no YAML, or cannot be changed there alone, as what an anchor names.
    """
    before = parse_yaml(text, where).value
    wanted = _set(before, path, value)
    changed = _changed(text, path, value)
    try:
        same = parse_yaml(changed, where).value == wanted
    except RecipeError:
        same = False
    if not same:
        dotted = ".".join(map(str, path))
        raise RecipeError(
            f"{where}: {dotted} cannot be changed without touching more (an anchor, a merge, an odd layout)",
            hint=f"write it by hand: {_inline({str(path[-1]): value})}",
        )
    return changed


def _set(document: Any, path: Path_, value: Any) -> Any:
    """Return a document with another value; what it shares with others by an anchor stays in these."""
    if not path:
        return value
    key, *rest = path
    changed: Any
    if isinstance(key, int):
        changed = list(document)
        changed[key] = _set(changed[key], tuple(rest), value)
        return changed
    changed = dict(document) if isinstance(document, dict) else {}
    changed[key] = _set(changed.get(key), tuple(rest), value)
    return changed


def _changed(text: str, path: Path_, value: Any) -> str:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
    finally:
        loader.dispose()
    for depth, key in enumerate(path):
        rest = path[depth + 1 :]
        found = _child(node, key)
        if found is None:
            return _inserted(text, node, str(key), _nested(rest, value), top=depth == 0)
        if not rest or not isinstance(found, yaml.CollectionNode):
            return _replaced(text, node, found, _nested(rest, value))
        node = found
    raise ValueError("the path is empty")


def _child(node: Any, key: str | int) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return node.value[int(key)]
    return next((value for name, value in node.value if name.value == key), None)


def _nested(path: Path_, value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _replaced(text: str, parent: Any, node: Any, value: Any) -> str:
    """Return the text with another value in place of a node's."""
    start, end = node.start_mark.index, _end(node, text)
    blank_after = not text[end:].split("\n", 1)[0].strip()
    indent = _column(parent)
    in_list = isinstance(parent, yaml.SequenceNode) and isinstance(value, dict)
    one_line = parent.flow_style or not blank_after or in_list
    written = _inline(value) if one_line else _block(value, indent)
    if isinstance(value, dict) and written.startswith("\n"):
        start = len(text[:start].rstrip(" "))
    elif start and text[start - 1] not in " \n[{":
        written = f" {written}"  # `key:` with nothing behind it
    return text[:start] + _in_lines_of(text, written) + text[end:]


def _inserted(text: str, parent: Any, key: str, value: Any, *, top: bool) -> str:
    """Return the text with another entry at the end of a mapping."""
    if parent.flow_style:
        if not parent.value:
            brace = parent.end_mark.index - 1
            return f"{text[: parent.start_mark.index + 1]}{key}: {_inline(value)}{text[brace:]}"
        end = _end(parent.value[-1][1], text)
        return f"{text[:end]}, {key}: {_inline(value)}{text[end:]}"
    end = _end(parent.value[-1][1], text)
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    indent = _column(parent)
    written = _block(value, indent)
    apart = "\n" if top and re.search(r"\n\r?\n", text) else ""
    entry = f"{apart}\n{' ' * indent}{key}:{written if written.startswith(chr(10)) else f' {written}'}"
    before = text[:line_end].removesuffix("\r")
    return before + _in_lines_of(text, entry) + text[len(before) :]


def _in_lines_of(text: str, written: str) -> str:
    """Return what is written with the line ends of the document."""
    return written.replace("\n", "\r\n") if "\r\n" in text else written


def _column(mapping: Any) -> int:
    """Return how far a mapping's keys, or a list's items, are indented."""
    first = mapping.value[0][0] if isinstance(mapping, yaml.MappingNode) else mapping.value[0]
    return int(first.start_mark.column)


def _end(node: Any, text: str) -> int:
    """Return where a node's own text ends, without the blank lines and comments behind it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, yaml.MappingNode) else last, text)
    start, end = node.start_mark.index, node.end_mark.index
    return int(start) + len(text[start:end].rstrip())


def _inline(value: Any) -> str:
    """Return a value in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str):
        return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=float("inf")).rstrip("\n")
    return "null" if value is None else str(value).lower()


def _block(value: Any, indent: int) -> str:
    """Return a value behind a key that is so far indented: several lines as a literal block, mappings key by key."""
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        entries = ((key, _block(one, indent + 2)) for key, one in value.items())
        return "".join(f"\n{inner}{key}:{one if one.startswith(chr(10)) else f' {one}'}" for key, one in entries)
    if isinstance(value, str) and "\n" in value and _LITERAL.fullmatch(value) and value.isascii() and "\t" not in value:
        return "|-" + "".join(f"\n{inner}{line}" if line else "\n" for line in value.split("\n"))
    return _inline(value)
