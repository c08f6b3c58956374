"""The script of a user, as it stands in examples/ and in the docs, with nothing but the address changed."""

import subprocess
import sys
from pathlib import Path

import pytest

from serve_tuning import sft_rows

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "examples" / "openai_client.py"


def test_the_script_runs_as_it_stands(shop, tmp_path):
    """Catches a line of a cookbook that this server does not follow."""
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(sft_rows(10))
    code = SCRIPT.read_text().replace("http://127.0.0.1:8000", shop.server.url)
    done = subprocess.run([sys.executable, "-c", code, str(rows)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "The job has successfully completed" in done.stdout
    [model] = [
        one.id
        for one in shop.client.models.list()
        if one.id.startswith("ft:nano:tunesmith:mine:") and "ckpt" not in one.id
    ]
    assert f"New fine-tuned model created: {model}" in done.stdout


def test_the_docs_show_the_script():
    assert SCRIPT.read_text() in (ROOT / "docs" / "fine_tuning_api.md").read_text()
