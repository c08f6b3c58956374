"""Write a model where standard loaders read it: weights or an adapter, and the tokenizer; safetensors only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.models.load import LoadedModel


def save_model(loaded: LoadedModel, folder: Path) -> None:
    """Write weights (all, or the adapter alone) and tokenizer in Hugging Face or PEFT layout.

    What ends an answer is written too, also for an adapter, whose base may know fewer such tokens.
    """
    if is_adapted(loaded.model):
        loaded.model.save_pretrained(str(folder), save_embedding_layers=False)
        loaded.model.generation_config.save_pretrained(str(folder))
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    else:
        loaded.model.save_pretrained(str(folder))
    loaded.tokenizer.save_pretrained(str(folder))


def merge_adapter(loaded: LoadedModel) -> None:
    """Make an adapter part of its base, new tokens' rows and tied heads included; a model without one stays as it is.

    What comes out learns in every weight if it is trained on.
    """
    if not is_adapted(loaded.model):
        return
    from tunesmith.models.token_rows import take_rows_out

    take_rows_out(loaded.model)
    loaded.model = loaded.model.merge_and_unload()
    loaded.model.requires_grad_(True)


def is_adapted(model: Any) -> bool:
    """Tell whether a model is an adapter of PEFT on top of a base."""
    return hasattr(model, "peft_config") and hasattr(model, "base_model")
