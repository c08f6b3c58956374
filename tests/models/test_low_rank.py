"""LoRA's own layer is PEFT's to the last name."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from transformers import AutoModelForCausalLM

from families import FAMILIES, family_base, family_config
from tunesmith.models.adapter import with_adapter as answer_with_adapter
from tunesmith.models.load import load_model
from tunesmith.models.low_rank import make_direct
from tunesmith.models.precision import halve_frozen
from tunesmith.recipe import Recipe
from tunesmith.train.adapters import with_adapter

IDS_BT = torch.arange(1, 25).reshape(2, 12)
SEVERAL = [torch.randint(1, 250, (2, 60), generator=torch.Generator().manual_seed(seed)) for seed in range(6)]


def pair(family: str, **settings: Any) -> tuple[Any, Any]:
    """Return the same random adapter on the same random model: as PEFT has it, and with the own layer."""
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", task_type="CAUSAL_LM", **settings)
    model = AutoModelForCausalLM.from_config(family_config(family))
    config.fan_in_fan_out = family == "gpt2"
    plain: Any = get_peft_model(model, config)
    for name, weight in plain.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.1)
    own = deepcopy(plain)
    make_direct(own)
    return plain, own


def learnt(
    model: Any, dtype: torch.dtype | None = None, ids_BT: torch.Tensor = IDS_BT
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return logits and the gradients of a fixed sum of them; what is dropped is drawn alike each time."""
    torch.manual_seed(3)
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        logits = model(ids_BT).logits.float()
    (logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum().backward()
    found = {name: one.grad.float() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad(set_to_none=True)
    return logits.detach(), found


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Return the largest difference of gradients, as a share of the largest of its matrix."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max() / other[name].abs().max()) for name in other)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("settings", [{}, {"lora_dropout": 0.3, "use_rslora": True}, {"use_dora": True}], ids=str)
def test_the_same_logits_and_gradients(family: str, settings: dict[str, Any]) -> None:
    """Lets through: another scale, dropout in another place, a bias forgotten, DoRA's magnitudes forgotten."""
    plain, own = (one.double().train() for one in pair(family, **settings))
    (wanted, grads), (got, own_grads) = learnt(plain), learnt(own)
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-6)
    assert furthest(own_grads, grads) <= 1e-6


def in_bfloat16(model: Any) -> Any:
    """Return the model as training has it: frozen matrices narrow, the rest wide."""
    halve_frozen(model, "bfloat16")
    return model


def astray(model: Any, exact: Any) -> float:
    """Return how far gradients in bfloat16 are from those of float32, over several inputs, as a share of their size."""
    far = size = 0.0
    for ids_BT in SEVERAL:
        wanted = learnt(exact, None, ids_BT)[1]
        found = learnt(model, torch.bfloat16, ids_BT)[1]
        far += sum(float((found[name] - one).square().sum()) for name, one in wanted.items())
        size += sum(float(one.square().sum()) for one in wanted.values())
    return (far / size) ** 0.5


@pytest.mark.parametrize("family", ["qwen3", "phi", "gpt2"])
def test_in_bfloat16_nearer_to_float32_than_peft(family: str) -> None:
    """Lets through: a product that is rounded on its way to the sum."""
    plain, own = (in_bfloat16(one).eval() for one in pair(family))
    exact = deepcopy(plain).float()  # the same numbers, summed in float32
    assert astray(own, exact) <= astray(plain, exact) < 0.05


def kinds(model: Any) -> set[str]:
    return {type(one).__name__ for one in model.modules() if "lora_A" in dict(one.named_children())}


def test_training_and_answering_use_it(tmp_path: Path) -> None:
    """Lets through: a layer that nothing uses."""
    base = family_base(tmp_path / "base", "qwen3")
    recipe = Recipe(name="exact", task="chat", base=str(base), data={"train": "x"}, train={"method": "lora"})
    learning = with_adapter(recipe, load_model(str(base), device="cpu"))
    assert kinds(learning) == {"_LowRank"}
    learning.save_pretrained(tmp_path / "adapter")
    answering = answer_with_adapter(AutoModelForCausalLM.from_pretrained(base), tmp_path / "adapter")
    assert kinds(answering) == {"_LowRank"}


def test_a_bias_of_the_adapter_is_not_lost() -> None:
    """Lets through: adapters made elsewhere with `lora_bias` that answer without it."""
    plain, own = pair("gpt2", lora_bias=True)
    for name, weight in plain.named_parameters():
        if "lora_B" in name and name.endswith("bias"):
            torch.nn.init.normal_(weight)
            own.get_parameter(name).data.copy_(weight.data)
    with torch.no_grad():
        torch.testing.assert_close(own.eval()(IDS_BT).logits, plain.eval()(IDS_BT).logits)


def test_what_else_peft_can_do_stays() -> None:
    """Lets through: an adapter that acts though it is off or merged, names or weights of files that PEFT would not know."""
    plain, own = pair("gpt2")
    own.eval(), plain.eval()
    files, own_files = get_peft_model_state_dict(plain), get_peft_model_state_dict(own)
    assert files.keys() == own_files.keys()
    assert all(torch.equal(one, own_files[name]) for name, one in files.items())
    with torch.no_grad():
        on = own(IDS_BT).logits
        with own.disable_adapter(), plain.disable_adapter():
            off = own(IDS_BT).logits
            assert torch.equal(off, plain(IDS_BT).logits)
        assert not torch.allclose(on, off, atol=1e-3)
        merged = own.merge_and_unload()
        torch.testing.assert_close(merged(IDS_BT).logits, on, rtol=1e-4, atol=1e-5)
        assert not any("lora_" in name for name, _ in merged.named_parameters())
