"""Is a served answer the evaluated one? And where it is not: does rounding explain it?

Owns the comparison of one row and how far rounding reaches. Does not own what follows for the model (`parity`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunesmith.models.label_tree import LEFT_EACH, LEFT_TOGETHER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.evaluate.served.replies import Reply
    from tunesmith.models.load import LoadedModel

Kind = Literal["same", "rounding", "different"]

ROUNDING_NATS = {"float32": 0.002, "bfloat16": 0.25}
"""By precision how far the log-ratio of two answers may move when rows are computed beside other ones: two steps of
bfloat16 between logits of 16 and 32; what float32 moves by is far below."""

LIKELY = 16
"""Tokens that may be as good as the best one: logits of bfloat16 are often the same to the last bit."""

BACK = 4
"""Tokens before the place where two texts part at which the answers may have parted already."""


@dataclass(frozen=True)
class Asked:
    """What the evaluation knows of one row: its prompt and its answer.

    Args:
        prompt_ids: the tokens that it asked the model with.
        text: the answer.
        limit: most tokens that the answer was allowed; 0 of a label.
        probability: of a label.
    """

    prompt_ids: list[int]
    text: str
    limit: int = 0
    probability: float | None = None


@dataclass(frozen=True)
class Found:
    """How a served answer compares, and why."""

    kind: Kind
    why: str = ""


def compare(asked: Asked, reply: Reply, precision: str, tie: Callable[[Asked, Reply], float | None]) -> Found:
    """Compare the served answer of a row with the evaluated one.

    Args:
        asked: the evaluation's part.
        reply: the server's.
        precision: ``float32`` or ``bfloat16``.
        tie: see `near_tie`; asked only of written answers that differ.
    """
    if reply.problem:
        return Found("different", reply.problem)
    if reply.prompt_ids != asked.prompt_ids:
        return Found("different", _other_prompt(asked.prompt_ids, reply.prompt_ids))
    if asked.probability is not None:
        return _labels(asked, asked.probability, reply, ROUNDING_NATS[precision])
    if reply.text == asked.text:
        return Found("same")
    if reply.finish_reason == "length" and len(reply.ids) < asked.limit and asked.text.startswith(reply.text):
        return Found("different", "serve.max_new_tokens ends it before the evaluation did")
    gap = tie(asked, reply)
    if gap is not None and gap <= ROUNDING_NATS[precision]:
        return Found("rounding", f"they part at tokens within {gap:.2g} nats of the best")
    apart = "" if gap is None else f": they part at tokens {gap:.2g} nats below the best"
    return Found("different", f"another answer{apart}")


def _other_prompt(wanted: Sequence[int], given: Sequence[int]) -> str:
    first = next((at for at, (one, other) in enumerate(zip(wanted, given, strict=False)) if one != other), None)
    place = min(len(wanted), len(given)) if first is None else first
    return f"another prompt: {len(given)} tokens instead of {len(wanted)}, other ones from token {place + 1} on"


def _labels(asked: Asked, probability: float, reply: Reply, nats: float) -> Found:
    """Compare two labels. Each probability may be off by what the search left open, and by rounding p (1 - p) nats."""
    shares = dict(reply.labels)
    own, theirs = shares.get(reply.text, 0.0), shares.get(asked.text, 0.0)
    allowed = 2 * LEFT_EACH + LEFT_TOGETHER * max(probability, theirs) + nats / 4
    if abs(theirs - probability) > allowed:
        return Found("different", f"{asked.text!r} has probability {theirs:.3f} instead of {probability:.3f}")
    if reply.text == asked.text:
        return Found("same")
    if own - theirs > 2 * allowed:
        return Found("different", f"another answer: {own:.3f} probable, the evaluated one {theirs:.3f}")
    return Found("rounding", f"both labels are as probable: {own:.3f} and {theirs:.3f}")


def near_tie(loaded: LoadedModel, asked: Asked, reply: Reply, precision: str) -> float | None:
    """Return by how many nats the less probable of the two tokens at which the answers part is below the best one.

    Only the texts are known to both, and " first" and " " then "1" part at their first tokens while the texts still
    agree: the tokens before the place where the texts part are looked at, too, and the nearest tie counts. None if an
    answer does not go on with one of the `LIKELY` best: then it is no tie.
    """
    from tunesmith.text.chat import decode

    ids, tokenizer = reply.ids, loaded.tokenizer
    place = next(
        (at for at in range(len(ids)) if not _begins(decode(tokenizer, ids[: at + 1]), asked.text)), len(ids)
    )  # fmt: skip
    gaps = [_gap(loaded, asked, ids, at, precision) for at in range(max(0, place - BACK), place + 1)]
    return min((gap for gap in gaps if gap is not None), default=None)


def _gap(loaded: LoadedModel, asked: Asked, ids: list[int], place: int, precision: str) -> float | None:
    """Return what `near_tie` does, if the answers part at one of the reply's tokens."""
    import torch

    from tunesmith.models.precision import choose_precision, compute_in
    from tunesmith.models.score import target_logits
    from tunesmith.text.chat import decode

    device, before = loaded.model.device, ids[:place]
    ids_BT = torch.tensor([[*asked.prompt_ids, *before, 0]], device=device)
    targets_BT = torch.zeros(ids_BT.shape, dtype=torch.bool, device=device)
    targets_BT[0, -1] = True
    with torch.inference_mode(), compute_in(choose_precision(precision, device), device):
        logits_NV = target_logits(loaded.model, ids_BT, targets_BT)
    best = logits_NV[0].topk(min(LIKELY, logits_NV.shape[1]))
    likely = dict(zip(best.indices.tolist(), best.values.tolist(), strict=True))

    def is_reply(token: int) -> bool:
        return token == ids[place] if place < len(ids) else token in loaded.stop_ids

    def leads_to_asked(token: int) -> bool:
        said, says = decode(loaded.tokenizer, before), decode(loaded.tokenizer, [*before, token])
        return said == asked.text if token in loaded.stop_ids else says != said and _begins(says, asked.text)

    own = next((logit for token, logit in likely.items() if is_reply(token)), None)
    theirs = next((logit for token, logit in likely.items() if not is_reply(token) and leads_to_asked(token)), None)
    return None if own is None or theirs is None else max(likely.values()) - min(own, theirs)


def _begins(beginning: str, text: str) -> bool:
    """Tell whether a text begins so; an unfinished character at the end is not looked at."""
    return text.startswith(beginning.rstrip("\ufffd"))
