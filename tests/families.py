"""Tiny random bases of the families people tune, made from config, with the tokenizer of the tiny base."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconH1Config,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    PhiConfig,
    PreTrainedConfig,
    Qwen3Config,
)

from tiny import SPECIAL, tiny_tokenizer

_SHAPE = {
    "vocab_size": len(SPECIAL) + 256,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": SPECIAL.index("<|end|>"),
    "pad_token_id": 0,
}
_CONFIGS = {
    "llama": (LlamaConfig, {"tie_word_embeddings": True}),
    "llama-untied": (LlamaConfig, {"tie_word_embeddings": False}),
    "llama-padded": (LlamaConfig, {"tie_word_embeddings": False, "vocab_size": 300}),
    "qwen3": (Qwen3Config, {"tie_word_embeddings": True}),
    "gemma3": (Gemma3TextConfig, {"tie_word_embeddings": True, "sliding_window": 16}),
    "mistral": (MistralConfig, {"tie_word_embeddings": False, "sliding_window": 16}),
    "phi": (PhiConfig, {"tie_word_embeddings": False}),  # the head has a bias
    "gpt2": (GPT2Config, {"tie_word_embeddings": True}),
}
FAMILIES = list(_CONFIGS)

_ODD = {
    "gemma2": (Gemma2Config, {}),  # soft caps on the attention's and the head's logits
    "granite": (GraniteConfig, {"logits_scaling": 4.0}),
    "bloom": (BloomConfig, {}),  # an attention of its own
    "falcon-h1": (FalconH1Config, {"mamba_d_ssm": 16, "mamba_n_heads": 2, "mamba_d_head": 8, "mamba_d_state": 4}),
}
ODD = list(_ODD)
"""Families on which some shortcut is not exact."""


def family_config(name: str, layers: int = 2) -> PreTrainedConfig:
    """Return a family's shape: width 16, two layers unless told otherwise."""
    kind, changes = (_CONFIGS | _ODD)[name]
    if kind is GPT2Config:
        ends = {key: _SHAPE[key] for key in ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")}
        return GPT2Config(n_embd=16, n_layer=layers, n_head=2, n_inner=32, n_positions=256, **ends)
    return kind(**{**_SHAPE, **changes, "num_hidden_layers": layers})


def family_base(folder: Path, name: str) -> Path:
    """Write a base in Hugging Face layout and return its folder."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(family_config(name)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder
