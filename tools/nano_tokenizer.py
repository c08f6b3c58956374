"""Train nano's tokenizer: byte-level BPE of 4,096 tokens, digits one by one, and the chat template.

Run: ``python tools/nano_tokenizer.py --data ../shared/data --out FOLDER``. Does not own the text (`nano_corpus`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

import nano_corpus

VOCAB_TOKENS = 4096
CONTEXT_TOKENS = 1024
SPECIAL = ["<|pad|>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message.role + '|>' }}{{ message.content }}{{ '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
_WORDS = Regex(r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
"""GPT-2's split with single digits: contractions, words with their space, digits, punctuation, white space."""


def train_tokenizer(documents: list[str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer learnt from plain documents; special tokens take the first ids."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(_WORDS, "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_TOKENS, special_tokens=SPECIAL, initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(documents, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        additional_special_tokens=[token for token in SPECIAL if token not in ("<|pad|>", "<|end|>")],
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def main() -> None:
    """Train on the training part of the corpus and as much of our own text, and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds corpus_*")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    documents = [text for source in nano_corpus.read(args.data) for text in source.train]
    documents += [" ".join(message["content"] for message in row) for row in nano_corpus.own_rows(seed=1, count=60_000)]
    tokenizer = train_tokenizer(documents)
    tokenizer.save_pretrained(str(args.out))
    print(f"{len(tokenizer)} tokens from {sum(map(len, documents)) / 1e6:.1f} M characters -> {args.out}")


if __name__ == "__main__":
    main()
