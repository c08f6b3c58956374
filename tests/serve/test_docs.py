"""The examples of docs/serving.md and docs/updates.md, run as they stand."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from tunesmith.core import tables

DOCS = Path(__file__).parents[2] / "docs"
HERE = "http://127.0.0.1:8000"


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("page", "count"), [("serving.md", 3), ("updates.md", 1)])
def test_python_examples_run(running, local_store, page, count):
    examples = blocks(page, "python")
    assert len(examples) == count
    for code in examples:
        scope = {}
        exec(compile(code.replace(HERE, running.url), page, "exec"), scope)
        scope["client"].close()
    with local_store.reading() as connection:
        assert set(connection.execute(sa.select(tables.feedback.c.correction)).scalars()) == {"gift_card"}


def test_curl_examples_run(running):
    if shutil.which("curl") is None:
        pytest.skip("curl is not on this machine")
    [code] = blocks("serving.md", "bash")
    done = subprocess.run(["bash", "-ec", code.replace(HERE, running.url)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and '"chat.completion"' in done.stdout
