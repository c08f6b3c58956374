"""What asking a service will take, before anything is asked.

A token is taken for four characters, and of answers the longest that are allowed are counted: tokens and money are
estimates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.recipe.service import Service

CHARS_PER_TOKEN = 4


def at_most(service: Service, chars: float, calls: int) -> dict[str, Any]:
    """Return the ``tokens`` in and out and ``usd_at_most`` (None without prices) of some calls with some characters."""
    tokens = {"input": round(chars / CHARS_PER_TOKEN), "output_at_most": calls * service.max_tokens}
    price = service.price
    usd = price and (tokens["input"] * price.input + tokens["output_at_most"] * price.output) / 1e6
    return {"tokens": tokens, "usd_at_most": usd}
