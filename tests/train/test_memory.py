"""What training takes in memory: counted with everything that lives in it, and refused where it is not there."""

from __future__ import annotations

import gc
from bisect import bisect_left
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from made import CARDS, make_dataset
from tiny import tiny_base
from tunesmith.core.allocator import give_back
from tunesmith.core.errors import RecipeError
from tunesmith.models.activation_checkpointing import checkpointed
from tunesmith.models.load import load_model
from tunesmith.models.quantised import largest_bytes, saved_bytes, weight_bytes
from tunesmith.recipe import Recipe
from tunesmith.text.prompts import prompts_of
from tunesmith.train import memory
from tunesmith.train.loss import Terms
from tunesmith.train.optimizer import trainable
from tunesmith.train.prepare_run import prepare_run
from tunesmith.train.ranks import Ranks
from tunesmith.train.sets import tokenise

pytestmark = pytest.mark.slow


def run_of(tiny, workspace, **train):
    recipe = Recipe.model_validate(
        {"name": "m", "task": "classify", "base": str(tiny), "data": {"train": "x"},
         "train": {"method": "full", "precision": "float32", "threads": 1, **train}}
    )  # fmt: skip
    dataset = make_dataset(workspace, CARDS[::2], CARDS[1::2])
    loaded = load_model(str(tiny))
    sets = tokenise(recipe, dataset, prompts_of(recipe, dataset), loaded)
    return prepare_run(recipe, loaded, sets.train, sets.valid, workspace.work_dir)


def test_what_does_not_fit_is_refused_with_what_would(tiny, workspace, monkeypatch):
    """Would let through: a run that the machine kills an hour later, a way out that does not fit either."""
    full, lora = (memory.needed_bytes(run_of(tiny, workspace, method=method)) for method in ("full", "lora"))
    weights = sum(one.numel() * 4 for one in load_model(str(tiny)).model.parameters())
    assert lora < full
    between = (lora + full) // 2
    monkeypatch.setattr(memory, "free_bytes", lambda _device: between - weights)
    with pytest.raises(RecipeError, match=r"training full needs about(?s:.)*are free(?s:.)*train\.method: lora"):
        run_of(tiny, workspace)
    run_of(tiny, workspace, method="lora")
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 0)
    with pytest.raises(RecipeError, match="a smaller base") as caught:
        run_of(tiny, workspace)
    assert "lora" not in str(caught.value.hint)


def test_four_bits_are_counted_as_what_they_take(tmp_path, workspace, monkeypatch):
    """Would let through: a base counted whole, one that is told too late or where it does not help."""
    base = tiny_base(tmp_path, hidden_size=256, intermediate_size=512, num_hidden_layers=8)
    lora, qlora = (run_of(base, workspace, method=method) for method in ("lora", "qlora"))
    needed = {run.settings.method: memory.needed_bytes(run, tried=False) for run in (lora, qlora)}
    saved = needed["lora"] - needed["qlora"]
    assert saved == pytest.approx(saved_bytes(lora.loaded.model) - largest_bytes(qlora.loaded.model), rel=0.05)
    weights = sum(one.numel() * 4 for one in load_model(str(base)).model.parameters())
    assert memory.peak_bytes(qlora) >= weights + weight_bytes(qlora.loaded.model)  # it is loaded whole
    monkeypatch.setattr(memory, "GROWN_FROM", 2**40)  # what the libraries grow by is another test's
    free = needed["lora"] - saved // 3
    for run in (lora, qlora):
        left = free - weight_bytes(run.loaded.model)
        monkeypatch.setattr(memory, "free_bytes", lambda _device, left=left: left)
        if run is lora:
            with pytest.raises(RecipeError, match=r"train\.method: qlora, which takes about"):
                run_of(base, workspace, method="lora", activation_checkpointing="never")
        else:
            run_of(base, workspace, method="qlora")
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 0)
    with pytest.raises(RecipeError) as caught:
        run_of(base, workspace, method="lora")
    assert "qlora" not in caught.value.hint


