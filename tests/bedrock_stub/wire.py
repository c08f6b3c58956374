"""The wire: which operation a request is, what it says, whether it may say so, and how an answer is written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session
from botocore.validate import ParamValidator

SERVICES = ("bedrock", "bedrock-runtime")


class Refused(Exception):
    """An error of the service: its code, as ``ValidationException``, and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Operation:
    name: str
    model: Any
    path: re.Pattern[str]
    method: str

    @property
    def status(self) -> int:
        return int(self.model.http["responseCode"])


@cache
def operations() -> tuple[Operation, ...]:
    """Return every operation that botocore knows of the two services."""
    session = botocore.session.get_session()
    found = []
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            one = model.operation_model(name)
            path = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", one.http["requestUri"])
            found.append(Operation(name, one, re.compile(path + "/?"), one.http["method"]))
    return tuple(found)


def operation(name: str) -> Operation:
    return next(one for one in operations() if one.name == name)


def error_status(code: str) -> int:
    session = botocore.session.get_session()
    for service in SERVICES:
        model = session.get_service_model(service)
        if code in model.shape_names:
            return int(model.shape_for(code).metadata["error"]["httpStatusCode"])
    raise KeyError(code)


def read(method: str, target: str, body: bytes) -> tuple[Operation, dict[str, Any]]:
    """Return the operation and its parameters; ids in the path are URL-decoded, as names and as ARNs.

    Raises:
        Refused: for a path that is none, a parameter that is unknown or does not fit its description.
    """
    url = urlsplit(target)
    for one in operations():
        if one.method == method and (match := one.path.fullmatch(url.path)):
            break
    else:
        raise Refused("ResourceNotFoundException", f"no operation {method} {url.path}")
    given: dict[str, Any] = {name: unquote(value) for name, value in match.groupdict().items()}
    given |= {name: _typed(one.model.input_shape.members[name], value) for name, value in parse_qsl(url.query)}
    given |= json.loads(body) if body else {}
    if unfit := next(iter(_unfit(given, one.model.input_shape, "")), None):
        raise Refused("ValidationException", f"1 validation error detected: {unfit}")
    return one, given


def _typed(shape: Any, value: str) -> Any:
    return int(value) if shape.type_name == "integer" else value


def _unfit(value: Any, shape: Any, where: str) -> list[str]:
    """Return what a request may not say, which boto3 itself does not look at: patterns, lengths, ranges, words."""
    if getattr(shape, "is_document_type", False):
        return []
    if shape.type_name == "structure":
        missing = [f"{where}{name} is required" for name in shape.required_members if name not in value]
        unknown = [f"{where}{name} is unknown" for name in value if name not in shape.members]
        inner = [
            _unfit(one, shape.members[name], f"{where}{name}.") for name, one in value.items() if name in shape.members
        ]
        return missing + unknown + [line for lines in inner for line in lines]
    if shape.type_name == "list":
        inner = [_unfit(one, shape.member, f"{where}{place}.") for place, one in enumerate(value)]
        return _outside(len(value), shape, where) + [line for lines in inner for line in lines]
    if shape.type_name == "map":
        return [f"{where}{name} is no string" for name, one in value.items() if not isinstance(one, str)]
    return _unfit_scalar(value, shape, where)


def _unfit_scalar(value: Any, shape: Any, where: str) -> list[str]:
    size = len(value) if isinstance(value, str) else value
    found = _outside(size, shape, where) if isinstance(size, int | float) else []
    pattern = shape.metadata.get("pattern")
    if pattern and isinstance(value, str) and not re.fullmatch(pattern.replace(r"\\", "\\"), value):
        found.append(f"Value '{value}' at '{where[:-1]}' failed to satisfy constraint: regular expression {pattern}")
    words = shape.metadata.get("enum")
    if words and value not in words:
        found.append(f"Value '{value}' at '{where[:-1]}' failed to satisfy constraint: one of {words}")
    return found


def _outside(size: float, shape: Any, where: str) -> list[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        return [f"Value at '{where[:-1]}' failed to satisfy constraint: between {least} and {most}"]
    return []


def written(one: Operation, answer: dict[str, Any]) -> bytes:
    """Return the body of an answer.

    Raises:
        AssertionError: if botocore would not know it; a fault of this stub.
    """
    shape = one.model.output_shape
    if shape is None:
        assert not answer
        return b"{}"
    report = ParamValidator().validate(answer, shape)
    assert not report.has_errors(), f"{one.name}: {report.generate_report()}"
    faults = _unfit(answer, shape, "")
    assert not faults, f"{one.name}: {faults}"
    return json.dumps(answer, default=_plain).encode()


def _plain(value: Any) -> str:
    assert isinstance(value, datetime)
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
