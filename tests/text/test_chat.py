"""Rendering: what is learnt is exactly what the served model must produce, after exactly what it will see."""

import math
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny import tiny_tokenizer
from tunesmith.core.errors import DataError
from tunesmith.text.chat import PLAIN_TEMPLATE, TokenWeights, ensure_template, prompt_ids, render

TOKENIZER = tiny_tokenizer()
TEXT = st.text(min_size=1, max_size=20)
CHAT = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3).map(
    lambda turns: [
        message
        for user, assistant in turns
        for message in ({"role": "user", "content": user}, {"role": "assistant", "content": assistant})
    ]
)


@given(CHAT)
def test_last_answer_follows_exactly_the_served_prompt(messages):
    rendered = render(TOKENIZER, messages)
    served = prompt_ids(TOKENIZER, messages[:-1])
    assert rendered.ids[: len(served)] == served
    assert all(rendered.targets[len(served) :])


@given(CHAT)
def test_targets_are_the_answers_and_their_ends_and_nothing_else(messages):
    rendered = render(TOKENIZER, messages)
    learnt = TOKENIZER.decode([i for i, t in zip(rendered.ids, rendered.targets, strict=True) if t])
    assert learnt == "".join(message["content"] + "<|end|>" for message in messages if message["role"] == "assistant")
    assert rendered.turns == len(messages) // 2 and rendered.untrained_turns == 0


def test_a_turn_of_weight_zero_is_context_only():
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "WRONG", "weight": 0},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "right"},
    ]
    rendered = render(TOKENIZER, messages)
    learnt = TOKENIZER.decode([i for i, t in zip(rendered.ids, rendered.targets, strict=True) if t])
    assert learnt == "right<|end|>"


@given(CHAT, st.lists(st.sampled_from([0, 0.25, 0.5, 1]), min_size=3, max_size=3), st.sampled_from([0.0, 0.1, 1.0]))
def test_a_token_weighs_what_its_turn_or_the_prompt_does(messages, turns, prompt_weight):
    """Lets through: a muted answer that is learnt as prompt, a turn's weight on its question, a lost end of turn."""
    answers = [m | {"weight": w} for m, w in zip(messages[1::2], turns, strict=False)]
    answers[-1]["weight"] = 0.5
    messages = [one for pair in zip(messages[::2], answers, strict=True) for one in pair]
    rendered = render(TOKENIZER, messages, weights=TokenWeights(prompt_weight))
    spelt = []
    for user, answer in zip(messages[::2], messages[1::2], strict=True):
        before = TOKENIZER.encode(f"<|user|>{user['content']}<|end|><|assistant|>", add_special_tokens=False)
        after = TOKENIZER.encode(f"{answer['content']}<|end|>", add_special_tokens=False)
        spelt += [(token, prompt_weight, False) for token in before]
        spelt += [(token, answer["weight"], answer["weight"] > 0) for token in after]
    weights = rendered.weights or [float(one) for one in rendered.targets]
    assert list(zip(rendered.ids, weights, rendered.targets, strict=True)) == spelt


PARTS = {"a": 0.0, "[b-d]+": 0.5, "(?s)c.*?d": 3.0, "y\\S*$": 0.25, "<.*": 2.0}


@given(st.lists(st.text("abcdxyé猫 \n", min_size=1, max_size=20), min_size=1, max_size=3), st.sampled_from([0.5, 1]))
def test_a_token_weighs_what_matches_it_times_its_turn(answers, turn):
    """Lets through: weights that slip by a token, a match across answers or in a question, the smaller of two matches, an
    end that is not learnt because a pattern reaches it.
    """
    messages = [
        one
        for answer in answers
        for one in ({"role": "user", "content": "abcd"}, {"role": "assistant", "content": answer, "weight": turn})
    ]
    rendered = render(TOKENIZER, messages, weights=TokenWeights(0.125, PARTS))
    expected, matched = [], set()
    for answer in answers:
        expected += [0.125] * len(prompt_ids(TOKENIZER, messages[:1]))
        hits = {pattern: [one.span() for one in re.finditer(pattern, answer)] for pattern in PARTS}
        matched |= {pattern for pattern, spans in hits.items() if spans}
        tokens = [(at, at + 1) for at, char in enumerate(answer) for _ in char.encode()]  # a token is a byte
        for start, end in [*tokens, (len(answer), len(answer))]:
            its = [PARTS[p] for p, spans in hits.items() if any(a < end and start < b for a, b in spans)]
            expected.append(turn * math.prod(its))
    assert rendered.weights == expected and rendered.matched == matched
    context = len(prompt_ids(TOKENIZER, messages[:1]))
    assert [one for one, w in zip(rendered.targets, expected, strict=True) if w == 0] == [False] * expected.count(0)
    assert not any(rendered.targets[:context])


