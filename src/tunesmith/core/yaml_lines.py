"""YAML that remembers its lines, so that an error can say where.

Owns parsing text into plain values plus a map from key path to line. Refuses duplicate keys, which YAML
readers otherwise let pass in silence. Does not own what the keys mean (`recipe`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from tunesmith.core.errors import RecipeError

_NO_TEXT = re.compile("[\x00\ud800-\udfff]")

Path_ = tuple[str | int, ...]


@dataclass
class YamlDocument:
    """A parsed document: its value, and the 1-based line of every key path in it."""

    value: Any
    lines: dict[Path_, int] = field(default_factory=dict)

    def line_of(self, path: Path_) -> int | None:
        """Return the line of a key path, or of its nearest ancestor that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def parse_yaml(text: str, where: str) -> YamlDocument:
    """Parse one YAML document with the safe loader.

    Raises:
        RecipeError: naming file and line, if it is no YAML or a key occurs twice.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        document = YamlDocument(None)
        if node is not None:
            _walk(node, (), document, where)
            document.value = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark else where
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        starred = mark is not None and any(line.lstrip(" [-,:").startswith("*") for line in _written(text, mark.line))
        raise RecipeError(
            f"{place}: not valid YAML: {problem}",
            expected="key: value lines, two-space indents",
            hint='put what begins with * into quotes: "*.jsonl"' if starred else "",
        ) from error
    except RecursionError as error:
        raise RecipeError(f"{where}: nested too deeply to be a recipe") from error
    finally:
        loader.dispose()
    return document


def _written(text: str, line: int) -> list[str]:
    """Return the pieces of a line in which a value could begin."""
    lines = text.splitlines()
    return re.split(r"[:,\[]|- ", lines[line]) if line < len(lines) else []


def _walk(node: yaml.Node, path: Path_, document: YamlDocument, where: str) -> None:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode) and (odd := _NO_TEXT.search(node.value)):
        dotted = ".".join(map(str, path)) or "the recipe"
        raise RecipeError(
            f"{where}:{node.start_mark.line + 1}: {dotted} holds the character U+{ord(odd[0]):04X}, which is no text",
            expected="letters, digits, signs",
            hint="remove the escape",
        )
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), document, where)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = str(key.value)
        if name in seen and name != "<<":
            dotted = ".".join(map(str, (*path, name)))
            raise RecipeError(
                f"{where}:{line}: {dotted!r} is given twice (first in line {seen[name]})",
                hint="delete one of the two",
            )
        seen[name] = line
        document.lines[(*path, name)] = line
        _walk(value, (*path, name), document, where)
