"""On a GPU packed rows go through a compiled layer in one graph. The kernel stands in here; the way to it is real."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch

from families import FAMILIES
from switches import TRACING, VOCABULARY, models_of
from tunesmith.models import packed
from tunesmith.models.forward import causal_lm
from tunesmith.models.layers import decoder_layers
from tunesmith.models.packed import Packing, Segments, attend_packed, attending_within

pytestmark = pytest.mark.slow


def by_one_product(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, segments: Segments, *_: Any
) -> torch.Tensor:
    """Attend over the whole row: what a GPU's kernel does with ends it was given, as far as a graph sees it."""
    out = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, enable_gqa=query.shape[1] != key.shape[1]
    )
    return out.transpose(1, 2) + 0 * segments.query_ends.sum()


@TRACING
@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_is_one_graph_whatever_lies_in_the_row(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a family that does not hand its attention where segments end, a graph that attention breaks in two, one
    that is made anew for every row.
    """
    monkeypatch.setattr(packed, "_flash", by_one_product)
    model = deepcopy(models_of(family)[1])
    attend_packed(model)
    graphs: list[Any] = []

    def counted(graph: torch.fx.GraphModule, _inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    decoder_layers(causal_lm(model))[0].compile(dynamic=True, backend=counted)
    for lengths in ((5, 9), (7, 12, 8), (40,)):
        ends = torch.tensor([0, *lengths]).cumsum(0).int()
        row = Packing(lengths, (-1,) * len(lengths))
        given = Segments(ends, ends, None, max(lengths), max(lengths), 0)
        ids = torch.arange(sum(lengths))[None] % VOCABULARY
        with attending_within(row, ids.device), torch.autocast("cpu", dtype=torch.bfloat16):
            causal_lm(model).get_decoder()(
                input_ids=ids, position_ids=row.positions()[None], use_cache=False, packed_segments=given
            )
    assert len(graphs) == 1
