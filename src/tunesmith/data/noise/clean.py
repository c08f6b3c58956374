"""Noise out of a row: its texts mended, its turns in order, every change on record.

Owns which repair is given which text, and redaction of personal data in rows; every change is a `Repair`. Does not
own the repairs (`fixes`, `turns`), patterns of personal data (`text.redact`), what is only judged (`judge`), nor
whether the row is usable afterwards (`check`).

Chats keep their inner whitespace (code is indented), and HTML is left alone where a row is about code or web pages.
Labels of a classification are never changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from tunesmith.core.ids import digest_bytes
from tunesmith.data.noise.fixes import (
    asks_for_script,
    fix_control,
    fix_encoding,
    fix_fence,
    fix_furniture,
    fix_html,
    fix_json,
    fix_merged,
    fix_no_input,
    fix_outer_whitespace,
    fix_whitespace,
    speaks_of_markup,
    writes_pages,
)
from tunesmith.data.noise.turns import fix_turns, in_order
from tunesmith.data.originals import Original
from tunesmith.data.restore import Restored
from tunesmith.data.rows import Repair, Row, RowFault, shortened, to_json
from tunesmith.text.names import NameFinder
from tunesmith.text.redact import PII, SECRETS, Placeholders, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tunesmith.recipe import Clean, Privacy, Recipe
    from tunesmith.text.examples import Message

    Fix = Callable[[str, str], str]
    """Takes a text and the question it answers (itself, if it is the question)."""


def _html(text: str, asked: str) -> str:
    if text is asked and "<img" in text:
        text = _PICTURE.sub("[image]", text)  # a picture the row does not hold: `judge` sees it
    fixed = fix_html(text)
    if fixed != text and (speaks_of_markup(asked) or ("<script" in text.lower() and asks_for_script(asked))):
        return text
    return fixed


_PICTURE = re.compile(r"<img\b[^<>]{0,2000}>", re.IGNORECASE)


def _furniture(text: str, asked: str) -> str:
    fixed = fix_furniture(text)
    return text if fixed != text and writes_pages(fix_furniture(asked)) else fixed


def _alone(fix: Callable[[str], str]) -> Fix:
    return lambda text, asked: fix(text)


_JSON = _alone(fix_json)


def _fixes(clean: Clean, task: str) -> dict[str, list[tuple[str, str, Fix]]]:
    """Return the repairs of each role's texts, in their order: rule, action, repair."""
    free = task in ("chat", "preference")
    every = [
        ("encoding", clean.encoding, _alone(fix_encoding)),
        ("html", clean.html, _html),
        ("control", clean.control, _alone(fix_control)),
    ]
    space = [("whitespace", clean.whitespace, _alone(fix_outer_whitespace if free else fix_whitespace))]
    page = [("furniture", clean.furniture, _furniture)] if free else []
    asked = [("no_input", clean.no_input, _alone(fix_no_input))] if free else []
    told = [("merged", clean.merged, fix_merged), ("code_fence", clean.code_fence, _alone(fix_fence))] if free else []
    roles = {"user": every + page + asked + space, "assistant": every + page + told + space, "": every + space}
    return {role: [one for one in fixes if one[1] != "off"] for role, fixes in roles.items()}


KINDS_OF = {"pii": PII, "secret": SECRETS}
"""The kinds of what is redacted, by the rule that redacts them."""


