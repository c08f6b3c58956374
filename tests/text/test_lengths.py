"""Token counts by the shortcut are those of the true rendering, for any text and any order of roles."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import DataError
from tunesmith.models.load import context_tokens, load_tokenizer, tokenizer_identity
from tunesmith.text.chat import render
from tunesmith.text.lengths import LengthOf, TokenCounter
from tunesmith.text.task import TaskSpec

NANO = load_tokenizer("nano")
TEXTS = st.text(max_size=60) | st.lists(st.sampled_from(["a", "  ", " ", "\n", "Yes.", "é", "12", "\t", "word"])).map(
    "".join
)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_words_are_counted_as_the_tokenizer_counts(texts):
    """Bug: runs of spaces, line breaks or other scripts are split where the tokenizer does not split."""
    counts = TokenCounter(NANO)._sums(texts)  # without the comparison that would correct it
    assert counts.tolist() == [len(NANO.encode(text, add_special_tokens=False)) for text in texts]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from([None, 0, 1])), min_size=1, max_size=3), st.booleans())
def test_conversations_are_measured_as_they_are_rendered(turns, with_system):
    """Bug: the frame of another order of roles is used, or a turn of weight 0 counts as learnt."""
    messages = [{"role": "system", "content": "Be kind."}] if with_system else []
    for asked, answer, weight in turns:
        messages.append({"role": "user", "content": asked or "x"})
        messages.append(
            {"role": "assistant", "content": answer or "x", **({} if weight is None else {"weight": weight})}
        )
    measure = LengthOf(NANO, TaskSpec("chat", template="Q: {input}"))
    try:
        rendered = render(NANO, TaskSpec("chat", template="Q: {input}").prompt(messages))
    except DataError:
        assert isinstance(measure([(messages, None)])[0], DataError)
        return
    assert measure([(messages, None)] * 3) == [(len(rendered.ids), rendered.num_targets)] * 3


def test_a_template_that_trims_is_found_out():
    """Bug: the shortcut goes on being wrong where the template changes texts."""
    tokenizer = load_tokenizer("nano")
    tokenizer.chat_template = (
        "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content | trim | upper + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    )
    measure = LengthOf(tokenizer, TaskSpec("chat"))
    for number in range(5):
        messages = [
            {"role": "user", "content": f"  many words {number} "},
            {"role": "assistant", "content": "certainly"},
        ]
        assert measure([(messages, None)])[0][0] == len(render(tokenizer, messages).ids)


def test_the_bundled_base_says_its_length_and_identity(tmp_path: Path):
    """Bug: the length a base reads is taken from somewhere else than its configuration."""
    assert context_tokens("nano") == 1024
    NANO.save_pretrained(tmp_path)
    assert tokenizer_identity(str(tmp_path)) == tokenizer_identity(str(tmp_path)) != tokenizer_identity("org/name")
