"""The report of a Dataset: safe to open, nothing lost, readable by everybody, small, and its commands work."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import itertools
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bad_data import ROWS, csv_text
from browser import flaws
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.page import STYLE
from tunesmith.core.shown import changes, marked, shown
from tunesmith.data.prepare import prepare
from tunesmith.data.report.numbers import flow, histogram, packing
from tunesmith.data.report.plots import flow_plot, gauge, histogram_plot
from tunesmith.data.report.style import SCRIPT
from tunesmith.data.report.words import evidence_words, rule_words
from tunesmith.recipe import Recipe

HOSTED = "openai:gpt-4.1-mini"
LONG_WORD = "Donaudampfschiff" * 400
HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(2)>",
    "</div></details><h1>gone</h1>",
    "javascript:alert(3) &lt;b&gt; & ]]>",
    "שלום עולם مرحبا \u202egnp.exe",
    "🎉👩‍👩‍👧 café",
    LONG_WORD,
]


class Page(HTMLParser):
    """Collects what matters of a page; fails on a tag that is closed twice or not at all."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.script, self.words = "", ""
        self.commands: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "code" and dict(attrs).get("class") == "copy":
            self.commands.append("")
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.script += data
        elif "style" not in self.open:
            self.words += data
        if self.open[-1:] == ["code"] and self.tags[-1][1].get("class") == "copy":
            self.commands[-1] += data


def made(folder: Path, **data: Any) -> Artifact:
    recipe = Recipe(
        name="t",
        task=data.pop("task", "classify"),
        base=data.pop("base", "nano"),
        data={"train": data.pop("train", "a.csv"), **data},
    )
    return prepare(recipe, Workspace(folder / ".tunesmith"), recipe_dir=folder)


def report(dataset: Artifact) -> str:
    return (dataset.path / "report.html").read_text(encoding="utf-8")


def chats(folder: Path, pairs: list[tuple[str, str]]) -> None:
    lines = [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}
        for asked, answer in pairs
    ]
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


PLAIN = [(f"How do I bake bread number {n} at home?", f"Take {n} cups of flour and bake it slowly.") for n in range(40)]


def test_texts_of_strangers_are_shown_and_never_run(tmp_path):
    """Bug: a row, a label or a repair closes a tag, runs a script, or turns the text around it."""
    rows = [*ROWS, *[(f"{text} {n}", "delivery") for n, text in enumerate(HOSTILE)], *[(t, "refund") for t in HOSTILE]]
    rows += [
        (HOSTILE[0] + " 0", "refund"),
        (f"  {HOSTILE[1]} ", "refund"),
        ("", HOSTILE[1]),
        (HOSTILE[0], ""),
        (HOSTILE[5], ""),
    ]
    labels = [(f"odd {n} words of a row", HOSTILE[n % 2]) for n in range(6)]
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "intent"), *rows, *labels])
    text = report(made(tmp_path, clean={"html": "off", "control": "flag"}, base=HOSTED))
    page = Page(text)
    assert page.script == SCRIPT and sum(tag == "script" for tag, _ in page.tags) == 1
    assert not {"img", "iframe", "link", "base", "form"} & {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert {attributes["href"][0] for _, attributes in page.tags if attributes.get("href")} == {"#"}
    assert sum(tag == "h1" for tag, _ in page.tags) == 1
    assert "<script>alert(1)</script>" in page.words and "שלום" in page.words
    assert "\u202e" not in text and "⟨U+202E⟩" in text
    assert "Donaudampfschiff" * 30 not in text, "a long word is cut"
    assert not re.search(r"url\(|@import|https?://", text), "the page must not load anything"


def test_the_browser_is_told_to_run_our_script_alone(tmp_path):
    """Bug: the policy's digest is not the script's, and the page's own buttons are dead."""
    (tmp_path / "a.csv").write_text(csv_text())
    policy = next(a["content"] for tag, a in Page(report(made(tmp_path))).tags if tag == "meta" and "http-equiv" in a)
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"script-src 'sha256-{digest}'" in policy


@pytest.mark.slow
def test_axe_finds_no_fault_on_a_wide_screen_and_on_a_phone(tmp_path, chromium):
    """Bug: a colour that cannot be read, a control without a name, a page wider than a phone."""
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ROWS[0], ROWS[1], *[(one, "refund") for one in HOSTILE]]))
    assert flaws(chromium, made(tmp_path).path / "report.html") == []


