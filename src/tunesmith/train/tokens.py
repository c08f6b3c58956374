"""Tokens the recipe adds: known to the tokenizer, started from their descriptions, told when nothing uses them.

Owns ``train.tokens``. Does not own the rows of the embeddings (`models.new_tokens`) nor which weights learn
(`adapters`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import AddedToken

from tunesmith.core.errors import RecipeError
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Tokens


def add_tokens(loaded: LoadedModel, tokens: Tokens) -> None:
    """Add the tokens to tokenizer and model; each is one token wherever it stands, and shown in answers.

    Raises:
        RecipeError: if a token is known already, its description has no tokens, or a stop is no token.
    """
    from tunesmith.models.new_tokens import make_room, start_rows

    sources = _sources(loaded.tokenizer, tokens.add)
    loaded.tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in tokens.add])
    make_room(loaded.model, rows_needed(loaded.tokenizer))
    start_rows(loaded.model, ids_of(loaded.tokenizer, tokens.add), sources)
    _add_stops(loaded, tokens.stops)


def ids_of(tokenizer: PreTrainedTokenizerBase, tokens: Iterable[str]) -> list[int]:
    """Return the ids of tokens the tokenizer knows."""
    return [int(tokenizer.convert_tokens_to_ids(token)) for token in tokens]


def rows_needed(tokenizer: PreTrainedTokenizerBase, without: Sequence[int] = ()) -> int:
    """Return how many rows the embeddings must have for every token of the tokenizer, some left out."""
    return 1 + max({int(number) for number in tokenizer.get_vocab().values()} - {*without})


def tell_unused(tokenizer: PreTrainedTokenizerBase, tokens: Tokens | None, ids: Iterable[Iterable[int]]) -> list[str]:
    """Return the added tokens that occur in no training example, and say so: they stay where they start."""
    if tokens is None:
        return []
    seen = {one for row in ids for one in row}
    unused = [token for token, one in zip(tokens.add, ids_of(tokenizer, tokens.add), strict=True) if one not in seen]
    for token in unused:
        say(f"  {token} occurs in no training example: it keeps the meaning of its description and learns nothing")
    return unused


def _sources(tokenizer: PreTrainedTokenizerBase, added: Mapping[str, str]) -> list[list[int]]:
    """Return the tokens of each description."""
    vocabulary = tokenizer.get_vocab()
    for token in added:
        if token in vocabulary:
            raise RecipeError(
                f"train.tokens.add: {token!r} is already a token of the base (number {vocabulary[token]})",
                hint="use it as it is and leave it out of train.tokens.add",
            )
    sources = [list(tokenizer.encode(text, add_special_tokens=False)) for text in added.values()]
    for (token, text), source in zip(added.items(), sources, strict=True):
        if not source:
            raise RecipeError(
                f"train.tokens.add: the description of {token!r}, {text!r}, has no tokens in the base's vocabulary",
                expected="words of a language the base knows",
            )
    return sources


def _add_stops(loaded: LoadedModel, stops: Iterable[str]) -> None:
    """Let tokens end an answer, besides those that end one already."""
    vocabulary, ids = loaded.tokenizer.get_vocab(), loaded.stop_ids
    for stop in stops:
        if stop not in vocabulary:
            raise RecipeError(
                f"train.tokens.stops: {stop!r} is no token of the base",
                hint=f"add it: train.tokens.add: {{{stop!r}: ...}}",
            )
        ids.add(vocabulary[stop])
    if stops:
        loaded.model.generation_config.eos_token_id = sorted(ids)
