"""Three examples as they are learnt: token by token, as the tokenizer sees them, marked by their weight in the loss.

Owns which are shown and how. Does not own the weights (`text.chat`).
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedTokenizerBase

    from tunesmith.text.chat import Rendered
    from tunesmith.train.batches import TokenSet

FIRST_TOKENS, LAST_TOKENS = 150, 250
"""Tokens that are shown of a longer sequence, from its beginning and its end; how many are not is said."""

LONGEST_CHARACTER = 8
"""Tokens of which a character may be made: byte-level tokenizers part those that are seldom."""

_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {ord("\n"): "↵\n", ord("\t"): "⇥\t"}

_STYLE = (
    "<style>.tokens{font:13px/2.1 ui-monospace,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere;"
    "background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px 14px;margin:6px 0 18px}"
    ".tokens span{border-right:1px solid color-mix(in srgb,var(--soft) 55%,transparent)}"
    ".tokens mark,.key mark{color:var(--ink);padding:2px 0;text-underline-offset:4px;background:"
    "color-mix(in srgb,var(--accent) calc(8% + 22%*var(--w)),transparent);"
    "text-decoration:underline 2px var(--accent)}"
    ".tokens mark.part,.key mark.part{text-decoration:underline dashed 1px var(--accent)}"
    ".tokens .special,.key .special{border:1px solid var(--soft);border-radius:4px;padding:0 3px;margin:0 1px}"
    ".tokens .cut{font-style:italic;border:0}</style>"
)


class Piece(NamedTuple):
    """Some text, the tokens it is made of, their weight in the loss, and whether it is a special token."""

    text: str
    tokens: int
    weight: float
    special: bool


class Sample(NamedTuple):
    """A sequence that is shown: what is said of it, and its pieces; None where pieces are left out."""

    title: str
    pieces: list[Piece | None]
    left_out: int = 0


def choose(tokenizer: PreTrainedTokenizerBase, tokens: TokenSet) -> list[Sample]:
    """Return the shortest example, one of middle length and the longest.

    If some have tokens that weigh neither nothing nor 1, the one in the middle is one of these. Each sequence of an
    example, such as both answers to a question, is a sample.
    """
    per = tokens.per_example
    sizes = [sum(len(one.ids) for one in tokens.rendered[first : first + per]) for first in range(0, len(tokens), per)]
    order = sorted(range(len(sizes)), key=lambda at: (sizes[at], at))
    parted = [at for at in order if any(_parted(tokens.rendered[own]) for own in tokens.sequences_of([at]))]
    middle = (parted or order)[len(parted or order) // 2 :][:1]
    named: dict[int, str] = {}
    for name, at in [("of middle length", middle), ("the longest", order[-1:]), ("the shortest", order[:1])]:
        named.update(dict.fromkeys(at, name))
    chosen = sorted(named, key=lambda at: (sizes[at], at))
    return [_sample(tokenizer, tokens, own, named[at]) for at in chosen for own in tokens.sequences_of([at])]


def _parted(one: Rendered) -> bool:
    return any(weight not in (0, 1) for weight in one.weights)


def _sample(tokenizer: PreTrainedTokenizerBase, tokens: TokenSet, index: int, name: str) -> Sample:
    one, weight = tokens.rendered[index], tokens.weights[index]
    answer = f", the {('chosen', 'rejected')[index % 2]} answer" if tokens.per_example == 2 else ""
    where = f" · {tokens.names[index]}" if tokens.names else ""
    counts = f" · the row counts {weight:.3g}" if weight != 1 else ""
    size = f"{len(one.ids):,} tokens, {one.num_targets:,} of them learnt"
    title = f"{name[0].upper()}{name[1:]}{answer}{where} · {size}{counts}"
    all_of_it = list(pieces(tokenizer, one))
    if len(one.ids) <= FIRST_TOKENS + LAST_TOKENS:
        return Sample(title, [*all_of_it])
    first, last = _of_length(all_of_it, FIRST_TOKENS), _of_length(all_of_it[::-1], LAST_TOKENS)[::-1]
    left_out = len(one.ids) - sum(piece.tokens for piece in [*first, *last])
    return Sample(title, [*first, None, *last], left_out)


def _of_length(some: Sequence[Piece], tokens: int) -> list[Piece]:
    """Return as many first pieces as have no more than so many tokens."""
    taken: list[Piece] = []
    for piece in some:
        tokens -= piece.tokens
        if tokens < 0:
            break
        taken.append(piece)
    return taken


def pieces(tokenizer: PreTrainedTokenizerBase, one: Rendered) -> Iterator[Piece]:
    """Yield the text token by token; tokens that only together make a character are one piece.

    A token's text is what decoding it after the one before adds, since some tokenizers drop a space at the beginning.
    """
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    weights = one.weights or [float(target) for target in one.targets]
    context, begin = 0, 0
    while begin < len(one.ids):
        before, end = _decoded(tokenizer, one.ids[context:begin]), begin
        text, whole = "", False
        while not whole and end < min(len(one.ids), begin + LONGEST_CHARACTER) and weights[end] == weights[begin]:
            if end > begin and one.ids[end] in special:
                break
            end += 1
            text = _decoded(tokenizer, one.ids[context:end])[len(before) :]
            whole = not text.endswith("�")
        yield Piece(text, end - begin, weights[begin], one.ids[begin] in special)
        context, begin = (begin if whole else end), end


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def section(shown: Sequence[Sample]) -> str:
    """Return the part of a page that shows samples, with its legend."""
    if not shown:
        return ""
    weights = {piece.weight for one in shown for piece in one.pieces if piece}
    legend = '<span>context, weight 0</span><mark style="--w:1">learnt, weight 1</mark>'
    legend += '<mark class="part" style="--w:.5">weighs in part</mark>' if any(0 < one < 1 for one in weights) else ""
    legend += '<mark class="part" style="--w:1">weighs more</mark>' if any(one > 1 for one in weights) else ""
    legend += '<span class="special">special token</span><span>↵ line break</span>'
    body = "".join(
        f'<p class="soft">{escape(one.title)}</p><div class="tokens" dir="auto">{_html(one)}</div>' for one in shown
    )
    return f'{_STYLE}<h2>What is learnt, as the tokenizer sees it</h2><p class="key">{legend}</p>{body}'


def _html(sample: Sample) -> str:
    """Return pieces as HTML; those of one weight that lie together are one mark."""
    parts = []
    for weight, some in groupby(sample.pieces, key=lambda piece: piece.weight if piece else None):
        if weight is None:
            parts.append(f'<span class="cut">… {sample.left_out:,} tokens are not shown …</span>')
            continue
        inner = "".join(_token(piece) for piece in some if piece)
        kind = "" if weight == 1 else f' class="part" title="weight {weight:g}"'
        parts.append(f'<mark{kind} style="--w:{min(weight, 1):.3g}">{inner}</mark>' if weight else inner)
    return "".join(parts)


def _token(piece: Piece) -> str:
    text = escape(piece.text.translate(_VISIBLE))
    return f'<span class="special">{text}</span>' if piece.special else f"<span>{text}</span>"