def test_activations_are_computed_again_where_the_run_does_not_fit_otherwise(tmp_path, workspace, monkeypatch):
    """Would let through: a run refused that need not be, a third more work where memory is there, useless advice."""
    base = tiny_base(tmp_path, num_hidden_layers=12)
    monkeypatch.setattr(memory, "GROWN_FROM", 2**40)  # what the libraries grow by is another test's
    runs = {wanted: run_of(base, workspace, activation_checkpointing=wanted) for wanted in ("auto", "always")}
    assert [checkpointed(run.loaded.model) for run in runs.values()] == [0, 11]
    most, least = (memory.needed_bytes(run) for run in runs.values())
    assert least < most
    left = (least + most) // 2 - weight_bytes(runs["auto"].loaded.model)
    monkeypatch.setattr(memory, "free_bytes", lambda _device: left)
    assert checkpointed(run_of(base, workspace).loaded.model) == 11
    with pytest.raises(RecipeError, match="activation_checkpointing: always"):
        run_of(base, workspace, activation_checkpointing="never")
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 0)
    with pytest.raises(RecipeError) as caught:
        run_of(base, workspace, activation_checkpointing="never")
    assert "activation_checkpointing" not in caught.value.hint


def test_copies_of_the_weights_are_counted(tiny, workspace):
    """Would let through: a mean of the weights, or their start, that nobody made room for."""
    plain = run_of(tiny, workspace)
    learning = sum(one.numel() * 4 for one in trainable(plain.loaded.model).values())
    for regularise in ({"ema": 0.9}, {"average": 0.5}, {"l2sp": 0.1}):
        run = run_of(tiny, workspace, regularise=regularise)
        assert memory.needed_bytes(run) - memory.needed_bytes(plain) == pytest.approx(learning, rel=0.01)
    held = memory.needed_bytes(run_of(tiny, workspace, freeze={"rows": ":-1"})) - memory.needed_bytes(plain)
    assert held == 4 * plain.loaded.model.get_input_embeddings().weight.numel()


def test_no_pass_is_foretold_that_is_larger_than_a_step(tiny, workspace):
    """Would let through: a row of the longest examples where a step has two of them, foretold at twice what it takes."""
    small, whole = (run_of(tiny, workspace, epochs=2, batch_examples=count) for count in (2, 16))
    largest, all_of_it = (memory._largest_passes(run)[0].row.ids_BT.numel() for run in (small, whole))
    longest = max(len(one.ids) for one in small.train.rendered)
    assert largest <= 2 * longest < 4 * longest <= all_of_it
    assert memory.needed_bytes(small, tried=False) < memory.needed_bytes(whole, tried=False)


def test_a_pass_on_a_gpu_leaves_room_for_all_that_lies_beside_it(tiny, workspace, monkeypatch):
    """Would let through: a first step that does not fit, for its two passes at once or a copy nobody made room for."""
    monkeypatch.setattr(memory, "ROW_TOKENS", {"cpu": (1, 10**9)})
    device = SimpleNamespace(total_memory=2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: device)

    def least(tokens: int, **train) -> int:
        """Return of which memory so many tokens fit into one pass."""
        run = run_of(tiny, workspace, **train)

        def fit(total: int) -> int:
            device.total_memory = total
            return memory.row_tokens(run.loaded, run.train, run.shortcuts, run.settings, run.precision)

        return bisect_left(range(2**40), tokens, key=fit)

    plain, learning = least(5120), sum(one.numel() * 4 for one in load_model(str(tiny)).model.parameters())
    for copies, regularise, peak in (
        (1, {"ema": 0.5}, None), (1, {"average": 0.5}, None), (1, {"l2sp": 0.1}, None), (3, {"l2sp": 1, "ema": 0.5}, "auto"),
    ):  # fmt: skip
        room = least(5120, regularise=regularise, schedule={"peak": peak}) - plain
        assert room == pytest.approx(copies * learning / memory.HEADROOM, rel=1e-3)
    passes = least(5120 + 2560) - least(5120 + 1280)
    assert least(5120, regularise={"r_drop": 1}) - plain == pytest.approx(4 * passes, rel=0.1)