class Cleaner:
    """Cleans rows one by one; keeps every repair in `repairs` and what was redacted in `originals`."""

    def __init__(self, recipe: Recipe, restored: Restored = Restored()) -> None:  # noqa: B008 frozen
        clean = recipe.data.clean
        self._restored = restored
        self.task, self.privacy = recipe.task, recipe.data.privacy
        self.redacted = _redacted_kinds(recipe.data.privacy)
        self.flagged = _flagged_kinds(recipe.data.privacy)
        self.turns, self.almost_json = clean.turns, clean.almost_json
        self.fixes = _fixes(clean, recipe.task)
        self.repairs: list[Repair] = []
        self.originals: list[Original] = []
        self.names = NameFinder(recipe.data.privacy.ner) if recipe.data.privacy.ner else None
        self._placeholders = Placeholders()
        self._secrets: list[tuple[str, int]] = []
        self._undone: frozenset[str] = frozenset()

    def clean(self, row: Row) -> None:
        """Repair a row in place.

        Raises:
            RowFault: if a kind of noise is found whose action is ``remove``; the row is as it was. A secret whose
                action is ``remove`` is redacted in the row all the same, so that a restored row has none.
        """
        repairs: list[Repair] = []
        self._placeholders, self._secrets = Placeholders(_all_texts(row)), []
        self._undone = self._undone_in(row)
        messages = self._ordered(row, repairs)
        rest = row.rejected or []
        self._expect_names(messages, rest)
        asked = ""
        texts: list[tuple[Message, str]] = []
        for where, number, message in _fields(messages, rest, self.task):
            text = message["content"]
            if message["role"] == "user":
                asked = text
            fixed = self._field(row, messages, (where, number), asked, message, repairs)
            if fixed is not text:
                texts.append((message, fixed))
        calls = [(call, self._arguments(row, name, call, repairs)) for name, call in _calls(messages, rest)]
        row.messages = messages
        for message, text in texts:
            message["content"] = text
        for call, arguments in calls:
            call["arguments"] = arguments
        self.repairs += repairs
        if self._secrets and self.privacy.secrets == "remove":
            raise RowFault("secret", **_secret_evidence(self._secrets))

    def read_ahead(self, rows: Iterable[Row]) -> None:
        """Look for names in the texts of many rows together, which is faster; without `names`, nothing."""
        if self.names is not None:
            texts = (
                one["content"] for row in rows for _, _, one in _fields(row.messages, row.rejected or [], self.task)
            )
            self.names.read_ahead(texts)

    def take_over(self, other: Cleaner) -> None:
        """Make another cleaner's repairs and originals this one's."""
        self.repairs += other.repairs
        self.originals += other.originals
        other.repairs.clear()
        other.originals.clear()

    def _expect_names(self, messages: list[Message], rejected: list[Message]) -> None:
        """Note the people of a whole conversation first, since one text may name them so that the model sees it."""
        if self.names is None:
            return
        for _, _, message in _fields(messages, rejected, self.task):
            text = message["content"]
            for start, end, kind in self.names(text):
                if kind == "NAME" and "[" not in text[max(start - 1, 0) : end]:
                    self._placeholders.expect(text[start:end])

    def _ordered(self, row: Row, repairs: list[Repair]) -> list[Message]:
        """Return a row's messages with turns in order."""
        if self.turns == "off" or in_order(row.messages):
            return row.messages
        ordered = fix_turns(row.messages)
        if len(ordered) == len(row.messages):
            return row.messages
        before = shortened(self.safe(to_json(row.messages)))
        if self.turns == "remove":
            raise RowFault("turns", found=[message["role"] for message in row.messages])
        repaired = self.turns == "repair" and not self._restored.undoes(row.row_id, "turns")
        after = ", ".join(message["role"] for message in ordered) if repaired else None
        repairs.append(Repair(row.row_id, "messages", "turns", before, after))
        return ordered if repaired else row.messages

    def _field(
        self, row: Row, messages: list[Message], name: Place, asked: str, message: Message, repairs: list[Repair]
    ) -> str:
        text: str = message["content"]
        fixes = self.fixes.get(message["role"], self.fixes[""])
        if self.task == "extract" and message is messages[-1]:
            # the texts inside are cleaned as the input is, so that they still occur in it
            if self.almost_json != "off":
                text = self._apply(row, name, text, asked, [("almost_json", self.almost_json, _JSON)], repairs)
            return _in_json(text, lambda leaf: self._text(row, name, leaf, asked, self.fixes[""], repairs))
        return self._text(row, name, text, asked, fixes, repairs)

    def _arguments(self, row: Row, name: Place, call: dict[str, Any], repairs: list[Repair]) -> Any:
        """Return the arguments of a tool call without personal data; nothing else is changed in them."""
        arguments = call["arguments"]
        change = _in_json if isinstance(arguments, str) else _map_strings
        return change(arguments, lambda leaf: self._without_pii(row, name, leaf, repairs))

    def _text(
        self, row: Row, name: Place, text: str, asked: str, fixes: list[tuple[str, str, Fix]], repairs: list[Repair]
    ) -> str:
        return self._without_pii(row, name, self._apply(row, name, text, asked, fixes, repairs), repairs)

    def _apply(
        self, row: Row, name: Place, text: str, asked: str, fixes: list[tuple[str, str, Fix]], repairs: list[Repair]
    ) -> str:
        for rule, action, fix in fixes:
            fixed = fix(text, asked)
            if fixed == text:
                continue
            if action == "remove":
                raise RowFault(rule, field=_named(name), before=shortened(self.safe(text), 300))
            repaired = fixed if action == "repair" and not self._restored.undoes(row.row_id, rule) else None
            repairs.append(Repair(row.row_id, _named(name), rule, self.safe(text), self.safe_or_none(repaired)))
            text = text if repaired is None else repaired
        return text

    def _without_pii(self, row: Row, name: Place, text: str, repairs: list[Repair]) -> str:
        """Return text without what the recipe says to redact; the record says how many of which kind, never what."""
        if flagged := self.flagged | self._undone:
            _, counts = redact(text, flagged, names=self.names)
            self._record(row, name, counts, None, repairs)
        if not (kinds := self.redacted - self._undone):
            return text
        redacted, counts = redact(text, kinds, self._placeholders, self.names)
        if not counts:
            return text
        self._keep(row.row_id, _named(name), self._placeholders)
        if "SECRET" in counts:
            self._secrets.append((_named(name), counts["SECRET"]))
        self._record(row, name, counts, redacted, repairs)
        return redacted

    def _undone_in(self, row: Row) -> frozenset[str]:
        """Return the kinds that the recipe redacts and that the user wants to stay in this row."""
        undone = [kinds for rule, kinds in KINDS_OF.items() if self._restored.undoes(row.row_id, rule)]
        return self.redacted.intersection(frozenset().union(*undone)) if undone else frozenset()

    def _record(self, row: Row, name: Place, counts: dict[str, int], after: str | None, repairs: list[Repair]) -> None:
        for rule, kinds in KINDS_OF.items():
            found = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()) if kind in kinds)
            if found:
                repairs.append(Repair(row.row_id, _named(name), rule, f"(not kept: {found})", after))

    def _keep(self, row_id: str, field: str, placeholders: Placeholders) -> None:
        self.originals += (Original(row_id, field, *one) for one in placeholders.given)
        placeholders.given.clear()

    def safe_removed(self, row_id: str, text: str) -> str:
        """As `safe`, of what is kept of a removed row; what is redacted in it is in `originals`."""
        placeholders = Placeholders((text,))
        redacted = redact(text, self.redacted, placeholders, self.names)[0] if self.redacted else text
        self._keep(row_id, "removed.text", placeholders)
        return redacted

    def group_name(self, group: str | None) -> str | None:
        """Return a group's value, or its digest if it is personal data: groups are compared, nobody reads them."""
        if group is None or self.safe(group) == group:
            return group
        return f"group {digest_bytes(group.encode('utf-8', 'surrogatepass'), hex_digits=16)}"

    def safe(self, text: str) -> str:
        """Return text without what the recipe says to redact or remove; what is kept for the record uses it."""
        return redact(text, self.redacted, names=self.names)[0] if self.redacted else text

    def safe_or_none(self, text: str | None) -> str | None:
        """As `safe`; None stays None."""
        return None if text is None else self.safe(text)


def _redacted_kinds(privacy: Privacy) -> frozenset[str]:
    """Return the kinds that are redacted; a secret that removes its row is, too, in what is kept of the row."""
    pii = PII if privacy.pii == "redact" else frozenset()
    return pii | (SECRETS if privacy.secrets in ("redact", "remove") else frozenset())


def _flagged_kinds(privacy: Privacy) -> frozenset[str]:
    return (PII if privacy.pii == "flag" else frozenset()) | (SECRETS if privacy.secrets == "flag" else frozenset())


def _all_texts(row: Row) -> Iterator[str]:
    """Yield a row's conversation as one text, when it is asked for: few rows have personal data."""
    yield to_json([row.messages, row.rejected])


def _secret_evidence(found: list[tuple[str, int]]) -> dict[str, Any]:
    return {"fields": [place for place, _ in found], "secrets": sum(count for _, count in found)}


Place = tuple[str, int] | tuple[str, int, int]
"""Where a text is: ``messages`` or ``rejected``, which message, which of its tool calls."""


def _named(place: Place) -> str:
    """Return the name of a place in ``repairs.parquet``: ``messages[1].tool_calls[0]``."""
    return f"{place[0]}[{place[1]}]" + (f".tool_calls[{place[2]}]" if len(place) == 3 else "")


def _fields(messages: list[Message], rejected: list[Message], task: str) -> Iterator[tuple[str, int, Message]]:
    """Yield the messages whose text is cleaned, and where they are."""
    last = len(messages) - 1
    for number, message in enumerate(messages):
        if isinstance(message.get("content"), str) and not (task == "classify" and number == last):
            yield "messages", number, message
    for number, message in enumerate(rejected):
        if isinstance(message.get("content"), str):
            yield "rejected", number, message


def _calls(messages: list[Message], rejected: list[Message]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the functions of all tool calls, and where they are."""
    for where, part in (("messages", messages), ("rejected", rejected)):
        for number, message in enumerate(part):
            for place, call in enumerate(message.get("tool_calls", [])):
                if "arguments" in call["function"]:
                    yield (where, number, place), call["function"]


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
