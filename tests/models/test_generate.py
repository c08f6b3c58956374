"""Generation: batches, streams and the library's own greedy decoding agree."""

import pytest
import torch

from tiny import tiny_base
from tunesmith.models.generate import Decoding, generate, stream
from tunesmith.models.load import load_model


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load_model(tiny_base(tmp_path_factory.mktemp("base"), seed=5))


PROMPTS = [[3, 40, 41, 6, 4], [3, 60, 6, 4], [3, *range(50, 80), 6, 4]]
EXACT = Decoding(max_new_tokens=20, precision="float32")


def library_greedy(loaded, prompt, count):
    with torch.no_grad():
        out = loaded.model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=count, do_sample=False
        )
    ids = out[0, len(prompt) :].tolist()
    return [*ids[: next((i for i, t in enumerate(ids) if t in loaded.stop_ids), len(ids))]]


def test_greedy_is_the_librarys_greedy_whatever_the_batch(loaded):
    expected = [library_greedy(loaded, prompt, 20) for prompt in PROMPTS]
    assert any(expected)
    assert generate(loaded, PROMPTS, EXACT) == expected
    assert [generate(loaded, [prompt], EXACT)[0] for prompt in PROMPTS] == expected
    assert [list(stream(loaded, prompt, EXACT)) for prompt in PROMPTS] == expected


def test_stop_token_ends_the_answer_and_is_left_out(loaded):
    whole = generate(loaded, PROMPTS[:1], EXACT)[0]
    stopped = generate(loaded, PROMPTS[:1], Decoding(20, stop_ids=frozenset({whole[3]}), precision="float32"))[0]
    assert stopped == whole[: whole.index(whole[3])]


def test_sampling_is_a_function_of_the_seed(loaded):
    def sample(seed):
        return generate(loaded, PROMPTS[:1], Decoding(20, temperature=1.0, seed=seed))

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_tiny_top_p_is_greedy(loaded):
    nucleus = Decoding(20, temperature=1.0, top_p=1e-6, precision="float32")
    assert generate(loaded, PROMPTS, nucleus) == generate(loaded, PROMPTS, EXACT)


def test_no_prompts_no_answers(loaded):
    assert generate(loaded, [], EXACT) == []
