"""TaskSpec: the same words around every input in training, evaluation and serving."""

import pytest

from tunesmith.core.errors import ArtifactError
from tunesmith.text.examples import Example, text_of
from tunesmith.text.parity import check_samples, save_samples
from tunesmith.text.task import TaskSpec

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
