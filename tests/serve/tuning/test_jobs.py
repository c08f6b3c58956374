"""Fine-tuning through OpenAI's client against a server that runs: from rows to a model that answers."""

from __future__ import annotations

import csv
import io

import openai
import pytest

from serve_tuning import dpo_rows, sft_rows
from tunesmith.recipe import load_recipe

pytestmark = pytest.mark.slow

METHODS = {"supervised": sft_rows, "dpo": dpo_rows}


def hyper(method: str, **values: object) -> dict[str, object]:
    return {"type": method, method: {"hyperparameters": values}}


@pytest.mark.parametrize("method", METHODS)
def test_rows_become_a_model_that_answers(shop, method):
    """Catches a life that OpenAI's client cannot follow: a status, an event, a checkpoint, a name that is not served."""
    rows = METHODS[method]
    job = shop.job(
        rows(), validation_file=shop.file(rows(12, "z")), suffix="My Sup ä", method=hyper(method, n_epochs=4, batch_size=4)
    )  # fmt: skip
    done = shop.ended(job.id)
    assert done.status == "succeeded", shop.log(job.id)
    assert done.fine_tuned_model == f"ft:tiny:tunesmith:my-sup:{job.id[-8:]}"
    assert done.trained_tokens > 0 and done.finished_at >= done.created_at and done.error is None
    told = shop.messages(job.id)
    assert told[0].startswith("Created") and told[-1] == "The job has successfully completed"
    in_order = [
        "Validating training file",
        "Files validated",
        "Fine-tuning job started",
        "Step 1/12",
        "Step 12/12",
        "New fine-tuned model",
    ]
    places = [next(place for place, one in enumerate(told) if one.startswith(words)) for words in in_order]
    assert places == sorted(places)
    steps = [event.data for event in shop.jobs.list_events(job.id, limit=100) if event.type == "metrics"][::-1]
    assert [one["step"] for one in steps] == list(range(1, 13))
    assert [one["step"] for one in steps if "full_valid_loss" in one] == [3, 6, 9, 12]
    kept = list(shop.jobs.checkpoints.list(job.id))
    assert [one.step_number for one in kept] == [12, 9, 6], "one an epoch, of which the last three stay"
    assert kept[0].metrics.full_valid_loss == steps[-1]["full_valid_loss"]
    with pytest.raises(openai.BadRequestError, match="has the purpose 'fine-tune-results'") as told:
        shop.job(training_file=done.result_files[0])
    assert (told.value.code, told.value.param) == ("invalid_value", "training_file")
    rows_of_results = list(csv.DictReader(io.StringIO(shop.client.files.content(done.result_files[0]).text)))
    assert [float(one["train_loss"]) for one in rows_of_results] == [one["train_loss"] for one in steps]
    assert shop.client.files.retrieve(done.result_files[0]).purpose == "fine-tune-results"
    names = [done.fine_tuned_model, *(one.fine_tuned_model_checkpoint for one in kept)]
    assert names[1] == f"{names[0]}:ckpt-step-12"
    assert set(names) <= {model.id for model in shop.client.models.list()}
    for name in names[:2]:
        asked = {"model": name, "messages": [{"role": "user", "content": "q1"}], "max_tokens": 4}
        answer = shop.client.chat.completions.create(**asked)
        streamed = list(shop.client.chat.completions.create(**asked, stream=True))
        assert answer.model == name
        assert "".join(one.choices[0].delta.content or "" for one in streamed) == answer.choices[0].message.content
        assert shop.client.models.retrieve(name).id == name
    if method == "supervised":
        _goes_on_from(shop, names[1])
    assert shop.client.models.delete(names[0]).deleted
    with pytest.raises(openai.NotFoundError):
        shop.client.chat.completions.create(model=names[0], messages=[{"role": "user", "content": "q"}])
    assert shop.client.models.retrieve(names[1]).id == names[1]
    assert shop.jobs.retrieve(job.id).fine_tuned_model == names[0]
    folder = shop.workspace.jobs_dir / job.id
    assert not (folder / "train.jsonl").exists() and load_recipe(folder / "recipe.yaml").name == job.id


def _goes_on_from(shop, name):
    """Tune a tuned model further."""
    again = shop.ended(shop.job(sft_rows(12, "y"), model=name, hyperparameters={"n_epochs": 1}).id)
    assert again.status == "succeeded", shop.log(again.id)
    assert again.fine_tuned_model == f"ft:tiny:tunesmith::{again.id[-8:]}"
    asked = {"messages": [{"role": "user", "content": "y1"}], "max_tokens": 4}
    assert shop.client.chat.completions.create(model=again.fine_tuned_model, **asked).choices
    root = shop.workspace.get(shop.client.models.retrieve(again.fine_tuned_model).root)
    assert (root.path / "model" / "model.safetensors").exists() and len(root.parents) == 2


BAD: dict[str, tuple[bytes, str, tuple[str, ...]]] = {
    "an answer is missing": (sft_rows(11) + b'{"messages": [{"role": "user", "content": "x"}]}\n', "invalid_training_file", ("Example 12", "line 12", "no answer")),
    "no JSON": (b"\n" + sft_rows(5) + b"{oops\n" + sft_rows(6, "z"), "invalid_training_file", ("Example 6", "line 7", "is no JSON")),
    "too few": (sft_rows(9), "invalid_n_examples", ("9 example(s)", "at least 10")),
    "another form": (dpo_rows(), "invalid_training_file", ("its records have the keys input", "messages")),
    "too long": (sft_rows(11) + sft_rows(1, "w" * 600), "invalid_training_file", ("Example 12", "longer than the base reads")),
}  # fmt: skip


def test_rows_that_cannot_be_learnt_are_named(shop):
    """Catches a job that trains on less than was sent, a message that leaves the reader looking for the row."""
    jobs = {name: shop.job(rows) for name, (rows, _, _) in BAD.items()}
    for name, job in jobs.items():
        _, code, words = BAD[name]
        failed = shop.ended(job.id)
        assert (failed.status, failed.error.code, failed.error.param) == ("failed", code, "training_file"), failed.error
        assert all(word in failed.error.message for word in words), failed.error.message
        assert str(shop.workspace.root) not in failed.error.message and "tiny" not in failed.error.message
        last = shop.jobs.list_events(job.id, limit=1).data[0]
        assert last.level == "error" and failed.error.message in last.message
    assert shop.workspace.list("model") == []
