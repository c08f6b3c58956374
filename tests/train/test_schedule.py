"""The learning rate as a function of the step: against other people's schedules, and what holds for all shapes."""

import contextlib
import warnings
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR, ReduceLROnPlateau
from transformers import get_scheduler

from tunesmith.core.errors import RecipeError
from tunesmith.recipe import Schedule, Train
from tunesmith.train.batches import TokenSet
from tunesmith.train.schedule import check_schedule, default_peak, multiplier, told, warmup_steps
from tunesmith.train.unfit import refuse_unfit_run

SHAPES = [
    "constant", "linear", "cosine", "restarts", "cyclic", "one_cycle", "wsd", "inverse_sqrt", "polynomial", "plateau"
]  # fmt: skip
OPEN_ENDED = {"constant", "inverse_sqrt", "plateau"}
FALL_ONLY = {"constant", "linear", "cosine", "wsd", "inverse_sqrt", "polynomial", "plateau"}


def sgd():
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def rates_of(optimizer, scheduler, steps):
    """Return what a torch scheduler gives to steps 0, 1, ..."""
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wants optimizer.step() in between
            scheduler.step()
    return rates


def ours(schedule, steps, **more):
    return [multiplier(schedule, step, steps, **more) for step in range(steps)]


@pytest.mark.parametrize(
    ("name", "theirs", "schedule"),
    [
        ("constant_with_warmup", {}, {"shape": "constant"}),
        ("linear", {}, {"shape": "linear", "floor": 0}),
        ("cosine_with_min_lr", {"min_lr_rate": 0.2}, {"shape": "cosine", "floor": 0.2}),
        ("cosine_with_restarts", {"num_cycles": 3}, {"shape": "restarts", "cycles": 3, "floor": 0}),
        ("polynomial", {"power": 3.0, "lr_end": 0.1}, {"shape": "polynomial", "power": 3, "floor": 0.1}),
        ("inverse_sqrt", {"timescale": 11}, {"shape": "inverse_sqrt", "floor": 0}),
        (
            "warmup_stable_decay",
            {"num_decay_steps": 20, "decay_type": "1-sqrt", "min_lr_ratio": 0.3},
            {"shape": "wsd", "decay": 0.2, "floor": 0.3},
        ),
    ],
)
def test_shapes_equal_those_of_transformers(name, theirs, schedule):
    """Ours starts above 0 and ends on the floor: it is theirs one step further on. A wrong formula differs somewhere."""
    optimizer = sgd()
    scheduler = get_scheduler(
        name, optimizer, num_warmup_steps=11, num_training_steps=100, scheduler_specific_kwargs=theirs
    )
    expected = rates_of(optimizer, scheduler, 101)[1:]
    if name == "warmup_stable_decay":  # theirs lifts the warm-up by the floor too
        expected[:10] = [(step + 1) / 11 for step in range(10)]
    assert ours(Schedule(warmup=10, **schedule), 100) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_cyclic_equals_torchs(mode):
    optimizer = sgd()
    scheduler = CyclicLR(optimizer, 0.1, 1.0, step_size_up=8, mode=mode, gamma=0.98, cycle_momentum=False)
    settings = {"gamma": 0.98} if mode == "exp_range" else {}
    schedule = Schedule(shape="cyclic", mode=mode, cycles=4, floor=0.1, **settings)
    assert ours(schedule, 65) == pytest.approx(rates_of(optimizer, scheduler, 65), rel=1e-12)


def test_one_cycle_equals_torchs():
    optimizer = sgd()
    scheduler = OneCycleLR(optimizer, 1.0, total_steps=90, pct_start=0.25, div_factor=20, final_div_factor=0.5)
    schedule = Schedule(shape="one_cycle", rise=0.25, start=0.05, floor=0.1)
    assert ours(schedule, 90) == pytest.approx(rates_of(optimizer, scheduler, 90), rel=1e-12)


@pytest.mark.parametrize("growth", [1, 2])
def test_restarts_equal_torchs(growth):
    """Would let through cycles that restart a step late, or that grow from the wrong length."""
    optimizer = sgd()
    scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=growth, eta_min=0.05)
    steps = 1 + 10 * sum(growth**cycle for cycle in range(3))
    schedule = Schedule(shape="restarts", warmup=0, cycles=3, growth=growth, floor=0.05)
    assert ours(schedule, steps)[:-1] == pytest.approx(rates_of(optimizer, scheduler, steps)[:-1], rel=1e-12)
    assert ours(schedule, steps)[-1] == 0.05


def test_restarts_shrink():
    heights = ours(Schedule(shape="restarts", warmup=0, cycles=3, shrink=0.5, floor=0), 31)
    assert [heights[0], heights[10], heights[20]] == [1, 0.5, 0.25]


@given(st.lists(st.floats(0, 10), max_size=40), st.integers(0, 3), st.sampled_from([0.1, 0.5, 0.9]))
def test_plateau_equals_torchs(losses, patience, factor):
    """Would let through a patience off by one, or one that is not reset after a reduction."""
    optimizer = sgd()
    scheduler = ReduceLROnPlateau(optimizer, factor=factor, patience=patience, threshold=0, min_lr=0.01, eps=0)
    for loss in losses:
        scheduler.step(loss)
    schedule = Schedule(shape="plateau", warmup=0, factor=factor, patience=patience, floor=0.01)
    assert multiplier(schedule, 5, 10, validations=losses) == pytest.approx(optimizer.param_groups[0]["lr"])


