"""Progress in a pipe is plain lines now and then, never control characters."""

import subprocess
import sys


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
