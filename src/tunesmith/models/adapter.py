"""Put a saved PEFT adapter on its base, for inference. Does not own where the base is (`load`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tunesmith.models.new_tokens import make_room, ties_are_kept

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel


def with_adapter(model: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """Return the base with the adapter of a folder, its new tokens' rows and what ends its answers."""
    from peft import PeftModel
    from transformers import GenerationConfig

    from tunesmith.models.low_rank import make_direct
    from tunesmith.models.token_rows import put_rows_in

    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    make_room(model, max(_token_ids(config), default=-1) + 1)
    if (adapter / "generation_config.json").exists():
        model.generation_config = GenerationConfig.from_pretrained(adapter)
    with ties_are_kept():
        adapted: Any = PeftModel.from_pretrained(model, str(adapter))
    put_rows_in(adapted)
    make_direct(adapted)
    return adapted


def _token_ids(config: dict[str, Any]) -> list[int]:
    """Return the tokens whose rows an adapter holds."""
    by_layer = config.get("trainable_token_indices") or {}
    lists = list(by_layer.values()) if isinstance(by_layer, dict) else [by_layer]
    return [token for ids in [*lists, config.get("token_indices") or []] for token in ids]
