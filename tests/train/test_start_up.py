"""What a command waits for before it begins."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

TRAIN = """
import sys
from pathlib import Path
from tunesmith import flow
flow.train(flow.Project.of(Path(sys.argv[1])))
print("peft" in sys.modules)
"""


def test_training_every_weight_does_not_wait_for_peft(tmp_path, tiny):
    """Catches a second and more of importing what only adapters need, PEFT and with it bitsandbytes, at each command."""
    rows = [{"prompt": f"where is parcel {n}", "completion": f"parcel {n} is here"} for n in range(24)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"name: t\ntask: chat\nbase: {tiny}\ndata: {{train: a.jsonl, split: {{test: 0.0}}}}\n"
        "train: {method: full, max_steps: 2, threads: 1}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(recipe)], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.stdout.strip() == "False", done.stderr


def test_looking_at_a_recipe_does_not_wait_for_torch():
    """Catches two seconds of importing torch at every command that looks whether a recipe can be trained."""
    check = (
        "import sys, tunesmith.checks, tunesmith.train.stage, tunesmith.evaluate.ahead; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "False", done.stderr
