"""Conversations to token ids, with the mask of what is learnt.

There is one renderer: the tokenizer's own chat template. The mask is derived by rendering prefixes, never from
markers of a template:

- what the generation prompt supplies is never a target; the token that ends the turn always is;
- the ids before a target are those the served model will see, because both are rendered by the same calls;
- an example without a target is an error, not a zero loss;
- each token's weight in the loss is that of its turn, times those of patterns it is matched by, or that of prompts.

And back: what an answer's tokens say. Does not own the prompt's words (`task`) nor batches (`train`).
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

    from tunesmith.text.examples import Message

PLAIN_TEMPLATE = (
    "{{ bos_token or '' }}{% for message in messages %}{{ message.content }}"
    "{% if message.role == 'assistant' %}{{ eos_token }}{% else %}{{ '\n' }}{% endif %}{% endfor %}"
)
"""For bases that were never taught a chat form: turns on lines of their own, the answer closed by the end token."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """Token ids of one example; ``targets[i]``, 0 or 1: whether ``ids[i]`` is learnt (predicted from what is before).

    ``turns`` counts the assistant turns that are targets, ``untrained_turns`` those that the template does not
    render in place (it rewrites history), which are context only. ``weights`` are the tokens' shares in the loss;
    empty: one for each target, nothing for the rest. ``matched`` are the patterns of `TokenWeights` that weigh a token.
    """

    ids: Sequence[int]
    targets: Sequence[int]
    turns: int
    untrained_turns: int
    weights: Sequence[float] = ()
    matched: frozenset[str] = frozenset()

    @property
    def num_targets(self) -> int:
        """How many tokens are learnt."""
        return sum(self.targets)

    def packed(self) -> Rendered:
        """Return the same in five bytes a token, where lists take over forty: for sets that stay in memory."""
        weights = array("d", self.weights) if self.weights else ()
        return replace(self, ids=array("i", self.ids), targets=array("b", self.targets), weights=weights)


@dataclass(frozen=True)
class TokenWeights:
    """What tokens weigh in the loss, beside what their turns do.

    Args:
        prompt: of what is before an answer.
        parts: regular expression to the factor of what it matches in answers; where several match, all of theirs.
            The token that ends the turn is no part: without it no answer could end.
    """

    prompt: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)


ALIKE = TokenWeights()
"""Answers are learnt, and nothing else."""


def ensure_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Give a tokenizer without a chat template the plain one; tell whether that was needed.

    Raises:
        DataError: if it has no end token either, so no answer could ever end.
    """
    if tokenizer.chat_template is not None:
        return False
    if tokenizer.eos_token is None:
        raise DataError(
            f"the tokenizer of {tokenizer.name_or_path!r} has neither a chat template nor an end token",
            hint="choose an instruction-tuned base, or set eos_token in its tokenizer_config.json",
        )
    tokenizer.chat_template = PLAIN_TEMPLATE
    return True


def prompt_text(tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: Any = None) -> str:
    """Return the conversation as the model sees it when it is its turn to answer."""
    return _template(tokenizer, messages, tools, answer=True)


def prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: Any = None) -> list[int]:
    """Return the token ids of a conversation that waits for the assistant's answer."""
    return _encode(tokenizer, prompt_text(tokenizer, messages, tools))


def render(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: Any = None, weights: TokenWeights = ALIKE
) -> Rendered:
    """Return the token ids of a whole conversation and which of them are learnt.

    Every assistant turn is a target unless its message says ``"weight": 0`` or the conversation begins with it: a
    greeting answers nothing and is context only. Where the template rewrites earlier turns (some drop old reasoning),
    only the last turn is a target, rendered with its history as served.

    A target has its message's ``weight`` in the loss, 1 if that has none, times the factors of ``weights.parts`` that
    match any of its characters, and is none if that is 0. What is before an answer has ``weights.prompt``, or 0 if the
    question right before it has the weight 0. An earlier answer of weight 0 stays at 0. Where the template rewrites
    earlier turns, all that is before the last answer has ``weights.prompt``.

    Raises:
        DataError: if there is nothing to learn.
    """
    answers = [index for index, message in enumerate(messages) if index and message["role"] == "assistant"]
    wanted = [index for index in answers if messages[index].get("weight", 1) != 0]
    if not wanted:
        raise DataError("the conversation has no assistant turn to learn", expected="a last message of role assistant")
    spans = _spans(tokenizer, messages, tools, wanted)
    used = spans if _in_place(spans) else spans[-1:]
    beside = [index for index in answers if index <= wanted[-1]]
    if weights.prompt and len(used) == len(wanted) < len(beside):
        parted = _spans(tokenizer, messages, tools, beside)
        used = parted if _in_place(parted) else used
    ids, targets, shares, matched = _tokens(tokenizer, used, weights)
    if not any(targets):
        raise DataError("the answer has no tokens", expected="a non-empty assistant message")
    learnt = sum(span.weight > 0 for span in used)
    return Rendered(ids, targets, learnt, len(wanted) - learnt, [] if shares == targets else shares, matched)


