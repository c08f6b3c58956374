"""What of a recipe a client may set: a list that grows only when somebody has thought about the server's machine."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.recipe import Recipe
from tunesmith.serve.errors import ApiError
from tunesmith.serve.tuning.bases import Base
from tunesmith.serve.tuning.recipe import OPEN, recipe_of
from tunesmith.serve.tuning.request import JobRequest

THOUGHT_ABOUT = {
    "task", "prompt.system", "prompt.template", "prompt.shots", "prompt.variants", "prompt.teacher", "prompt.candidates",
    "prompt.prompt_loss_weight", "data.clean", "data.labels", "data.privacy.pii", "data.privacy.secrets", "data.balance",
    "data.size", "data.split.valid", "data.canaries", "data.keep", "data.dedup.exact", "data.dedup.near",
    "data.dedup.semantic", "data.dedup.conflicts", "data.dedup.max_template_rows", "data.dedup.max_cluster_frac",
    "train.objective", "train.method", "train.save", "train.epochs", "train.max_steps", "train.batch_tokens",
    "train.max_tokens", "train.eval_every", "train.precision", "train.schedule", "train.regularise", "train.lora",
    "train.guard", "train.preference", "train.freeze", "train.tokens",
}  # fmt: skip

SHUT: dict[str, tuple[Any, str]] = {
    "data.train": (["/etc/passwd"], "a file of the machine as rows"),
    "data.valid": (["/etc/passwd"], "a file of the machine as rows"),
    "data.format": ("columns", "rows of another form than the one that was checked"),
    "data.columns": ({"prompt": "a", "answer": "b"}, "rows of another form than the one that was checked"),
    "data.decontaminate": (["/etc/passwd"], "a file of the machine, whose rows show by what is removed"),
    "data.relevance": ({"to": ["/etc/passwd"]}, "a file of the machine, whose words show by what is removed"),
    "data.privacy.ner": (True, "a model that the machine may not have"),
    "data.privacy.originals": ("kept", "what was taken out of rows, kept on the machine"),
    "data.processes": (256, "the cores of the machine"),
    "data.memory": ("1TB", "the memory of the machine"),
    "prompt.answer_weights": ({"(a+)+$": 2.0}, "a regular expression, which may take for ever"),
    "train.track": (["wandb"], "curves sent away with the keys of who runs the server"),
    "train.threads": (256, "the cores of the machine"),
    "train.shard": ("always", "the devices of the machine"),
    "base": ("/models", "a folder of the machine"),
    "name": ("other", "a Model of another job"),
    "evaluate": ({}, "programs that grade"),
    "serve": ({}, "the server's own settings"),
    "provider": ({}, "keys of who runs the server"),
    "distill": ({}, "questions to a model that who runs the server pays for"),
}
"""Settings that reach beyond the job, and how."""


def names_of(tree: dict[str, Any], path: str = "") -> set[str]:
    """Return the settings of a tree by their full names."""
    inner = [
        names_of(below, f"{path}{name}.") if below is not True else {f"{path}{name}"} for name, below in tree.items()
    ]
    return set().union(*inner)


def is_setting(name: str) -> bool:
    """Tell whether a recipe has a setting, of a section or of itself."""
    section, _, own = name.rpartition(".")
    model: Any = Recipe
    for part in section.split(".") if section else ():
        model = model.model_fields[part].annotation
    return own in model.model_fields


def test_nothing_is_opened_to_clients_by_the_way():
    """Would let through: a setting that names a file, a process, a key or a service of the server's machine.

    Whoever adds one here says that it reaches nothing but the rows and the weights of the client's own job.
    """
    assert names_of(OPEN) == THOUGHT_ABOUT


@pytest.mark.parametrize("setting", SHUT)
def test_what_reaches_beyond_the_job_is_refused_by_name(setting):
    """Would let through: an open door that the list above does not show, such as a whole section."""
    value, _ = SHUT[setting]
    assert is_setting(setting), "it has another name by now"
    for part in reversed(setting.split(".")):
        value = {part: value}
    asked = JobRequest(model="nano", training_file="file-a", tunesmith=value)
    with pytest.raises(ApiError, match=f"'tunesmith.{setting}' is not open to clients"):
        recipe_of(asked, "ftjob-a", Base("nano"), 1)
