"""Formulas of a ``multi`` grader: arithmetic on the scores of other graders, and nothing else.

Owns which signs and functions there are, which are those that OpenAI's graders have. Nothing is run as code.
"""

from __future__ import annotations

import ast
import math
import operator
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_SIGNS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: math.pow, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min, "max": max, "abs": abs, "floor": math.floor, "ceil": math.ceil, "exp": math.exp, "sqrt": math.sqrt,
    "log": math.log,
}  # fmt: skip
_LONGEST = 2000
_DEEPEST = 100
_EXPECTED = "numbers, keys of graders, + - * / ^, brackets, and " + ", ".join(sorted(_FUNCTIONS))


class Formula:
    """A formula of some names.

    Raises:
        RecipeError: (when made) for anything but arithmetic on the names.
    """

    def __init__(self, text: str, names: Collection[str], where: str) -> None:
        if len(text) > _LONGEST:
            raise RecipeError(f"{where}: {len(text):,} characters", expected=f"at most {_LONGEST:,}")
        self.where = where
        try:
            self.tree = ast.parse(" ".join(text.split()).replace("^", "**"), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise RecipeError(f"{where}: {text!r} is no formula", expected=_EXPECTED) from error
        self._check(self.tree, names, _DEEPEST)

    def value(self, scores: Mapping[str, float]) -> float:
        """Return the formula's number.

        Raises:
            ArithmeticError: if there is none, as of a division by 0.
        """
        try:
            found = float(_value(self.tree, scores))
        except ValueError as error:  # of the root or the logarithm of a negative number
            raise ArithmeticError(str(error)) from error
        if not math.isfinite(found):
            raise ArithmeticError(f"it is {found}")
        return found

    def _check(self, node: ast.AST, names: Collection[str], depth: int) -> None:
        if depth == 0:
            raise RecipeError(f"{self.where}: more than {_DEEPEST} operations inside one another")
        if isinstance(node, ast.Name):
            if node.id not in names:
                raise RecipeError(f"{self.where}: no grader {node.id!r}", hint=did_you_mean(node.id, names))
            return
        parts: list[Any]
        if isinstance(node, ast.BinOp | ast.UnaryOp) and type(node.op) in _SIGNS:
            parts = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.operand]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
            self._check_arguments(node, node.func.id)
            parts = list(node.args)
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            parts = []
        else:
            raise RecipeError(f"{self.where}: {ast.unparse(node)!r} is no arithmetic", expected=_EXPECTED)
        for part in parts:
            self._check(part, names, depth - 1)

    def _check_arguments(self, node: ast.Call, name: str) -> None:
        several = name in ("min", "max")
        if node.keywords or (len(node.args) < 2 if several else len(node.args) != 1):
            count = "two or more numbers" if several else "one number"
            raise RecipeError(f"{self.where}: {ast.unparse(node)!r}", expected=f"{name} of {count}")


def _value(node: Any, scores: Mapping[str, float]) -> float:
    if isinstance(node, ast.Name):
        return scores[node.id]
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp):
        return _SIGNS[type(node.op)](_value(node.operand, scores))
    if isinstance(node, ast.BinOp):
        return _SIGNS[type(node.op)](_value(node.left, scores), _value(node.right, scores))
    arguments = [_value(one, scores) for one in node.args]
    return _FUNCTIONS[node.func.id](*arguments)