def answer_ids(tokenizer: PreTrainedTokenizerBase, messages: list[Message], answer: str) -> list[int]:
    """Return the tokens of an answer to a conversation, with the token that ends the turn."""
    found = render(tokenizer, [*context_only(messages), {"role": "assistant", "content": answer}])
    return [token for token, target in zip(found.ids, found.targets, strict=True) if target]


def context_only(messages: list[Message]) -> list[Message]:
    """Return a conversation of which no answer is a target."""
    return [{**one, "weight": 0} if one["role"] == "assistant" else one for one in messages]


def decode(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    """Return the text of an answer's tokens, without special tokens and with its spaces as they are."""
    return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


@dataclass(frozen=True, slots=True)
class _Span:
    """One answer: the text before it, the text up to its end, its weight in the loss, whether its prompt has one."""

    before: str
    text: str
    weight: float
    asked: bool


def _in_place(spans: list[_Span]) -> bool:
    return all(spans[-1].text.startswith(span.text) for span in spans)


def _spans(tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: Any, wanted: list[int]) -> list[_Span]:
    spans = []
    for index in wanted:
        before = _template(tokenizer, messages[:index], tools, answer=True)
        text = _template(tokenizer, messages[: index + 1], tools, answer=False)
        if not text.startswith(before):
            raise DataError(
                f"the chat template of {tokenizer.name_or_path!r} does not begin answers as its generation prompt does",
                hint="the model would be trained on text it never sees when served; choose another base or template",
            )
        asked = messages[index - 1]["role"] != "user" or messages[index - 1].get("weight", 1) != 0
        spans.append(_Span(before, text, messages[index].get("weight", 1), asked))
    return spans


def _tokens(
    tokenizer: PreTrainedTokenizerBase, spans: list[_Span], weights: TokenWeights
) -> tuple[list[int], list[bool], list[float], frozenset[str]]:
    """Return ids, which of them are learnt, what each weighs, and the patterns that weigh one."""
    ids: list[int] = []
    targets: list[bool] = []
    shares: list[float] = []
    matched: set[str] = set()
    special = set(tokenizer.all_special_ids)
    done = 0
    for span in spans:
        context = _encode(tokenizer, span.before[done:])
        text = span.text[len(span.before) :]
        answer = _encode(tokenizer, text)
        last = max((place for place, token in enumerate(answer) if token in special), default=len(answer) - 1)
        factors = [1.0] * (last + 1) + [0.0] * (len(answer) - last - 1)
        if weights.parts and span.weight and answer:
            places = _places(tokenizer, text)
            if answer[last] in special:  # it ends the turn, and is no part of what is said
                text, places = text[: places[last][0]], places[:last]
            matched |= _weigh(factors, text, places, weights.parts)
        own = [span.weight * factor for factor in factors]
        ids += context + answer
        targets += [False] * len(context) + [one > 0 for one in own]
        shares += [weights.prompt * span.asked] * len(context) + own
        done = len(span.text)
    return ids, targets, shares, frozenset(matched)


def _places(tokenizer: PreTrainedTokenizerBase, text: str) -> list[tuple[int, int]]:
    """Return where each token of a text begins and ends in it."""
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return [(int(start), int(end)) for start, end in found["offset_mapping"]]


def _weigh(factors: list[float], text: str, places: Sequence[tuple[int, int]], parts: Mapping[str, float]) -> set[str]:
    """Multiply the factors of the tokens at some places by those of the patterns that match a character of theirs.

    Return the patterns that do.
    """
    matched = set()
    for pattern, factor in parts.items():
        hit = bytearray(len(text))
        for found in re.finditer(pattern, text):
            hit[found.start() : found.end()] = b"\1" * (found.end() - found.start())
        for at, (start, end) in enumerate(places):
            if any(hit[start:end]):
                factors[at] *= factor
                matched.add(pattern)
    return matched


def _template(tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: Any, *, answer: bool) -> str:
    text = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=answer)
    return str(text)


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Tokenize template output: it holds its own special tokens, so none are added; nothing is said of length."""
    return list(tokenizer.encode(text, add_special_tokens=False, verbose=False))
