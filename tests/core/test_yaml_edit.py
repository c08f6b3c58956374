"""A value changed in YAML text: the one value changes, and nothing else of the file."""

from __future__ import annotations

import copy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import RecipeError
from tunesmith.core.yaml_edit import with_value

pytestmark = pytest.mark.slow

RECIPE = """# head
name: x   # the name
data:
  train: [a.csv]   # rows

prompt:   # words
  # the system message
  system: |
    old
    lines

  template: 'Q: {input}'   # t
  candidates:
  - one      # first
  - {system: two}
  - system: three
    template: "x {input}"
  # end of candidates
train: {epochs: 3}  # short

# tail
"""


def set_in(document, path, value):
    document = copy.deepcopy(document)
    inside = document
    for key in path[:-1]:
        inside = inside.setdefault(key, {}) if isinstance(inside, dict) else inside[key]
    inside[path[-1]] = value
    return document


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)
lines = st.lists(st.text("ab :#-'\"{}[]&*!|>%@`,?\\ ", max_size=12), max_size=5).map("\n".join)
paths = st.sampled_from(
    [
        ("prompt", "system"), ("prompt", "template"), ("prompt", "shots"), ("prompt", "candidates", 0),
        ("prompt", "candidates", 1), ("prompt", "candidates", 2), ("prompt", "teacher", "system"),
        ("train", "lora", "rank"), ("train", "epochs"), ("sweep",), ("name",), ("data", "valid"),
    ]
)  # fmt: skip


@given(paths, texts | lines | st.integers() | st.none() | st.fixed_dictionaries({"system": texts, "template": lines}))
def test_the_one_value_changes_and_every_comment_stays(path, value):
    """Bug: a colon, quote or trailing space in a prompt breaks the recipe, a neighbour is lost, or a comment is."""
    changed = with_value(RECIPE, path, value, "recipe.yaml")
    assert yaml.safe_load(changed) == set_in(yaml.safe_load(RECIPE), path, value)
    for comment in ("# head", "# the name", "# rows", "# words", "# the system message", "# t\n", "# first",
                    "# end of candidates", "# short", "# tail"):  # fmt: skip
        assert comment in changed
    before, after = RECIPE.splitlines(), set(changed.splitlines())
    assert sum(line not in after for line in before) <= 4  # those of the longest value that is replaced


@given(paths, texts | lines)
def test_set_twice_is_set_once(path, value):
    """Bug: each --write appends another section, or moves what was there."""
    once = with_value(RECIPE, path, value, "r")
    assert with_value(with_value(once, path, "between", "r"), path, value, "r").count("\n") == once.count("\n")
    assert with_value(once, path, value, "r") == once


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("name: x\nprompt:\n", ("prompt", "system"), "a", 'name: x\nprompt:\n  system: "a"\n'),
        ("name: x\nprompt: {}\n", ("prompt", "system"), "a", 'name: x\nprompt: {system: "a"}\n'),
        ("name: x\nprompt:   # later\n", ("prompt", "shots"), 4, "name: x\nprompt: {shots: 4}   # later\n"),
        ("name: x", ("prompt", "system"), "a", 'name: x\nprompt:\n  system: "a"'),
        ("a: 1\n\nb: 2\n", ("c", "d"), 3, "a: 1\n\nb: 2\n\nc:\n  d: 3\n"),
        ("p: {a: 1, b: 2}  # c\n", ("p", "b"), "x\ny", 'p: {a: 1, b: "x\\ny"}  # c\n'),
        ("p:\n    a: 1\n", ("p", "b"), "x\n\ny", "p:\n    a: 1\n    b: |-\n      x\n\n      y\n"),
        ("p:\n  a: 1\n", ("p", "b"), "\n :", 'p:\n  a: 1\n  b: "\\n :"\n'),
        ("a: 1\r\nb: 2\r\n", ("c",), "x\ny", "a: 1\r\nb: 2\r\nc: |-\r\n  x\r\n  y\r\n"),
    ],
)  # fmt: skip
def test_layout(text, path, value, expected):
    """Bug: a new key has another indentation than its neighbours, or stands behind a comment."""
    assert with_value(text, path, value, "r") == expected


def test_what_an_anchor_shares_is_not_changed():
    """Bug: a value that two keys share changes in both places."""
    text = "a: &words {system: x}\nprompt: *words\n"
    with pytest.raises(RecipeError, match="without touching more") as caught:
        with_value(text, ("prompt", "system"), "y", "r")
    assert '{system: "y"}' in str(caught.value)
