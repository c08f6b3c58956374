"""What people see of a training run: lines on a terminal, the page, and overfitting in words."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from browser import flaws
from killed import killed_after
from made import make_dataset, make_preferences
from tiny import tiny_tokenizer
from tunesmith.cli.summaries import show_model
from tunesmith.core import progress as shown
from tunesmith.core.chart import Line, chart
from tunesmith.recipe import Prompt, Recipe
from tunesmith.text.chat import Rendered, TokenWeights, render
from tunesmith.train import live, overfit, samples, stage
from tunesmith.train.batches import TokenSet
from tunesmith.train.flops import peak_of
from tunesmith.train.progress import Progress

pytestmark = pytest.mark.slow

NOISE = [(letter, "ab"[at * 7919 % 13 % 2]) for at, letter in enumerate("cdefghijklmnopqr")]
FLIPPED = [(text, "ba"["ab".index(label)]) for text, label in NOISE]


def recipe(base: Path, task: str = "classify", **train: Any) -> Recipe:
    settings = {"method": "full", "epochs": 4, "batch_tokens": 24, "precision": "float32", "threads": 1}
    settings["schedule"] = {"peak": 0.02}
    return Recipe(name="made", task=task, base=str(base), data={"train": "x"}, train={**settings, **train})


def overfitting(base: Path) -> Recipe:
    return recipe(
        base, epochs=30, batch_tokens=16, eval_every=4, regularise={"dropout": 0, "early_stopping": {"patience": 8}}
    )


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of 100 columns shows, asked often."""
    written = io.StringIO()
    monkeypatch.setattr(shown, "_console", Console(file=written, force_terminal=True, width=100, color_system=None))
    monkeypatch.setattr(shown, "LOOKS_PER_S", 200)
    return written


class Words(HTMLParser):
    """Text of a page, what it would load, and whether each tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.loads, self.open = "", [], []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def words(page: str) -> str:
    parser = Words()
    parser.feed(page)
    assert parser.open == [] and parser.loads == []
    return parser.text


def test_a_terminal_sees_how_a_run_goes(workspace, dataset, base, terminal):
    """Would let through: lines that die in their own thread, a fact that is missing, a time left that counts nothing."""
    stage.train(recipe(base), dataset, workspace)
    seen = terminal.getvalue()
    assert re.search(r"loss   \d\.\d+  [▁-█]{3,}  gradient norm \d+\.?\d*  rate 0\.\d+", seen)
    assert re.search(r"valid  \d\.\d+ · \d\S* (above|below) training · best \d\.\d+ at step \d+", seen)
    assert re.search(r"speed  [\d,]+ tokens/s · \d+ s left · \d\.\d\d GiB", seen)
    assert "MFU" not in seen and "overfitting" not in seen


def test_a_run_that_goes_on_is_seen_from_its_step(workspace, dataset, base, terminal):
    """Would let through: a view that takes what was done before for this process' pace, or fails on old progress."""
    killed_after(3, lambda: stage.train(recipe(base, eval_every=2), dataset, workspace))
    began = len(terminal.getvalue())
    model = stage.train(recipe(base, eval_every=2), dataset, workspace)
    assert "tokens/s" in terminal.getvalue()[began:] and "Traceback" not in terminal.getvalue()
    assert model.result["steps"] > 3


def test_the_line_of_losses_follows_the_run():
    """Would let through: a look that costs more the longer the run, a line that hides its end."""
    falling = [{"step": at + 1, "loss": 5.0 - at / 40_000} for at in range(100_001)]
    drawn = live._curve(falling)
    assert len(drawn) == live.POINTS and drawn == sorted(drawn, reverse=True)
    assert live._curve(falling[:3]) == [row["loss"] for row in falling[:3]]
    assert live._curve([{"step": 1, "skipped": "why"}]) == []