@given(st.sampled_from(SHAPES), st.integers(0, 40), st.floats(0.01, 1), st.integers(1, 500))
def test_what_holds_for_all_shapes(shape, warmup, floor, total):
    settings = {"warmup": min(warmup, total - 1), "floor": floor}
    schedule = Schedule(
        shape=shape, **{name: value for name, value in settings.items() if Schedule(shape=shape).uses(name)}
    )
    values, warm = ours(schedule, total), warmup_steps(schedule, total, 1)
    assert all(0 < value <= 1 + 1e-12 for value in values)
    assert all(value >= min(floor, schedule.start) - 1e-12 for value in values[warm:])
    assert values[:warm] == sorted(values[:warm])
    if shape in FALL_ONLY:
        assert values[warm:] == sorted(values[warm:], reverse=True)
        assert total - warm == 1 or values[warm] == pytest.approx(1)
    if shape not in OPEN_ENDED and total - warm > 1:
        assert values[-1] == pytest.approx(floor)


STEEPEST = {"linear": 1, "cosine": 1.6, "cyclic": 6, "one_cycle": 5.3, "polynomial": 2, "inverse_sqrt": 1, "wsd": 0}


@given(st.sampled_from(sorted(STEEPEST)), st.integers(30, 300))
def test_rates_do_not_jump(shape, total):
    """Would let through parts of a shape that do not meet, such as a warm-up that ends above where the fall begins."""
    schedule = Schedule(shape=shape)
    values, warm = ours(schedule, total), warmup_steps(schedule, total, 1)
    steepest = max(STEEPEST[shape] / (total - warm - 1), 1 / (warm + 1) if warm else 0)
    if shape == "wsd":  # its fall begins with a root
        steepest = max(1, 0.2 * total - 1) ** -0.5
    assert max(abs(a - b) for a, b in pairwise(values)) <= steepest * 1.1


@pytest.mark.parametrize(("warmup", "steps"), [(0.1, 20), (7, 7), ("1000 tokens", 10), ("1001 tokens", 11), (0, 0)])
def test_warmup_is_a_share_steps_or_tokens(warmup, steps):
    assert warmup_steps(Schedule(warmup=warmup), 200, 100) == steps


def test_a_setting_the_shape_does_not_use_is_refused():
    for settings, unused in (
        ({"shape": "cosine", "cycles": 3}, "cycles means nothing to shape cosine"),
        ({"shape": "constant", "floor": 0.5}, "floor means nothing"),
        ({"shape": "one_cycle", "warmup": 0.06}, "warmup means nothing"),
        ({"shape": "cyclic", "gamma": 0.9}, "gamma means nothing to mode triangular"),
    ):
        with pytest.raises(ValueError, match=unused):
            Schedule(**settings)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_dump_says_what_counts_and_reads_again(shape):
    schedule = Schedule(shape=shape)
    dump = schedule.model_dump(mode="json")
    assert Schedule(**dump) == schedule
    assert "cycles" not in dump or shape in ("restarts", "cyclic")


def test_a_run_too_short_or_without_validation_is_refused_in_words():
    with pytest.raises(RecipeError, match="warmup: 50 is 50 of the run's 20 steps"):
        check_schedule(Schedule(warmup=50), 20, 1, validated=True)
    with pytest.raises(RecipeError, match=r"plateau .* no validation examples"):
        check_schedule(Schedule(shape="plateau"), 20, 1, validated=False)
    check_schedule(Schedule(warmup=0.9), 1, 1, validated=False)


@pytest.mark.parametrize("patience", [0, 1, 4])
def test_plateau_is_refused_exactly_where_its_rate_cannot_fall(patience):
    """Would let through: a rate that stays constant whatever is validated, or a run refused whose rate could fall."""
    schedule = Schedule(shape="plateau", patience=patience, warmup=0)
    settings = Train(schedule=schedule, eval_every=1, batch_tokens="auto", regularise={"early_stopping": None})
    for validations in range(1, patience + 4):
        falls = multiplier(schedule, validations, validations + 1, validations=[1.0] * validations) < 1
        with contextlib.nullcontext() if falls else pytest.raises(RecipeError, match=r"shape: plateau"):
            refuse_unfit_run(settings, TokenSet([], []), [validations + 1])


def test_a_schedule_is_told_with_what_is_in_force():
    """Would let through a line of `plan` that names a warm-up the shape lacks, or the default instead of the setting."""
    assert told(Schedule(shape="cyclic", cycles=4), 100, 1) == "4 triangular cycles, never below 0.1 of the peak"
    assert told(Schedule(shape="constant", warmup=7), 100, 1) == "constant after 7 steps of warm-up"
    assert all(told(Schedule(shape=shape), 100, 1) for shape in SHAPES)


def test_default_peaks_of_nano_and_of_a_wide_model():
    assert default_peak("full", 256) == pytest.approx(8e-4)
    assert default_peak("lora", 256) == pytest.approx(2.4e-3)
    assert default_peak("lora", 32) == 3e-3
    assert default_peak("full", 4096) < default_peak("full", 1024)