def test_a_gpu_too_small_for_the_longest_example_computes_activations_again(tmp_path, workspace, monkeypatch):
    """Would let through: one pass that runs out of memory, passes as short as if everything were kept."""
    base = tiny_base(tmp_path, num_hidden_layers=12)
    monkeypatch.setattr(memory, "ROW_TOKENS", {"cpu": (1, 10**9)})
    device = SimpleNamespace(total_memory=2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: device)
    run = run_of(base, workspace)
    assert checkpointed(run.loaded.model) == 0
    per_token = memory.activation_bytes_per_token(
        run.loaded, run.train, run.shortcuts, run.precision, Terms.of(run.settings.regularise)
    )
    longest = max(len(one.ids) for one in run.train.rendered)
    beside = memory._kept_throughout(run.loaded, run.settings, 1)
    device.total_memory = (beside + per_token * longest * 0.99) / memory.HEADROOM
    again = run_of(base, workspace)
    assert checkpointed(again.loaded.model) == 11
    device.total_memory = (beside + per_token * 2_560) / memory.HEADROOM
    assert memory.row_tokens(again.loaded, again.train, again.shortcuts, again.settings, "float32") > 2 * 2_560
    assert checkpointed(run_of(base, workspace, activation_checkpointing="never").loaded.model) == 0


def test_a_model_in_parts_is_not_counted_whole_on_every_rank(tiny, workspace):
    """Would let through: a model that no device holds alone, refused on as many as hold it together."""
    alone = run_of(tiny, workspace, shard="always")
    weights = sum(one.numel() * 4 for one in alone.loaded.model.parameters())
    parted = replace(alone, ranks=Ranks(0, 4))
    saved = memory.needed_bytes(alone, tried=False) - memory.needed_bytes(parted, tried=False)
    most = 4 * weights * 3 / 4  # of weights, gradients and two moments three ranks of four take their part
    assert most - weights <= saved < most  # what is fetched is less than the whole model
    whole = replace(alone, ranks=Ranks(0, 4), settings=alone.settings.model_copy(update={"shard": "never"}))
    assert memory.needed_bytes(whole, tried=False) == memory.needed_bytes(alone, tried=False)


def test_a_long_example_is_told_with_the_length_that_fits(tiny, workspace, monkeypatch):
    """Would let through: 'a smaller base' as the only way out where one example of a book is the reason."""
    monkeypatch.setattr(memory, "ROW_TOKENS", {"cpu": (16, 16)})
    run = run_of(tiny, workspace, method="lora")
    needed, weights = memory.needed_bytes(run), sum(one.numel() * 4 for one in run.loaded.model.parameters())
    monkeypatch.setattr(memory, "free_bytes", lambda _device: needed - weights - 30_000)
    with pytest.raises(RecipeError, match=r"train\.max_tokens: \d+"):
        memory.refuse_unfit(run)


def test_counting_leaves_nothing_behind(tiny, workspace):
    """Would let through: the graph of the counted pass, kept for the whole run (it doubled what training takes)."""
    run = run_of(tiny, workspace)
    gc.collect()
    before = sum(type(one) is torch.Tensor for one in gc.get_objects())
    memory.activation_bytes_per_token(run.loaded, run.train, run.shortcuts, run.precision)
    gc.collect()
    assert sum(type(one) is torch.Tensor for one in gc.get_objects()) <= before + 2


def test_freed_memory_is_given_back():
    """Would let through: a process that grows by half a pass with each of its first passes."""
    kept, freed = [], []
    for _ in range(600):  # small blocks between large ones hold the heap together
        freed.append(bytearray(2**20))
        kept.append(bytearray(5_000))
    full = memory.resident_bytes()
    freed.clear()
    give_back()
    assert memory.resident_bytes() < full - 300 * 2**20
    assert len(kept) == 600


def test_the_machine_has_memory(tiny):
    """Would let through: a count in the wrong unit."""
    free = memory.free_bytes(load_model(str(tiny)).model.device)
    assert 2**27 < free < 2**43