def test_overfitting_is_said_on_the_terminal_at_the_end_and_on_the_page(workspace, base, terminal, capsys):
    """Would let through: a run that learns noise by heart and says nothing of it where people look."""
    model = stage.train(overfitting(base), make_dataset(workspace, NOISE, FLIPPED), workspace)
    found = model.result["overfitting"]
    assert re.search(
        r"overfitting since step \d+: validation \+\d\S+, training -\d\S+; the weights of step", terminal.getvalue()
    )
    assert terminal.getvalue().count("overfitting: since step") == 1
    began = len(terminal.getvalue())
    show_model({**model.result, "path": str(model.path)})
    said = terminal.getvalue()[began:]
    text = words((model.path / "train.html").read_text(encoding="utf-8"))
    assert overfit.told(found)[1:] in text
    assert overfit.advice(model.result) in said and overfit.advice(model.result) in text
    best, epochs = model.result["best"]["step"], model.result["epochs"]
    assert f"The weights of step {best} were kept" in text
    wanted = float(re.search(r"train\.epochs: (\S+) instead of", text)[1])
    assert wanted == pytest.approx(epochs * found["since_step"] / model.result["steps"], rel=0.06)


def test_a_new_lowest_loss_takes_overfitting_back(capsys):
    """Would let through: a run called overfitted that found better weights afterwards."""
    import numpy as np

    from tunesmith.train.validate import Judge

    judge = Judge("valid_loss", False, None, lambda seen: float(seen["x"].mean()))
    rows, progress = np.random.default_rng(0).normal(2, 0.1, 200), Progress()
    for step, (train, shift, called) in enumerate([(2.0, 0, False), (1.5, 0.5, True), (1.0, -0.5, False)], start=1):
        progress.step = step
        progress.metrics.append({"step": step, "loss": train})
        overfit.look(judge, {"x": rows + shift}, progress)
        progress.metrics[-1]["valid_loss"] = 0.0
        assert bool(progress.overfitting) == called
    assert capsys.readouterr().err.count("overfitting") == 1


@pytest.mark.slow
def test_everybody_can_read_the_page(workspace, base, chromium):
    """Would let through: no contrast, a chart without a name, a page wider than a phone."""
    model = stage.train(overfitting(base), make_dataset(workspace, NOISE, FLIPPED), workspace)
    assert flaws(chromium, model.path / "train.html") == []


def test_the_page_has_every_curve_and_three_samples(workspace, dataset, base):
    """Would let through: a curve left out, a page that loads something, a sample whose answer is not marked."""
    model = stage.train(recipe(base), dataset, workspace)
    page = (model.path / "train.html").read_text(encoding="utf-8")
    text = words(page)
    for title in (
        "Loss per target token",
        "Learning rate",
        "Gradient norm",
        "Tokens a second",
        "validations as a table",
    ):
        assert title in text
    assert page.count('<div class="tokens"') == 3 and page.count('role="img"') == 4
    for answer in re.findall(r'<mark style="--w:1">((?:<span.*?</span>)+)</mark>', page):
        assert words(answer) in ("card<|end|>", "refund<|end|>")
    assert "The longest" in text and "The shortest" in text and "train.csv:" in text
    assert "<script" not in page


def test_both_answers_of_a_preference_are_shown(workspace, base):
    """Would let through: a rejected answer taken for what is learnt."""
    triples = [(f"where is order {n}", f"on its way {n}", "no idea") for n in range(12)]
    dataset = make_preferences(workspace, triples[::2], triples[1::2])
    model = stage.train(recipe(base, "preference", max_steps=2), dataset, workspace)
    text = words((model.path / "train.html").read_text(encoding="utf-8"))
    assert text.count("the chosen answer") == text.count("the rejected answer") == 3
    assert text.index("on its way") < text.index("no idea")


def test_tokens_of_part_weight_are_shown_with_it(workspace, dataset, base):
    """Would let through: prompts that weigh and look like context."""
    weighed = recipe(base, max_steps=1).model_copy(update={"prompt": Prompt(prompt_loss_weight=0.25)})
    page = (stage.train(weighed, dataset, workspace).path / "train.html").read_text(encoding="utf-8")
    assert page.count('class="part" title="weight 0.25" style="--w:0.25"') == 3 and "weighs in part" in page


