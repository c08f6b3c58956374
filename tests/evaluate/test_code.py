"""Code that is tested: HumanEval's own solutions pass, and programs that are not right do not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closed import needs_closed_process
from graded import columns_of, examples_of, metric_of, recipe_of
from tunesmith.core.errors import DataError
from tunesmith.evaluate.code import Problem, mean_pass_at_k, pass_at_k, tried

pytestmark = needs_closed_process

ADD = Problem(
    "def check(candidate):\n    assert candidate(2, 3) == 5\n", "add", "import math\n\ndef add(a, b):\n    '''Add.'''\n"
)


@pytest.mark.parametrize(
    "answer",
    [
        "    return a + b\n",
        "def add(a, b):\n    return a + b",
        "def add(a, b):\n    return math.fsum([a, b])",
        "Here it is:\n```python\ndef add(a, b):\n    return a + b\n```\nIt adds.",
        "```\n    return a + b\n```",
        "```bash\npip install nothing\n```\nThen:\n```python3\ndef add(a, b):\n    return a + b\n```",
        "```python\ndef add(a, b):\n    return a + b```\nIt prints:\n```\nfive, for 2 and 3\n```",
        "1. Write:\n   ```python title=x\ndef add(a, b):\n    return a + b\n   ```",
        "from functools import reduce\nadd = None\ndef add(a, b):\n    return a + b",
    ],
)
def test_right_code_passes_in_every_way_models_write_it(answer):
    assert tried(ADD, answer).status == "ok"


@pytest.mark.parametrize(
    "answer",
    [
        "    return a - b\n",
        "",
        "def other(a, b):\n    return 5",
        "I cannot.",
        "    raise SystemExit\n",
        "def check(f):\n    pass",
    ],
)
def test_wrong_code_fails(answer):
    assert tried(ADD, answer).status != "ok"


def test_tests_without_a_check_run_as_they_are():
    assert tried(Problem("assert add(1, 1) == 2", "add"), "def add(a, b): return a + b").status == "ok"
    assert tried(Problem("assert add(1, 1) == 2", "add"), "def add(a, b): return 3").status == "error"


@pytest.mark.slow
def test_humaneval(shared_data):
    """Its own solutions pass; the same cut off at their last return do not."""
    rows = [json.loads(line) for line in (shared_data("humaneval") / "humaneval_half.jsonl").read_text().splitlines()]
    for row in rows:
        problem = Problem(row["test"], row["entry_point"], row["prompt"])
        assert tried(problem, row["canonical_solution"]).status == "ok", row["task_id"]
    for row in rows[::4]:
        problem = Problem(row["test"], row["entry_point"], row["prompt"])
        assert tried(problem, "    return None\n" + row["canonical_solution"]).status == "error", row["task_id"]


def test_pass_at_k_by_hand():
    assert pass_at_k(5, 1, 1) == pytest.approx(0.2)
    assert pass_at_k(5, 2, 3) == pytest.approx(1 - 1 / 10)
    assert pass_at_k(3, 0, 3) == 0 and pass_at_k(3, 1, 3) == 1
    assert mean_pass_at_k([[True, False], [False, False]], 1) == 0.25
    for tries, passes, k in ((3, 4, 1), (3, 1, 4), (3, 1, 0)):
        with pytest.raises(ValueError, match="tries"):
            pass_at_k(tries, passes, k)


@given(st.integers(1, 200), st.data())
def test_pass_at_k_is_the_paper_s_product(tries, data):
    """And grows with k: its usual biased stand-in, 1 - (1 - c/n)^k, is below it."""
    passes, k = data.draw(st.integers(0, tries)), data.draw(st.integers(1, tries))
    product = 1.0
    for one in range(tries - passes + 1, tries + 1):
        product *= 1 - k / one
    wanted = 1 - product if tries - passes >= k else 1.0
    assert pass_at_k(tries, passes, k) == pytest.approx(wanted, abs=1e-9)
    assert pass_at_k(tries, passes, k) >= 1 - (1 - passes / tries) ** k - 1e-9


def test_rows_with_tests_count():
    tests = {"test": ADD.tests, "entry_point": "add", "prompt": ADD.prompt}
    examples = [examples_of(["x"], kept=kept)[0] for kept in (tests, tests, {})]
    metric = metric_of(recipe_of("chat", "pass_at_1"), "pass_at_1")
    columns = columns_of(metric, "chat", ["x"] * 3, ["    return a + b", "    return a", "x"], examples)
    found = metric.estimate(columns, 0)
    assert (found.value, found.n, found.method) == (0.5, 2, "wilson")
    with pytest.raises(DataError, match="none of 1 rows has tests"):
        columns_of(metric, "chat", ["x"], ["x"])
    with pytest.raises(DataError, match="row r0: test is list"):
        columns_of(metric, "chat", ["x"], ["x"], examples_of(["x"], kept={"test": ["assert True"]}))
