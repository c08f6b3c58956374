"""Load a model with its tokenizer, from wherever it lies.

Owns what a reference means: ``nano`` (bundled), a Hugging Face folder, a PEFT adapter's folder, or a hub name.
Only safetensors are read and no code from the repository is run. Does not own ids of artifacts (`flow`).
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import ArtifactError, MissingExtraError, RemoteError, SetupError, TunesmithError
from tunesmith.core.ids import digest, digest_file, digest_folder
from tunesmith.models.precision import arithmetic, choose_device

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tunesmith.core.artifacts import Workspace

ASSETS = Path(__file__).parent.parent / "assets"
HOSTED_FILE = "hosted.json"
"""What a Model's folder has in place of weights that lie at a service."""
ADAPTER_CONFIG = "adapter_config.json"

_PLAIN_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")
_EXPECTED = "nano, a folder with config.json and safetensors, or a name on the Hugging Face hub"
_HINT = "check the spelling of base, or the network if it is a hub name"

_LOADING = threading.Lock()
"""transformers 5 patches torch while it loads: two loads at once in a process leave weights without values."""


@dataclass
class LoadedModel:
    """A causal language model in memory, its tokenizer, and the reference it came from."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    ref: str

    @property
    def context_tokens(self) -> int:
        """The longest sequence the model was made for."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", 2048))

    @property
    def stop_ids(self) -> set[int]:
        """Tokens that end an answer: the tokenizer's end token and those of the generation config."""
        configured = self.model.generation_config.eos_token_id if self.model.generation_config else None
        ids = configured if isinstance(configured, list) else [configured]
        return {token for token in [*ids, self.tokenizer.eos_token_id] if token is not None}

    def arithmetic(self, precision: str) -> str:
        """Return in words how answers are computed at a precision."""
        return arithmetic(self.model.device, str(self.model.dtype).removeprefix("torch."), precision)


def locate(ref: str) -> Path | None:
    """Return the folder of a reference on this machine, or None for a name on the hub."""
    if ref == "nano":
        return ASSETS / "nano"
    folder = Path(ref).expanduser()
    return folder if folder.is_dir() else None


def identity(ref: str) -> str:
    """Return what identifies the weights of a reference: the content's digest if local, else the name itself."""
    folder = locate(ref)
    return digest_folder(folder) if folder else ref


def reference(base: str, workspace: Workspace) -> str:
    """Return the reference of a recipe's base: an earlier Model's folder if ``base`` is its id, or the name itself."""
    earlier = workspace.find(base)
    if earlier:
        refuse_hosted(earlier.path / "model")
    return str(earlier.path / "model") if earlier else base


def refuse_hosted(folder: Path) -> None:
    """Refuse the ``model`` folder of a Model whose weights lie at a service.

    Raises:
        SetupError: that says what can be done with such a Model.
    """
    if (folder.parent / HOSTED_FILE).is_file():
        raise SetupError(
            f"{folder.parent.name} lies at the service that tuned it: its weights are not on this machine",
            expected="a Model whose weights are here",
            hint="evaluate, release and serve ask it there; for weights of your own train the same recipe with an open "
            "model as its base",
        )


def load_tokenizer(ref: str) -> PreTrainedTokenizerBase:
    """Load a model's tokenizer without its weights.

    Raises:
        MissingExtraError: without the ``train`` extra.
        SetupError: if there is none.
        RemoteError: if the hub is out of reach.
    """
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "transformers") from error
    folder = locate(ref)
    try:
        kind = _read_json(folder / "tokenizer_config.json").get("tokenizer_class") if folder else None
        # looking a class up imports torch, which costs seconds; a tokenizer that is a plain one says so
        loader = getattr(transformers, kind if kind in _PLAIN_TOKENIZERS else "AutoTokenizer")
        tokenizer: PreTrainedTokenizerBase = loader.from_pretrained(str(folder or ref))
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise _kind_of(error, ref)(
            f"cannot load a tokenizer from {ref!r}: {_reason(error)}", expected=_EXPECTED, hint=_HINT
        ) from error
    return tokenizer


def context_tokens(ref: str) -> int | None:
    """Return the longest sequence a model was made for, from its configuration alone; None if it does not say.

    Raises:
        SetupError: if there is no configuration.
    """
    folder = locate(ref)
    source = _base_of(folder) if folder and (folder / ADAPTER_CONFIG).exists() else str(folder or ref)
    try:
        if Path(source).is_dir():
            config = _read_json(Path(source) / "config.json")
            config = config.get("text_config", config)
        else:
            from transformers import AutoConfig

            config = AutoConfig.from_pretrained(source).get_text_config().to_dict()
    except (OSError, ValueError, KeyError) as error:
        raise _kind_of(error, source)(
            f"cannot read {source!r}: {_reason(error)}", expected=_EXPECTED, hint=_HINT
        ) from error
    longest = config.get("max_position_embeddings")
    return None if longest is None else int(longest)


def _read_json(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def tokenizer_identity(ref: str) -> str:
    """Return what identifies a reference's tokenizer: the digest of its files if local, else the name itself."""
    folder = locate(ref)
    if folder is None:
        return ref
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".json", ".jinja", ".model", ".txt")]
    named = {path.name: digest_file(path) for path in files if "token" in path.name or path.suffix == ".jinja"}
    return digest(named, hex_digits=32)


def load_model(ref: str | Path, *, dtype: torch.dtype | None = None, device: str = "auto") -> LoadedModel:
    """Load a model for inference (evaluation mode), or as the start of training.

    Args:
        ref: as in the module's description. An adapter's folder brings its base along.
        dtype: of the weights; None means float32.
        device: where to put it; ``auto`` takes a GPU if there is one.

    Raises:
        MissingExtraError: without the ``train`` extra.
        SetupError: if nothing can be loaded from there.
        ArtifactError: if it is not a causal language model.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "torch") from error
    name = str(ref)
    folder = locate(name)
    if folder:
        refuse_hosted(folder)
    adapter = folder if folder and (folder / ADAPTER_CONFIG).exists() else None
    source = _base_of(adapter) if adapter else str(folder or name)
    from tunesmith.models.adapter import with_adapter

    with _LOADING:
        model, tokenizer = _from_pretrained(source, str(adapter) if adapter else source, dtype or torch.float32)
        if adapter:
            model = with_adapter(model, adapter)
    return LoadedModel(model.to(choose_device(device)).eval(), tokenizer, name)


def _base_of(adapter: Path) -> str:
    """Return where an adapter's base is: a reference, or the id of a Model of the same workspace."""
    base = str(_read_json(adapter / ADAPTER_CONFIG)["base_model_name_or_path"])
    beside = adapter.resolve().parent.parent / base / adapter.name
    located = locate(str(beside)) or locate(base)
    return str(located or base)


def _from_pretrained(source: str, tokenizer_source: str, dtype: torch.dtype) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # ours are the bars
    try:
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_source)
        model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, use_safetensors=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        kind = ArtifactError if Path(source).is_dir() else _kind_of(error, source)
        raise kind(
            f"cannot load a causal language model from {source!r}: {_reason(error)}", expected=_EXPECTED, hint=_HINT
        ) from error
    return model, tokenizer


def _kind_of(error: Exception, ref: str) -> type[TunesmithError]:
    """Return what kind of fault it is that nothing could be loaded: the hub that is out of reach, or the name."""
    told = str(error).lower()
    if ref.startswith((".", "/", "~")):
        return SetupError  # meant as a folder
    return RemoteError if "connect" in told or "offline" in told or "timed out" in told else SetupError


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
