"""A random base model of a few thousand weights, made from config: fast where quality does not matter."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

SPECIAL = ["<|pad|>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of single bytes and the special tokens of nano."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[-1],
        additional_special_tokens=SPECIAL[1:-1],
    )
    fast.chat_template = TEMPLATE
    return fast


def tiny_config(**changes: object) -> LlamaConfig:
    """Return the shape of the tiny base."""
    shape = {
        "vocab_size": len(SPECIAL) + 256,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "eos_token_id": SPECIAL.index("<|end|>"),
        "pad_token_id": 0,
        "bos_token_id": None,
    }
    return LlamaConfig(**{**shape, **changes})


def tiny_base(folder: Path, seed: int = 0, **changes: object) -> Path:
    """Write the tiny base in Hugging Face layout and return its folder."""
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(tiny_config(**changes)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder
