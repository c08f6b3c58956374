"""TaskSpec: the same words around every input in training, evaluation and serving."""

import json

import pytest

from tunesmith.core.errors import ArtifactError
from tunesmith.text.chat import TokenWeights, render
from tunesmith.text.examples import Example, text_of
from tunesmith.text.parity import check_samples, save_samples
from tunesmith.text.task import Shot, TaskSpec

MESSAGES = [{"role": "user", "content": "hello {name}"}, {"role": "assistant", "content": "greeting"}]


def test_prompt_wraps_users_and_adds_the_system_message_once():
    task = TaskSpec("classify", ("greeting",), "Be brief.", "Text: {input}\nIntent:")
    prompted = task.prompt(MESSAGES)
    assert [m["content"] for m in prompted] == ["Be brief.", "Text: hello {name}\nIntent:", "greeting"]
    assert MESSAGES[0]["content"] == "hello {name}"
    own = [{"role": "system", "content": "Own."}, *MESSAGES]
    assert task.prompt(own)[0]["content"] == "Own." and len(task.prompt(own)) == 3


def test_saved_task_loads_the_same_and_a_folder_without_one_chats(tmp_path):
    task = TaskSpec("classify", ("a", "b"), None, "{input}!")
    assert TaskSpec.load(tmp_path) == TaskSpec("chat")
    task.save(tmp_path)
    assert TaskSpec.load(tmp_path) == task
    (tmp_path / "task.json").write_text("{")
    with pytest.raises(ArtifactError, match="damaged"):
        TaskSpec.load(tmp_path)


def test_text_parts_are_joined():
    assert text_of({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}) == "ab"
    assert text_of({"content": None}) == ""


def test_a_changed_template_is_found_before_it_serves(tmp_path):
    from tiny import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    save_samples(tmp_path, TaskSpec("chat"), tokenizer, [Example(MESSAGES)])
    check_samples(tmp_path, tokenizer)
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "<|endoftext|>")
    with pytest.raises(ArtifactError, match="other token ids"):
        check_samples(tmp_path, tokenizer)


SHOTS = (Shot("is it open", "hours"), Shot("good day", "greeting"))
SHOWING = TaskSpec("classify", ("greeting", "hours"), "Be brief.", "Text: {input}", SHOTS, Shot("hello", "greeting"))


def test_shots_stand_between_the_system_message_and_the_conversation():
    """Would let through: examples without the words around them that the question has, or before the system message."""
    told = [(m["role"], m["content"]) for m in SHOWING.prompt(MESSAGES)]
    shown = [
        ("user", "Text: is it open"),
        ("assistant", "hours"),
        ("user", "Text: good day"),
        ("assistant", "greeting"),
    ]
    assert told == [("system", "Be brief."), *shown, ("user", "Text: hello {name}"), ("assistant", "greeting")]
    own = [{"role": "system", "content": "Own."}, *MESSAGES]
    assert [m["content"] for m in SHOWING.prompt(own)][:2] == ["Own.", "Text: is it open"]
    assert SHOWING.without_shots().prompt(MESSAGES)[1:] == [
        {"role": "user", "content": "Text: hello {name}"},
        MESSAGES[1],
    ]


def test_no_question_is_shown_its_own_answer():
    """Would let through: an example learnt by copying its answer out of the prompt, and a test that is passed so."""
    asked = [{"role": "user", "content": "good day "}]
    told = [m["content"] for m in SHOWING.prompt(asked)]
    assert told == ["Be brief.", "Text: is it open", "hours", "Text: hello", "greeting", "Text: good day "]
    later = [{"role": "user", "content": "hm"}, {"role": "assistant", "content": "?"}, *asked]
    assert "Text: hello" not in [m["content"] for m in SHOWING.prompt(later)], "the beginning must stay as it was"


def test_shots_are_context_and_so_is_a_greeting_after_them():
    """Would let through: the answers of examples learnt anew with every example, or a greeting learnt as an answer."""
    from tiny import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    for messages in (MESSAGES, [{"role": "assistant", "content": "Welcome!"}, *MESSAGES]):
        for weight in (0.0, 0.5):
            rendered = render(tokenizer, SHOWING.prompt(messages), weights=TokenWeights(weight))
            weights = rendered.weights or [float(one) for one in rendered.targets]
            learnt = tokenizer.decode([i for i, t in zip(rendered.ids, rendered.targets, strict=True) if t])
            counted = tokenizer.decode([i for i, w in zip(rendered.ids, weights, strict=True) if w])
            assert learnt == "greeting<|end|>"
            assert counted.endswith("<|user|>Text: hello {name}<|end|><|assistant|>" * bool(weight) + learnt)
            assert "is it open" not in counted and "hours" not in counted and "Welcome" not in learnt


def test_a_saved_task_shows_the_same_examples_and_older_ones_show_none(tmp_path):
    SHOWING.save(tmp_path)
    assert TaskSpec.load(tmp_path) == SHOWING
    fields = json.loads((tmp_path / "task.json").read_text())
    assert fields["shots"][0] == {"question": "is it open", "answer": "hours"}
    del fields["shots"], fields["spare"]
    (tmp_path / "task.json").write_text(json.dumps(fields))
    assert TaskSpec.load(tmp_path) == SHOWING.without_shots()


def test_other_shots_than_in_training_are_found_before_they_are_served(tmp_path):
    """Would let through: a task.json edited by hand, which renders other prompts than those that were learnt."""
    from tiny import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    save_samples(tmp_path, SHOWING, tokenizer, [Example(MESSAGES)])
    SHOWING.save(tmp_path)
    check_samples(tmp_path, tokenizer)
    SHOWING.without_shots().save(tmp_path)
    with pytest.raises(ArtifactError, match=r"task\.json puts other words around prompt 1"):
        check_samples(tmp_path, tokenizer)
