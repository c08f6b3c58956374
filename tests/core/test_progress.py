"""Progress in a pipe is plain lines now and then, never control characters."""

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tunesmith.core import progress


def test_progress_in_a_pipe_is_plain_and_on_stderr():
    script = (
        "from tunesmith.core import progress\n"
        "progress.LINE_EVERY_S = 0\n"
        "with progress.steps('training', 2) as bar:\n"
        "    bar.advance(1, loss=1.25)\n"
        "    bar.advance(1, loss=0.5)\n"
        "progress.say('done [bold]not markup[/bold]')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "  training: 1/2  loss 1.25",
        "  training: 2/2  loss 0.5",
        "done [bold]not markup[/bold]",
    ]


def test_what_was_found_done_does_not_shorten_the_time_left(monkeypatch):
    """Bug: nine tenths are taken from before in a second, and the last tenth is promised within another."""
    clock = [0.0]
    monkeypatch.setattr(progress, "monotonic_s", lambda: clock[0])
    pace = progress.Pace(1000)
    pace.skip(900)
    assert pace.facts("rows") == {}
    clock[0] = 30.0
    pace.work(25, 500)
    assert pace.facts("rows") == {"rows/s": 17, "left": "2 min"}
    pace.work(75, 500)
    assert pace.facts("rows") == {"rows/s": 33, "left": ""}


def test_parts_that_take_unequal_times_are_weighed(monkeypatch, capsys):
    """Bug: one of three parts is done, and so the two others, which take nine times as long, are promised to be soon."""
    clock = [1e9]
    monkeypatch.setattr(progress, "monotonic_s", lambda: clock[0])
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0)
    monkeypatch.setattr(progress, "_console", None)
    with progress.steps("deciding", 100, "share") as bar:
        course = progress.Course(bar, {"duplicates": 10, "split": 30, "writing": 60})
        for part in ("duplicates", "split", "writing"):
            course.begin(part)
            clock[0] += {"duplicates": 4.0, "split": 12.0}.get(part, 0)
    told = [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]
    assert told[0] == "deciding: 0% now duplicates"
    assert told[-1] == "deciding: 40% now writing · left 24 s"
    assert "deciding: 10% now split · left 36 s" in told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "1 s"),
        (12.4, "12 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3569, "59 min"),
        (3571, "1 h 0 min"),
        (9000, "2 h 30 min"),
    ],
)
def test_a_time_is_as_exact_as_it_deserves(seconds, told):
    """Bug: 60 s, or 60 min."""
    assert progress.duration(seconds) == told


def test_lines_below_a_bar_are_for_a_terminal(monkeypatch, capsys):
    """Bug: a log gets control characters, or a terminal takes brackets of a line for markup, or shows facts twice."""

    def below():
        return [("loss 1.25 [bold]", "yellow")]

    with progress.steps("training", 2, below=lambda: pytest.fail("asked in a pipe")) as bar:
        bar.advance(1, loss=1.25)
    assert capsys.readouterr().err == ""
    shown = io.StringIO()
    monkeypatch.setattr(progress, "_console", Console(file=shown, force_terminal=True, width=60, color_system=None))
    monkeypatch.setattr(progress, "LOOKS_PER_S", 50)
    with progress.steps("training", 2, below=below) as bar:
        bar.advance(1, loss=1.25, seen=7)
        with progress.steps("answers", 3) as inner:
            inner.advance(1)
        progress.say("said between")
    assert "loss 1.25 [bold]" in shown.getvalue() and "said between" in shown.getvalue()
    assert "1/2" in shown.getvalue() and "seen 7" not in shown.getvalue() and "answers" in shown.getvalue()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_a_sparkline_rises_where_the_values_do(values):
    """Bug: a falling loss drawn as a rise, a block for each value but one, an index beyond the highest block."""
    drawn = progress.sparkline(values)
    assert len(drawn) == len(values)
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [drawn[at] for at in order] == sorted(drawn)
    if max(values) > min(values):
        assert (drawn[order[0]], drawn[order[-1]]) == ("▁", "█")
