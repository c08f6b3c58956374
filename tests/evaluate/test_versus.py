"""Two scorecards of the same rows, compared row by row from what they keep."""

import json

import polars as pl
import pytest

from made import make_dataset
from tunesmith.cli import diff
from tunesmith.core.errors import ArtifactError
from tunesmith.evaluate.versus import versus
from tunesmith.train import stage as training


@pytest.fixture
def cards(arena):
    """Return the scorecard of a model that answers `card` to everything, and of the tuned one against it."""
    ring = arena("classify")
    bare = {"baselines": [], "gate": {"against": []}}
    tuned, rows = ring.model, [(f"my card {n} is lost", "card") for n in range(6)] + [("money back", "refund")]
    dull = training.train(ring.recipe(), make_dataset(ring.workspace, rows, rows[-2:]), ring.workspace)
    ring.model = dull
    first = ring.evaluate(**bare)
    ring.model = tuned
    return ring, first, ring.evaluate(production=dull, **bare)


def test_differences_are_those_that_the_evaluation_found(cards):
    """Rows out of order, or another test than in the evaluation, would give other numbers."""
    _, first, second = cards
    found, told = versus(first, second), second.result["deltas"]["production"]
    assert set(found.deltas) == {"accuracy", "macro_f1", "perplexity", "ece"}
    for name, delta in found.deltas.items():
        own = {key: value for key, value in delta.as_dict().items() if key != "method"}
        assert own == pytest.approx({key: told[name][key] for key in own}, rel=1e-9)
    frame = pl.read_parquet(second.path / "examples.parquet")
    before, after = frame["answer_production"] == frame["expected"], frame["correct"]
    assert (found.won, found.lost) == ((after & ~before).sum(), (before & ~after).sum())
    assert found.won - found.lost == pytest.approx(found.deltas["accuracy"].value * 12)
    assert found.rows == 12 and found.won > 0 and len(found.changed) == found.won + found.lost
    for one in found.changed:
        assert (one["second"] == one["expected"]) == (one["change"] == "won") != (one["first"] == one["expected"])


def test_metrics_of_texts_are_had_from_texts_and_the_others_named(arena):
    """What somebody asked for by name would be left out of the comparison, and nobody told."""
    names = ["token_f1", "rougeL", "normalised_match", "perplexity", "answer_tokens"]
    ring = arena("chat")
    first, second = (
        ring.evaluate(baselines=[], gate={"against": []}, metrics=names, max_new_tokens=most) for most in (1, 16)
    )
    found = versus(first, second)
    assert set(found.deltas) == {"token_f1", "rougeL", "normalised_match"}
    assert found.not_compared == ["perplexity", "answer_tokens"]
    for name, delta in found.deltas.items():
        before, after = (card.result["metrics"][name]["value"] for card in (first, second))
        assert delta.value == pytest.approx(after - before) and delta.value > 0


def test_swapped_what_was_won_is_lost(cards):
    _, first, second = cards
    there, back = versus(first, second), versus(second, first)
    assert (there.won, there.lost, there.both_wrong) == (back.lost, back.won, back.both_wrong)
    assert back.deltas["accuracy"].low == pytest.approx(-there.deltas["accuracy"].high)


def test_the_command_tells_rows_and_differences(cards, capsys):
    _, first, second = cards
    diff.command([str(first.path), str(second.path)], standalone_mode=False)
    text = capsys.readouterr().err
    found = versus(first, second)
    assert "training" not in text, "the gate is no part of training"
    assert f"won {found.won} · lost {found.lost}" in text and "accuracy +" in text and "money back" in text
    diff.command([str(first.path), str(second.path), "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["paired"] == json.loads(json.dumps(found.as_dict()))


def test_other_rows_are_no_comparison(cards):
    """Accuracies on other rows differ by luck, and won and lost mean nothing."""
    ring, first, _ = cards
    rows = [(f"where is my card {n}", "card") for n in range(6)] + [("money back", "refund")]
    ring.dataset = make_dataset(ring.workspace, rows, rows, rows)
    other = ring.evaluate(baselines=[], gate={"against": []})
    with pytest.raises(ArtifactError, match="other test rows: 0 of 12 and 7") as caught:
        versus(first, other)
    assert "data.test" in str(caught.value.hint)


def test_another_right_answer_is_another_row(cards):
    _, first, second = cards
    file = second.path / "examples.parquet"
    frame = pl.read_parquet(file)
    frame.with_columns(
        expected=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("x")).otherwise("expected")
    ).write_parquet(file)
    with pytest.raises(ArtifactError, match="11 of 12"):
        versus(first, second)