def test_everybody_can_read_the_page(tmp_path):
    """Bug: a heading level is skipped, a table's header or a drawing means nothing to a screen reader."""
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ROWS[0], ROWS[1], ("odd one", "refund"), ("odd one", "delivery")]))
    page = Page(report(made(tmp_path)))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(a.get("scope") in ("col", "row") for tag, a in page.tags if tag == "th")
    drawings = [a for tag, a in page.tags if tag == "svg"]
    assert len(drawings) > 5
    assert all((a.get("role") == "img" and a.get("aria-label")) or a.get("aria-hidden") == "true" for a in drawings)
    targets = {a["id"] for _, a in page.tags if a.get("id")}
    assert {a["href"][1:] for tag, a in page.tags if tag == "a"} <= targets
    assert [tag for tag, _ in page.tags].count("main") == 1


def _light(colour: str) -> float:
    parts = colour.lstrip("#")
    parts = "".join(2 * one for one in parts) if len(parts) == 3 else parts
    values = [int(parts[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_words_stand_out_from_paper(dark):
    """Bug: a colour of words is changed and nobody can read it in sunlight or at night. Source: WCAG 2.2, 1.4.3."""
    chosen = STYLE.split("prefers-color-scheme:dark", 1)
    colours = dict(re.findall(r"--(\w+):(#\w+)", chosen[1] if dark else chosen[0]))
    for word in ("ink", "soft", "accent", "good", "look", "bad"):
        for ground in ("paper", "card"):
            high, low = sorted((_light(colours[word]), _light(colours[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (word, ground)


def test_rows_that_flow_in_flow_out(tmp_path, monkeypatch):
    """Bug: a rule or a split is left out of the diagram, and rows vanish on the way."""
    kept: list[Any] = []
    monkeypatch.setattr("tunesmith.data.report.page.flow", lambda *given: kept.append(flow(*given)) or kept[-1])
    extra = [ROWS[0], ROWS[1], ("", "refund"), ("  wide   spaces  here ", "refund"), ("wide  spaces too", "delivery")]
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, *extra]))
    result = made(tmp_path).result
    links = kept[0]
    into = {state: sum(n for _, to, n in links if to == state) for _, state, _ in links}
    out = {state: sum(n for source, _, n in links if source == state) for state, _, _ in links}
    assert out["read"] == result["rows"]["read"]
    assert all(into[state] == out[state] for state in ("unchanged", "repaired", "removed"))
    states = result["states"]
    assert out["unchanged"] + out["repaired"] == states["kept"] + states["repaired"] + states["held_out"]
    assert out["repaired"] == 2
    assert {state: into[state] for state in ("train", "valid", "test")} == result["splits"]
    assert {state: n for state, n in into.items() if state in result["removed_by"]} == result["removed_by"]


def test_many_rules_are_told_as_one():
    """Bug: twenty rules make a diagram nobody can read, or those left out are lost from the sum."""

    gathered = SimpleNamespace(frame={"repaired": pl.Series([], dtype=pl.Boolean)})
    decided = SimpleNamespace(parts={"train": [], "valid": [], "test": []})
    links = flow(gathered, decided, {f"rule{n}": n + 1 for n in range(20)})
    last = [link for link in links if link[0] == "removed"]
    assert len(last) == 8 and sum(n for _, _, n in last) == 210 and last[-1][1] == "13 other rules"
    drawn = flow_plot(links, {}, {}, 360)
    assert "13 other rules" in drawn and "Flow of 210 rows" in drawn


def test_commands_work_when_copied(tmp_path, monkeypatch):
    """Bug: the page tells a command that restore does not take."""
    from tunesmith.cli.main import root

    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ROWS[0], ROWS[1], ("", "refund")]))
    (tmp_path / "recipe.yaml").write_text("name: t\ntask: classify\ndata: {train: a.csv}\n")
    commands = Page(report(made(tmp_path))).commands
    assert len(commands) == 3, "one for the rule duplicate, one for each of its rows, none for what is no example"
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNESMITH_HOME", raising=False)
    for command in commands:
        name, *arguments = shlex.split(command)
        done = CliRunner().invoke(root, arguments)
        assert name == "tunesmith" and done.exit_code == 0, done.output
    assert made(tmp_path).result["rows"] == {"read": 27, "kept": 26, "removed": 1}


def test_the_page_stays_small_and_says_what_it_leaves_out(tmp_path):
    """Bug: a page of a hundred megabytes, or five examples that look like all there are."""
    nasty = "\"<&>' 🎉" * 400
    rows = [(f"{nasty} what about the item number {n}?", f"{nasty} the answer is {n}") for n in range(20)]
    rows += [(f"  {asked}  ", answer) for asked, answer in rows] + [(f"empty {n} question here", "") for n in range(9)]
    chats(tmp_path, [*PLAIN, *rows])
    dataset = made(tmp_path, task="chat", train="a.jsonl", base=HOSTED, clean={"repetition": "flag", "echo": "flag"})
    assert (dataset.path / "report.html").stat().st_size < 1_500_000
    words = Page(report(dataset)).words
    assert "5 of 9 shown" in words and "more characters" in words


def test_same_dataset_same_page(tmp_path):
    """Bug: the order of a set or a path of the machine is on the page, and the artifact's digest changes."""
    pages = []
    for name in ("one", "other place"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text(csv_text([*ROWS, ROWS[0], ("odd", "refund"), ("odd", "delivery")]))
        pages.append(report(made(tmp_path / name)))
    assert pages[0] == pages[1]


def test_a_hosted_base_is_told_in_characters(tmp_path):
    """Bug: without a tokenizer there are no tokens, and the page cannot be drawn."""
    chats(tmp_path, [*PLAIN, ("What is NULL?", "nothing"), ("What is NULL?", "a pointer")])
    words = Page(report(made(tmp_path, task="chat", train="a.jsonl", base=HOSTED))).words
    assert "Characters in a row" in words and "a pointer" in words and "2 answers" in words


def test_a_copy_is_shown_beside_its_twin(tmp_path):
    """Bug: the reader cannot see what a removed row was the same as."""
    chats(tmp_path, [*PLAIN, (PLAIN[3][0].upper(), PLAIN[3][1])])
    text = report(made(tmp_path, task="chat", train="a.jsonl"))
    [(line, stays, gone)] = [
        one for one in ((4, "How", "HOW"), (41, "HOW", "How")) if f"stays: a.jsonl:{one[0]}<" in text
    ]
    assert f"its twin is a.jsonl:{line}" in text
    assert f"<del>{stays}</del>" in text and f"<ins>{gone}</ins>" in text


LETTERS = st.text(st.sampled_from("ab .\n\t<>&\"'é"), max_size=60)


@given(LETTERS, LETTERS)
def test_marked_changes_hold_the_whole_texts(before, after):
    """Bug: a change is marked in such a way that letters are lost or doubled."""

    def bare(marked_up: str) -> str:
        text = html.unescape(re.sub("<[^>]+>", "", marked_up))
        return text.replace("↵\n", "\n").replace("→\t", "\t").replace("·", " ")

    left, right = changes(before, after)
    assert (bare(left), bare(right)) == (before, after)
    assert ("<del>" in left or "<ins>" in right) == (before != after)


def test_changes_of_whitespace_can_be_seen():
    """Bug: 'before' and 'after' look the same."""
    left, right = changes("a  b\r\n", "a b")
    assert re.search("<del>·</del>", left) and "␍" in left and "↵" in left and "<ins>" not in right


def test_a_text_that_was_cut_is_not_called_changed():
    """Bug: what was not kept of a long text looks as if a repair had put it in."""
    text = "word " * 2000
    left, right = changes(f"{text[:4000]}… [6000 more characters]", text)
    assert "<del>" not in left and "<ins>" not in right


def test_long_changes_and_far_ones_are_short_to_read():
    """Bug: one changed letter at the end of a long text is not in sight, or all of the text is."""
    left, right = changes("same words " * 300 + "colour", "same words " * 300 + "color")
    assert "<del>colour</del>" in left and "<ins>color</ins>" in right and len(left) < 300
    left, _ = changes("x" * 50_000, "y" * 50_000)
    assert len(left) < 10_000


def test_a_span_is_in_sight_wherever_it_is():
    """Bug: the evidence points at a place that the cut text does not show."""
    text = f"{'before ' * 100}<b>HERE</b>{' after' * 100}"
    assert "<mark>&lt;b&gt;HERE&lt;/b&gt;</mark>" in marked(text, "<b>HERE</b>")
    assert marked(text, "not there") == shown(text)


@pytest.mark.parametrize(
    ("rule", "evidence", "words"),
    [
        ("near_duplicate", {"twin": "r1", "at": "a.csv:7", "jaccard": 0.85}, "a.csv:7: 85 % of .* (from 70 %"),
        ("leak", {"twin": "r1", "at": "t.csv:2", "held_out": "test"}, "its twin is t.csv:2, held out for test"),
        ("semantic_duplicate", {"twin": "r1", "at": "a.csv:7", "cosine": 0.97}, "cosine of their meanings 0.97"),
        ("contaminated", {"item": "e.jsonl:3", "score": 0.9, "span": "x", "item_text": "x"}, "holds e.jsonl:3, .* 90 %"),
        ("irrelevant", {"score": -1.5, "threshold": 0.25, "nearest": "x", "similarity": 0.1}, "scores -1.50 .* 0.25"),
        ("label_error", {"label": "a", "likely": "b", "p_label": 0.001, "p_likely": 0.9}, "labelled a .< 1 %.* b .90 %"),
        ("too_long", {"tokens": 2000, "target_tokens": 9, "max_tokens": 1024}, "2,000 tokens, 9 of them .* 1,024"),
        ("arithmetic", {"span": "3+4=8", "stated": "8", "value": 7.0, "field": "messages[1]"}, "says 8, it is 7"),
        ("language", {"prompt": "de", "answer": "en"}, "asked in de, answered in en"),
        ("not_rendered", {"error": "no template"}, "error: no template"),
    ],
)  # fmt: skip
def test_evidence_is_told_in_words(rule, evidence, words):
    """Bug: a score without its threshold, or a key that only a programmer understands."""
    assert re.search(words.replace("(from", r"\(from"), evidence_words(rule, evidence, 0.7))
    assert rule_words(rule)


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=200))
def test_histograms_count_every_row(lengths):
    """Bug: the longest rows, or those of length 0, are not in the drawing."""
    one = histogram(np.array(lengths))
    assert sum(one.counts) == len(lengths) and len(one.counts) <= 40
    assert "Histogram of tokens" in histogram_plot(one, "tokens", 1024)


