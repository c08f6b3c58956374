"""Noise out of the text of a row: broken encoding, HTML left by web forms, control characters, stray whitespace.

Owns the four repairs and redaction of personal data in rows; every change is a `Repair`. Does not own patterns of
personal data (`text.redact`) nor whether the row is usable afterwards (`check`).

Chats keep their inner whitespace (code is indented), and HTML is left alone in text that shows code.
Labels of a classification are never changed.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import ftfy
import orjson

from tunesmith.data.rows import Repair, Row, RowFault, shortened, to_json
from tunesmith.text.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tunesmith.recipe import Recipe
    from tunesmith.text.examples import Message

Fix = "Callable[[str], str]"
_TAG_NAMES = (
    "p|br|div|span|b|i|u|em|strong|small|font|ul|ol|li|hr|h[1-6]|blockquote|table|tbody|thead|tr|td|th|img|center"
)
_TAG = re.compile(rf"</?(?:{_TAG_NAMES}|a(?=[\s>]|/))(?:\s[^<>]{{0,500}})?/?>", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h[1-6]|blockquote)>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_CODE = re.compile(r"`|<!DOCTYPE|<html|<script|<body|</?code|<\?xml", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
_RUNS = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n+")
_LINE_ENDS = re.compile(r"[ \t]+(?=\n)")
_ODD_SPACE = re.compile(r"^\s|\s$|\s\s|[^\S \n]")


def fix_encoding(text: str) -> str:
    """Undo text in one encoding that was read as another (``CafÃ©`` to ``Café``)."""
    return text if text.isascii() else ftfy.fix_encoding(text)


def fix_html(text: str) -> str:
    """Drop the tags and resolve the entities a web form leaves; text that shows code stays as it is."""
    if ("<" not in text and "&" not in text) or _CODE.search(text):
        return text
    if _TAG.search(text):
        text = _TAG.sub(" ", _BREAK.sub("\n", text)).strip()
    return _ENTITY.sub(lambda found: html.unescape(found[0]).replace("\xa0", " "), text)


def fix_control(text: str) -> str:
    """Drop control, zero-width and direction characters, and make line ends ``\\n``."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text)


def fix_whitespace(text: str) -> str:
    """Make runs of spaces one space, blank lines at most one, and nothing at the ends."""
    if not _ODD_SPACE.search(text):
        return text
    lines = (_RUNS.sub(" ", line).strip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def fix_outer_whitespace(text: str) -> str:
    """As `fix_whitespace`, but the beginning and inside of lines stay if there are several: they may be code."""
    text = _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("", text)).rstrip().lstrip("\n")
    return text if "\n" in text else text.strip()


class Cleaner:
    """Cleans rows one by one and keeps every repair in `repairs`."""

    def __init__(self, recipe: Recipe) -> None:
        clean = recipe.data.clean
        free = recipe.task in ("chat", "preference")
        self.task, self.pii = recipe.task, recipe.data.privacy.pii
        self.fixes: list[tuple[str, str, Callable[[str], str]]] = [
            ("encoding", clean.encoding, fix_encoding),
            ("html", clean.html, fix_html),
            ("control", clean.control, fix_control),
            ("whitespace", clean.whitespace, fix_outer_whitespace if free else fix_whitespace),
        ]
        self.repairs: list[Repair] = []

    def clean(self, row: Row) -> None:
        """Repair a row in place.

        Raises:
            RowFault: if a kind of noise is found whose action is ``remove``; the row is as it was.
        """
        repairs: list[Repair] = []
        texts = [(message, self._field(row, name, message, repairs)) for name, message in _fields(row, self.task)]
        calls = [(call, self._arguments(row, name, call, repairs)) for name, call in _calls(row)]
        for message, text in texts:
            message["content"] = text
        for call, arguments in calls:
            call["arguments"] = arguments
        self.repairs += repairs

    def _field(self, row: Row, name: str, message: Message, repairs: list[Repair]) -> str:
        text: str = message["content"]
        if self.task == "extract" and message is row.answer:
            # the texts inside are cleaned as the input is, so that they still occur in it
            return _in_json(text, lambda leaf: self._text(row, name, leaf, repairs))
        return self._text(row, name, text, repairs)

    def _arguments(self, row: Row, name: str, call: dict[str, Any], repairs: list[Repair]) -> Any:
        """Return the arguments of a tool call without personal data; nothing else is changed in them."""
        arguments = call["arguments"]
        change = _in_json if isinstance(arguments, str) else _map_strings
        return change(arguments, lambda leaf: self._without_pii(row, name, leaf, repairs))

    def _text(self, row: Row, name: str, text: str, repairs: list[Repair]) -> str:
        for rule, action, fix in self.fixes:
            if action == "off":
                continue
            fixed = fix(text)
            if fixed == text:
                continue
            if action == "remove":
                raise RowFault(rule, field=name, before=shortened(self.safe(text), 300))
            repaired = fixed if action == "repair" else None
            repairs.append(Repair(row.row_id, name, rule, self.safe(text), self.safe_or_none(repaired)))
            text = fixed if action == "repair" else text
        return self._without_pii(row, name, text, repairs)

    def _without_pii(self, row: Row, name: str, text: str, repairs: list[Repair]) -> str:
        if self.pii == "off":
            return text
        redacted, counts = redact(text)
        if not counts:
            return text
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        after = redacted if self.pii == "redact" else None
        repairs.append(Repair(row.row_id, name, "pii", f"(not kept: {found})", after))
        return redacted if self.pii == "redact" else text

    def safe(self, text: str) -> str:
        """Return text without personal data, if the recipe asks for that; what is kept for the record uses it."""
        return redact(text)[0] if self.pii == "redact" else text

    def safe_or_none(self, text: str | None) -> str | None:
        """As `safe`; None stays None."""
        return None if text is None else self.safe(text)


def _fields(row: Row, task: str) -> Iterator[tuple[str, Message]]:
    """Yield the messages whose text is cleaned, with the name they have in ``repairs.parquet``."""
    last = len(row.messages) - 1
    for number, message in enumerate(row.messages):
        if isinstance(message.get("content"), str) and not (task == "classify" and number == last):
            yield f"messages[{number}]", message
    for number, message in enumerate(row.rejected or []):
        if isinstance(message.get("content"), str):
            yield f"rejected[{number}]", message


def _calls(row: Row) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the functions of all tool calls, with the name they have in ``repairs.parquet``."""
    for where, messages in (("messages", row.messages), ("rejected", row.rejected or [])):
        for number, message in enumerate(messages):
            for place, call in enumerate(message.get("tool_calls", [])):
                if "arguments" in call["function"]:
                    yield f"{where}[{number}].tool_calls[{place}]", call["function"]


def _in_json(text: str, change: Callable[[str], str]) -> str:
    """Return JSON with every text inside it changed; what is no JSON stays (`check` says so)."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    changed = _map_strings(value, change)
    return text if changed == value else to_json(changed)


def _map_strings(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_strings(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _map_strings(item, change) for key, item in value.items()}
    return value
