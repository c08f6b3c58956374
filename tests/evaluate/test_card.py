"""The scorecard's page: one safe file that shows what was measured."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from made import make_dataset
from tunesmith.evaluate.browse import SCRIPT
from tunesmith.evaluate.plots import Interval, forest, heatmap, reliability_plot
from tunesmith.train import stage as training

pytestmark = pytest.mark.slow

VOID = {"meta", "input"}


class Balanced(HTMLParser):
    """Collects tags and fails on one that is not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(html):
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert parser.seen.count("script") == html.count(f"<script>{SCRIPT}</script>") and "img" not in parser.seen
    assert not any(name.startswith("on") for name, _ in parser.attributes)
    assert not re.search(r"(?:src|href)=|url\(|@import", html), "the page must not load anything"
    return parser


def test_page_of_a_classification_shows_everything(arena):
    card = arena("classify").evaluate()
    html = (card.path / "scorecard.html").read_text()
    parser = checked(html)
    shares = 2 * len(card.result["deltas"])  # accuracy and macro F1
    assert parser.seen.count("svg") == shares + 3 + 4 and parser.attributes.count(("class", "delta")) == shares
    scrolled = sum("wide" in value.split() for name, value in parser.attributes if name == "class")
    assert scrolled == parser.attributes.count(("tabindex", "0")) > 3, "who has no mouse could not scroll"
    for words in (
        "The gate",
        "95 % intervals",
        "Labels, worst first",
        "Confusion",
        "Can its probabilities",
        "Examples: changed",
    ):
        assert words in html
    assert "Loss per target token" in html and "Suite: slices" in html
    for reason in card.result["reasons"]:
        assert reason.split("'")[0].split("<")[0] in html
    assert card.id in html and "linear" in html


def test_text_of_rows_is_shown_never_run(arena):
    """A test row is what strangers wrote; the page is opened by the people who run the model."""
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    ring = arena("classify")
    label = '"><script>x</script>'
    pairs = [(f"{attack} {n}", label) for n in range(4)] + [(f"money back {n}", "refund") for n in range(4)]
    swapped = [(text, label if answer == "refund" else "refund") for text, answer in pairs]
    ring.dataset = make_dataset(ring.workspace, pairs, pairs, swapped)
    ring.model = training.train(ring.recipe(), ring.dataset, ring.workspace)
    card = ring.evaluate(baselines=[], gate={"against": []})
    html = (card.path / "scorecard.html").read_text()
    checked(html.replace(" src=x", ""))  # as text it may stand there
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html, "the wrong rows are shown"


def test_pages_of_text_tasks(arena):
    extract = (arena("extract").evaluate().path / "scorecard.html").read_text()
    assert "Keys, worst first" in extract and ">at<" in extract and "Confusion" not in extract
    chat = (arena("chat").evaluate(max_new_tokens=2).path / "scorecard.html").read_text()
    assert "farthest off first" in chat and "cut at 2 tokens" in chat
    for html in (extract, chat):
        checked(html)


def test_a_model_trained_elsewhere_has_no_curves_and_the_page_all_the_rest(arena):
    """A model without ``metrics.jsonl`` must not cost the page."""
    ring = arena("classify")
    (ring.model.path / "metrics.jsonl").unlink()
    html = (ring.evaluate(baselines=["majority"]).path / "scorecard.html").read_text()
    assert "Loss per target token" not in html and "Examples: changed and wrong" in html


def test_many_labels_are_pairs_not_a_map(arena):
    """A map of 77 x 77 cells cannot be read."""
    ring = arena("classify")
    pairs = [(f"question {n}", f"label {n}") for n in range(24)]
    ring.dataset = make_dataset(ring.workspace, pairs, pairs[:4], pairs)
    ring.model = training.train(ring.recipe(), ring.dataset, ring.workspace)
    html = (ring.evaluate(baselines=["majority"], gate={"against": []}).path / "scorecard.html").read_text()
    checked(html)
    assert "Most confused pairs" in html and "answer by column" not in html


def test_drawings_survive_the_extremes():
    """No difference at all, one bin, one label: ranges of zero width must not divide by zero."""
    assert forest([], "a", "b") == ""
    for interval in (
        Interval("x", 0.0, 0.0, 0.0, 0),
        Interval("x", 1e6, 1e5, 1e7, 1),
        Interval("x", -1.0, -1.0, -1.0, -1),
    ):
        checked(forest([interval], "worse", "better"))
    checked(reliability_plot(np.zeros(10), np.zeros(10), np.zeros(10)))
    checked(heatmap(["<b>"], np.array([[0]])))


def test_bars_stand_where_the_numbers_are():
    """The point left of zero is the worse one."""
    drawn = forest([Interval("a", -0.5, -0.6, -0.4, -1), Interval("b", 0.5, 0.4, 0.6, 1)], "worse", "better")
    worse, better = (float(x) for x in re.findall(r'circle cx="([\d.]+)%"', drawn))
    (zero,) = {float(x) for x in re.findall(r'<line x1="([\d.]+)%"[^>]*stroke="var\(--ink\)"', drawn)}
    assert worse < zero < better and better - zero == pytest.approx(zero - worse)
    assert drawn.index("var(--bad)") < drawn.index("var(--good)")