@given(st.lists(st.integers(1, 120), min_size=1, max_size=80), st.integers(100, 130))
def test_packing_is_possible_and_nearly_best(lengths, capacity):
    """Bug: the estimate promises fewer sequences than the tokens need, or wastes room that is there."""
    fitting = [length for length in lengths if length <= capacity]
    packed = packing(np.array(lengths), capacity)
    if not fitting:
        assert packed is None
        return
    assert packed is not None and packed.rows == len(fitting) and packed.full_frac <= 1
    least = max(-(-sum(fitting) // capacity), sum(2 * length > capacity for length in fitting))
    assert least <= packed.sequences <= len(fitting)
    assert packed.full_frac >= min(packed.alone_frac, 1) and (packed.sequences == 1 or packed.full_frac > 0.5)


@pytest.mark.parametrize(("look", "poor"), [(0.1, 0.5), (20, 5)])
def test_the_pointer_stands_in_the_zone_of_its_word(look, poor):
    """Bug: a poor value points at green."""

    def place(value: float) -> float:
        return float(re.findall(r'<rect x="([\d.-]+)"', gauge(value, look, poor, "told"))[-1]) + 2

    values = [0.0, look / 2, look * 0.999, (look + poor) / 2, poor * 1.01, 50 * poor]
    values = values if look < poor else [1e9, look * 2, look, (look + poor) / 2, poor * 0.99, 0.0]
    places = [place(value) for value in values]
    assert places == sorted(places) and places[2] <= 80 < places[3] < 160 < places[4] < 240
