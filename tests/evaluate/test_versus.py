"""Two scorecards of the same rows, compared row by row from what they keep."""

import json

import polars as pl
import pytest

from made import make_dataset
from tunesmith.cli import diff
from tunesmith.core.errors import ArtifactError
from tunesmith.evaluate.versus import versus
from tunesmith.train import stage as training

pytestmark = pytest.mark.slow


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
    assert f"won {found.won} · lost {found.lost}" in text and "accuracy   " in text and "money back" in text
    diff.command([str(first.path), str(second.path), "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["paired"] == json.loads(json.dumps(found.as_dict())) and told["not_paired"] is None
    assert told["metrics"]["accuracy"] == {
        "first": first.result["metrics"]["accuracy"], "second": second.result["metrics"]["accuracy"]
    }  # fmt: skip


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
    """A row whose right answer was mended is won by whom the mending suits: only the others are compared."""
    _, first, second = cards
    file = second.path / "examples.parquet"
    frame = pl.read_parquet(file)
    frame.with_columns(
        expected=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("x")).otherwise("expected")
    ).write_parquet(file)
    found = versus(first, second)
    assert found.rows == 11 and found.left_out == (1, 1)
    assert frame["row_id"][0] not in {one["row_id"] for one in found.changed}


def test_rows_in_another_order_are_paired_by_what_they_are(cards):
    """Rows paired by their place would be other rows."""
    _, first, second = cards
    wanted = versus(first, second).as_dict()
    file = second.path / "examples.parquet"
    pl.read_parquet(file).reverse().write_parquet(file)
    assert versus(first, second).as_dict() == wanted


def test_scorecards_of_other_rows_are_set_side_by_side_and_called_not_paired(cards, capsys):
    """A difference of two figures on other rows would be read as one on the same; or nothing is told at all."""
    ring, first, _ = cards
    rows = [(f"where is my card {n}", "card") for n in range(6)] + [("money back", "refund")]
    ring.dataset = make_dataset(ring.workspace, rows, rows, rows)
    other = ring.evaluate(baselines=[], gate={"against": []})
    diff.command([str(first.path), str(other.path)], standalone_mode=False)
    text = " ".join(capsys.readouterr().err.split())
    assert "not paired" in text and "0 of 12 and 7 are the same" in text and "second minus first" not in text
    assert "12 rows" in text and "7 rows" in text and "data.test" in text
    diff.command([str(first.path), str(other.path), "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["paired"] is None and "0 of 12" in told["not_paired"]
    accuracy = told["metrics"]["accuracy"]
    assert [accuracy[which]["n"] for which in ("first", "second")] == [12, 7]


def test_two_tasks_have_nothing_to_pair(cards, arena, capsys):
    """Answers of labels compared with written ones mean nothing; a crash tells nothing."""
    _, first, _ = cards
    other = arena("chat").evaluate(baselines=[], gate={"against": []}, max_new_tokens=2)
    diff.command([str(first.path), str(other.path)], standalone_mode=False)
    text = " ".join(capsys.readouterr().err.split())
    assert "not paired" in text and "of task classify" in text and "token_f1 –" in text


def test_of_written_answers_the_closer_one_wins(arena):
    """Two chat models that never write the very same words would come out as all wrong, and no row as changed."""
    ring = arena("chat")
    first, second = (
        ring.evaluate(baselines=[], gate={"against": []}, max_new_tokens=most) for most in (1, 16)
    )  # fmt: skip
    found = versus(first, second)
    assert found.won == 8 and {one["change"] for one in found.changed} == {"won"}
