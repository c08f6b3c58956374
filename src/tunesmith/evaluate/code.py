"""Code that a model wrote, tested: does it pass, and how likely is it that one of k tries does.

Owns how a program is put together from a prompt, an answer and tests. Does not own the closed process in which it runs
(`sandbox`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.core.progress import steps
from tunesmith.evaluate.sandbox.run import Limits, Outcome, run_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metric import Rows
    from tunesmith.text.examples import Example

LIMITS = Limits(seconds=10.0, memory_bytes=1 << 30)
"""What a program and its tests may take."""

_FENCE = re.compile(r"^[ \t]*```[ \t]*([^\s`]*)[^\n`]*\n(.*?)(?:^[ \t]*```|```[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_PYTHON = ("python", "py", "python3")


@dataclass(frozen=True)
class Problem:
    """A programming problem: ``tests`` is code that raises unless the function ``entry_point`` is right.

    ``prompt`` is code that the answer may go on from. Where ``tests`` defines ``check``, as HumanEval's do, it is
    called with the function.
    """

    tests: str
    entry_point: str = ""
    prompt: str = ""

    def program(self, answer: str) -> str:
        """Return the whole program: an answer that goes on from the prompt is put behind it; one that has the function
        stands alone. Of an answer with fences the code in those of Python counts, or else in those of no language.
        """
        code = _code_in(answer)
        if self.entry_point and re.search(rf"^(?:async )?def {re.escape(self.entry_point)}\b", code, re.MULTILINE):
            code = f"{self._preamble()}\n{code}"
        else:
            code = self.prompt + code
        called = f"\ncheck({self.entry_point})\n" if re.search(r"^def check\(", self.tests, re.MULTILINE) else "\n"
        return f"{code}\n\n{self.tests}\n{called}"

    def _preamble(self) -> str:
        """Return what the prompt has before the function: imports, and functions it may use."""
        start = re.search(rf"^(?:async )?def {re.escape(self.entry_point)}\b", self.prompt, re.MULTILINE)
        return self.prompt[: start.start()] if start else ""


def _code_in(answer: str) -> str:
    fences = [(language.lower(), code) for language, code in _FENCE.findall(answer)]
    python = [code for language, code in fences if language in _PYTHON]
    plain = [code for language, code in fences if not language]
    return "\n\n".join(python or plain) or answer


def tried(problem: Problem, answer: str, limits: Limits = LIMITS) -> Outcome:
    """Run an answer with its tests; the outcome is ``ok`` if it passes.

    Raises:
        SetupError: if this machine cannot close a process in.
    """
    return run_program(problem.program(answer), (), limits)


def pass_at_k(tries: int, passes: int, k: int) -> float:
    """Return the unbiased estimate that at least one of k tries passes, from more tries of which some pass.

    Raises:
        ValueError: unless 0 <= passes <= tries and 1 <= k <= tries.

    Source: Chen et al. 2021, "Evaluating large language models trained on code", equation 1.
    """
    if not (0 <= passes <= tries and 1 <= k <= tries):
        raise ValueError(f"{k} of {tries} tries, {passes} of which pass")
    return 1.0 - math.comb(tries - passes, k) / math.comb(tries, k)


def mean_pass_at_k(results: Sequence[Sequence[bool]], k: int) -> float:
    """Return the mean of `pass_at_k` over problems, each with its tries.

    Raises:
        ValueError: as `pass_at_k`.
    """
    return float(np.mean([pass_at_k(len(tries), sum(tries), k) for tries in results]))


def code_columns(rows: Rows) -> Columns:
    """Return ``passes``: whether the answer's code passes its tests; ``has_tests``: whether the row has any.

    Raises:
        DataError: for tests that are no text.
        SetupError: if this machine cannot close a process in.
    """
    problems = [problem_of(example) for example in rows.examples]
    passes = []
    with steps("running code", len(problems)) as bar:
        for problem, text in zip(problems, rows.answers.texts, strict=True):
            passes.append(problem is not None and tried(problem, text).status == "ok")
            bar.advance(1)
    return {"passes": np.array(passes, dtype=bool), "has_tests": np.array([one is not None for one in problems])}


def problem_of(example: Example) -> Problem | None:
    """Return the problem of a row that keeps ``test``, and maybe ``entry_point`` and ``prompt``; None without tests.

    Raises:
        DataError: if one of them is no text.
    """
    own = {key: example.kept.get(key) or "" for key in ("test", "entry_point", "prompt")}
    if odd := [key for key, value in own.items() if not isinstance(value, str)]:
        raise DataError(f"row {example.row_id}: {odd[0]} is {type(own[odd[0]]).__name__}", expected="code as text")
    return Problem(own["test"], own["entry_point"], own["prompt"]) if own["test"] else None