@given(st.text(max_size=60), st.text(min_size=1, max_size=30), st.sampled_from([0.0, 0.3]))
def test_pieces_are_the_whole_text(question: str, answer: str, weight: float):
    """Would let through: a character lost between two tokens, a weight that slips to its neighbour, a token hidden."""
    tokenizer = TOKENIZER
    one = render(
        tokenizer,
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
        None,
        TokenWeights(weight),
    )
    found = list(samples.pieces(tokenizer, one))
    assert "".join(piece.text for piece in found) == tokenizer.decode(
        one.ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    assert sum(piece.tokens for piece in found) == len(one.ids)
    weights = one.weights or [float(target) for target in one.targets]
    assert [piece.weight for piece in found for _ in range(piece.tokens)] == weights
    assert all(piece.text in tokenizer.all_special_tokens for piece in found if piece.special)
    assert [piece.text for piece in found if piece.special][:2] == ["<|user|>", "<|end|>"]


TOKENIZER = tiny_tokenizer()


def test_long_samples_are_cut_and_say_so():
    """Would let through: a page of a hundred thousand tokens, a cut that nobody sees, an answer that is cut away."""
    ids = TOKENIZER.encode("x" * 5000 + "yes", add_special_tokens=False)
    one = Rendered(ids, [False] * 5000 + [True] * 3, 1, 0)
    (sample,) = samples.choose(TOKENIZER, TokenSet([one], [0.5], ["a.csv:2"]))
    kept = sum(piece.tokens for piece in sample.pieces if piece)
    assert kept == samples.FIRST_TOKENS + samples.LAST_TOKENS and sample.left_out == 5003 - kept
    text = words(samples.section([sample]))
    assert f"… {sample.left_out:,} tokens are not shown …" in text and text.endswith("yes")
    assert "a.csv:2 · 5,003 tokens, 3 of them learnt · the row counts 0.5" in text


def test_what_breaks_a_page_is_shown_as_text():
    """Would let through: markup of an example that becomes markup of the page, control characters that vanish."""
    ids = TOKENIZER.encode("<b>&\x00\n", add_special_tokens=False)
    page = samples.section(samples.choose(TOKENIZER, TokenSet([Rendered(ids, [True] * len(ids), 1, 0)], [1.0])))
    assert "<b>&" in words(page).replace("\n", "") and "␀" in page and "↵" in page


NUMBERS = st.one_of(st.floats(-1e300, 1e300), st.sampled_from([float("inf"), -float("inf"), float("nan")]))


@given(st.lists(st.tuples(st.integers(1, 9), NUMBERS), max_size=8), st.booleans())
def test_a_chart_takes_any_numbers(points: list[tuple[int, float]], logarithmic: bool):
    """Would let through: no page of a run because its loss was infinite, or it had a single step."""
    drawn = chart("loss", [Line("training", "red", sorted(points))], logarithmic=logarithmic, marked=1)
    assert "nan" not in re.sub("aria-label=.*?>", "", drawn) and "inf" not in re.sub("aria-label=.*?>", "", drawn)
    words(drawn)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA H100 PCIe", 756e12), ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA A10G", None), ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("NVIDIA L4", 121e12), ("NVIDIA L40S", 362e12), ("Tesla T4", None),
    ],
)  # fmt: skip
def test_a_peak_is_that_of_the_device(name: str, peak: float | None):
    """Would let through: the peak of an A10 for an A100, of a whole card for a part of one."""
    assert peak_of(name) == peak


def test_mfu_is_told_where_the_peak_is_known_and_all_of_the_model_learns(
    workspace, dataset, base, terminal, monkeypatch
):
    """Would let through: a share of the peak that counts frozen weights as learning, or fails where there is a GPU."""
    monkeypatch.setattr(live, "peak_flops", lambda device, precision: 1e9)
    stage.train(recipe(base), dataset, workspace)
    shares = [int(share) for share in re.findall(r"tokens/s · MFU (\d+)% · ", terminal.getvalue())]
    speeds = [
        int(speed.replace(",", "")) for speed in re.findall(r"speed  ([\d,]+) tokens/s · MFU", terminal.getvalue())
    ]
    assert shares and len(shares) == len(speeds)
    a_token = 6 * 37_152 / 1e9  # four layers and the norm; attention and head come on top
    for share, speed in zip(shares, speeds, strict=True):
        assert a_token * speed < share / 100 + 0.01 < 2 * a_token * speed + 0.02
    began = len(terminal.getvalue())
    stage.train(recipe(base, freeze={"layers": "0:2"}), dataset, workspace)
    assert "tokens/s" in terminal.getvalue()[began:] and "MFU" not in terminal.getvalue()[began:]