def test_an_answer_without_weight_still_ends():
    """Lets through: a model that learns never to stop, because all that it says is only to be read."""
    messages = [{"role": "user", "content": "b"}, {"role": "assistant", "content": "b c"}]
    rendered = render(TOKENIZER, messages, weights=TokenWeights(parts={"(?s).+": 0.0}))
    assert [token for token, one in zip(rendered.ids, rendered.targets, strict=True) if one] == [TOKENIZER.eos_token_id]


def test_nothing_weighs_more_than_before_where_no_weight_is_given():
    """Lets through: weights kept for millions of rows that have none."""
    assert render(TOKENIZER, [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]).weights == []


def test_a_greeting_that_answers_nothing_is_context_only():
    """transformers 5.24 cannot render the nothing before a conversation's first turn: it raised where data began so."""
    greeting = {"role": "assistant", "content": "Welcome!"}
    rest = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "right"}]
    rendered = render(TOKENIZER, [greeting, *rest])
    learnt = TOKENIZER.decode([i for i, t in zip(rendered.ids, rendered.targets, strict=True) if t])
    assert learnt == "right<|end|>" and "Welcome!" in TOKENIZER.decode(rendered.ids)
    with pytest.raises(DataError, match="no assistant turn to learn"):
        render(TOKENIZER, [greeting])


def test_template_that_rewrites_history_trains_the_last_turn_only():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<|' + m.role + '|>' }}"
        "{{ m.content if loop.last or m.role == 'user' else 'old' }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    messages = [{"role": role, "content": role[0] * 3} for role in ("user", "assistant", "user", "assistant")]
    rendered = render(tokenizer, messages)
    assert (rendered.turns, rendered.untrained_turns) == (1, 1)
    assert (
        tokenizer.decode(rendered.ids)
        == "<|user|>uuu<|end|><|assistant|>old<|end|><|user|>uuu<|end|><|assistant|>aaa<|end|>"
    )
    assert sum(rendered.targets) == 4


def test_what_a_template_adds_after_the_end_is_not_learnt():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace("'<|end|>'", "'<|end|>\n'")
    rendered = render(tokenizer, [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])
    assert tokenizer.decode(rendered.ids).endswith("<|end|>\n")
    assert rendered.targets[-2:] == [True, False]


def test_template_whose_answers_begin_otherwise_than_it_prompts_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace("'<|assistant|>'", "'<|assistant|><think>'")
    with pytest.raises(DataError, match="generation prompt"):
        render(tokenizer, [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])


def test_conversation_without_an_answer_is_an_error_not_a_zero_loss():
    with pytest.raises(DataError, match="no assistant turn"):
        render(TOKENIZER, [{"role": "user", "content": "hello"}])


def test_tokenizer_without_template_gets_the_plain_one():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    assert ensure_template(tokenizer) and tokenizer.chat_template == PLAIN_TEMPLATE
    assert not ensure_template(tokenizer)
    rendered = render(tokenizer, [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])
    assert tokenizer.decode(rendered.ids) == "q\na<|end|>"
    assert sum(rendered.targets) == 2


def test_packed_tokens_are_the_same_in_a_few_bytes():
    """Would let through: sets of millions of examples that take ten times the memory they need, other tokens."""
    messages = [{"role": "user", "content": "word " * 200}, {"role": "assistant", "content": "word " * 200}]
    tokenizer = tiny_tokenizer()
    plain = render(tokenizer, messages, None, TokenWeights(0.25))
    packed = plain.packed()
    assert (list(packed.ids), list(packed.targets), list(packed.weights)) == (plain.ids, plain.targets, plain.weights)
    assert packed.num_targets == plain.num_targets
    light = render(tokenizer, messages).packed()
    assert sum(map(sys.getsizeof, (light.ids, light.targets, light.weights))) < 5 * len(light.ids) + 300
