"""Convert llama2.c's checkpoint stories260K into a Hugging Face folder: config, safetensors, fast tokenizer.

Run: ``python tools/convert_stories260k.py --data ../shared/data/stories260k --out FOLDER``

Owns that one foreign format. The result is an ordinary Llama folder, which is all that Tunesmith reads.

Source: karpathy/llama2.c, ``export.py`` (layout of the weights) and ``run.c`` (layout and use of the tokenizer).
"""

from __future__ import annotations

import argparse
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ("<unk>", "<s>", "</s>")
"""Ids 0 to 2. The checkpoint saw ``<s>`` between stories and never ``</s>``, so ``<s>`` both begins and ends one."""

BYTES_FROM = len(SPECIAL)
PIECES_FROM = BYTES_FROM + 256
WEIGHTS, TOKENIZER = "stories260K.bin", "tok512.bin"
Array = NDArray[np.float32]


class Shape(NamedTuple):
    """The checkpoint's header: seven little-endian int32."""

    dim: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    context: int


def read_weights(path: Path) -> tuple[Shape, dict[str, Array]]:
    """Return the shape and the weights under their Hugging Face names.

    Raises:
        ValueError: if the file is longer or shorter than its header says.
    """
    data = path.read_bytes()
    shape = Shape(*struct.unpack_from("<7i", data))
    flat = np.frombuffer(data, "<f4", offset=struct.calcsize("<7i"))
    layers, dim, hidden = shape.layers, shape.dim, shape.hidden
    kv_dim = dim // shape.heads * shape.kv_heads
    blocks = {
        "embed_tokens": (shape.vocabulary, dim),
        "input_layernorm": (layers, dim),
        "self_attn.q_proj": (layers, dim, dim),
        "self_attn.k_proj": (layers, kv_dim, dim),
        "self_attn.v_proj": (layers, kv_dim, dim),
        "self_attn.o_proj": (layers, dim, dim),
        "post_attention_layernorm": (layers, dim),
        "mlp.gate_proj": (layers, hidden, dim),
        "mlp.down_proj": (layers, dim, hidden),
        "mlp.up_proj": (layers, hidden, dim),
        "norm": (dim,),
    }
    rope_tables = shape.context * dim // shape.heads  # cosines and sines; the model computes its own
    wanted = sum(int(np.prod(size)) for size in blocks.values()) + rope_tables
    if len(flat) != wanted:
        raise ValueError(f"{path}: {len(flat):,} numbers, but its header {shape} makes {wanted:,}")
    return shape, _named(shape, _cut(flat, blocks))


def _cut(flat: Array, blocks: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    cut, start = {}, 0
    for name, size in blocks.items():
        end = start + int(np.prod(size))
        cut[name] = flat[start:end].reshape(size)
        start = end
    return cut


def _named(shape: Shape, blocks: dict[str, Array]) -> dict[str, Array]:
    heads = {"self_attn.q_proj": shape.heads, "self_attn.k_proj": shape.kv_heads}
    named = {}
    for block, weights in blocks.items():
        if block in ("embed_tokens", "norm"):
            named[f"model.{block}.weight"] = weights
            continue
        for layer, matrix in enumerate(weights):
            rows = half_split(matrix, heads[block]) if block in heads else matrix
            named[f"model.layers.{layer}.{block}.weight"] = rows
    return named


def half_split(matrix: Array, heads: int) -> Array:
    """Reorder the rows of a query or key matrix from interleaved rotary pairs to the two halves Llama has them in."""
    rows, columns = matrix.shape
    pairs = matrix.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.transpose(0, 2, 1, 3).reshape(rows, columns)


def read_pieces(path: Path) -> list[tuple[str, float]]:
    """Return the tokenizer's pieces with their scores, in id order; the first `PIECES_FROM` are special and bytes."""
    data, at = path.read_bytes(), struct.calcsize("<i")
    pieces = []
    while at < len(data):
        score, size = struct.unpack_from("<fi", data, at)
        at += struct.calcsize("<fi")
        pieces.append((data[at : at + size].decode("utf-8"), score))
        at += size
    return pieces


def make_tokenizer(pieces: list[tuple[str, float]], context_tokens: int) -> PreTrainedTokenizerFast:
    """Return a byte-fallback BPE that merges the best-scoring pair first, after a space put before the text."""
    scores = dict(pieces[PIECES_FROM:])
    byte_tokens = [f"<0x{code:02X}>" for code in range(256)]
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *byte_tokens, *scores])}
    best_first = sorted(scores, key=lambda piece: -scores[piece])
    merges = [pair for piece in best_first for pair in _halves(piece) if pair[0] in scores and pair[1] in scores]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, fuse_unk=True, unk_token=SPECIAL[0]))
    tokenizer.normalizer = normalizers.Prepend(" ")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", SPECIAL.index("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="<s>",
        model_max_length=context_tokens, clean_up_tokenization_spaces=False,
    )  # fmt: skip


def _halves(piece: str) -> list[tuple[str, str]]:
    return [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]


def convert(data: Path, out: Path) -> Path:
    """Write the Hugging Face folder ``out`` from the folder that holds the two binary files; return ``out``."""
    shape, weights = read_weights(data / WEIGHTS)
    story_end = SPECIAL.index("<s>")
    config = LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.dim, intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context, tie_word_embeddings=True, rms_norm_eps=1e-5,
        bos_token_id=story_end, eos_token_id=story_end, pad_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
    model.load_state_dict({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"]})
    model.save_pretrained(str(out))
    make_tokenizer(read_pieces(data / TOKENIZER), shape.context).save_pretrained(str(out))
    return out


def main() -> None:
    """Convert the files of one folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder that holds {WEIGHTS} and {TOKENIZER}")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    print(convert(args.data, args.out))


if __name__ == "__main__":
    main()
