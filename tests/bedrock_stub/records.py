"""The rules of a training file's lines, as the service reads them from S3."""

from __future__ import annotations

import json
from typing import Any


def fault(content: bytes, form: str, least: int, most: int) -> str | None:
    """Return what is wrong with a file, in the service's manner; None if nothing is."""
    lines = content.decode().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            return f"line {number} is not valid JSON"
        wrong = (_claude if form == "claude" else _converse)(row)
        if wrong:
            return f"line {number}: {wrong}"
    if not least <= len(lines) <= most:
        return f"the file has {len(lines)} records, allowed are {least} to {most}"
    return None


def _claude(row: Any) -> str | None:
    if not isinstance(row, dict) or not set(row) <= {"system", "messages"}:
        return "only the keys system and messages are allowed"
    if "system" in row and not (isinstance(row["system"], str) and row["system"]):
        return "system must be a non-empty string"
    for one in row.get("messages", []):
        if set(one) != {"role", "content"} or not isinstance(one["content"], str) or not one["content"].strip():
            return "a message has role and content, and content is a non-empty string"
    return _turns(row)


def _converse(row: Any) -> str | None:
    if not isinstance(row, dict) or not set(row) <= {"schemaVersion", "system", "messages"}:
        return "only the keys schemaVersion, system and messages are allowed"
    if row.get("schemaVersion") != "bedrock-conversation-2024":
        return "schemaVersion must be bedrock-conversation-2024"
    parts = [*row.get("system", []), *(part for one in row.get("messages", []) for part in one["content"])]
    if any(set(part) != {"text"} or not part["text"].strip() for part in parts):
        return "content is a list of {text}"
    return _turns(row)


def _turns(row: dict[str, Any]) -> str | None:
    roles = [one["role"] for one in row.get("messages", [])]
    if len(roles) < 2 or len(roles) % 2 or roles != ["user", "assistant"] * (len(roles) // 2):
        return "messages must alternate, beginning with user and ending with assistant"
    return None
