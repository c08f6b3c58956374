"""What a client is told of its rows by the worker, which runs in this process; and which rows it takes at all."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from serve_tuning import dpo_rows, sft_rows
from tunesmith import tuning_job
from tunesmith.serve.tuning.bases import Base
from tunesmith.serve.tuning.folder import JobFolder
from tunesmith.serve.tuning.progress import read_on
from tunesmith.serve.tuning.recipe import recipe_of
from tunesmith.serve.tuning.request import read_job

DPO = {"type": "dpo"}
FORM = 'JSON Lines in UTF-8, on each line {"messages": [{"role", "content"}, ...]}'
DPO_FORM = '{"input": {"messages": [...]}, "preferred_output": [...], "non_preferred_output": [...]}'
ARRAY = [json.loads(line) for line in sft_rows().splitlines()]
PAIRS = b'{"prompt": "a", "completion": "b"}\n' * 12
LATIN = '{"messages": [{"role": "user", "content": "ä"}, {"role": "assistant", "content": "b"}]}\n'.encode("latin-1")


def row(*turns: tuple[str, Any], **beside: Any) -> bytes:
    """Return a line of messages, each a role and a content."""
    messages = [{"role": role, "content": content} for role, content in turns]
    return (json.dumps({"messages": messages, **beside}) + "\n").encode()


def checked(folder: Path, tiny: Path, train: bytes, valid: bytes | None = None, **asked: Any) -> dict[str, Any]:
    """Return the last thing that the worker which checks the rows of a job tells."""
    files = {"training_file": "file-a"} | ({} if valid is None else {"validation_file": "file-b"})
    request = read_job(json.dumps({"model": "tiny", **files, **asked}).encode())
    paths = [folder / name for name in files]
    for path, content in zip(paths, (train, valid), strict=False):
        path.write_bytes(content or b"")
    job = JobFolder(folder / "jobs" / "ftjob-a")
    job.fill(recipe_of(request, "ftjob-a", Base(str(tiny)), 1), paths[0], paths[1] if valid is not None else None)
    tuning_job.work(job, folder / "home", train=False)
    return read_on(job.progress, 0)[0][-1]


OTHERS: dict[str, tuple[bytes, dict[str, Any], tuple[str, ...]]] = {
    "prompt and completion": (PAIRS, {}, ("its records have the keys prompt, completion", FORM)),
    "a CSV": (b"question,answer\n" + b"a,b\n" * 12, {}, ("training file:1: none of 13 rows", FORM)),
    "an array": (json.dumps(ARRAY).encode(), {}, ("training file:1: none of 1 rows", "found: list", FORM)),
    "an array over lines": (json.dumps(ARRAY, indent=1).encode(), {}, ("Example 1, line 1, is no JSON object", FORM)),
    "preferences and no method": (dpo_rows(), {}, ("keys input, preferred_output", FORM, "method: {type: dpo} is for such rows")),
    "chats and dpo": (sft_rows(), {"method": DPO}, ("keys messages", DPO_FORM, "method: {type: supervised} is for such rows")),
    "pairs and dpo": (PAIRS, {"method": DPO}, ("keys prompt, completion", DPO_FORM)),
    "packed": (gzip.compress(sft_rows()), {}, ("training file: this is gzip-packed data", FORM)),
    "nothing": (b"\n\n", {}, ("training file: the file is empty", FORM)),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_form_is_told_in_a_client_s_words(tmp_path, tiny, kind):
    """Would let through: advice about a recipe that no client has, a command for a file that lies on the server."""
    content, asked, words = OTHERS[kind]
    told = checked(tmp_path, tiny, content, **asked)
    assert (told["kind"], told["code"], told["param"]) == ("failed", "invalid_training_file", "training_file"), told
    assert all(one in told["message"] for one in words), told["message"]
    assert not any(one in told["message"] for one in ("data.", "recipe", "jq ", "head ", ".jsonl", str(tmp_path)))


ODD: dict[str, tuple[bytes, str]] = {
    "ShareGPT's role": (row(("human", "x"), ("assistant", "a")), "Example 13, line 14, has a message of the role 'human'"),
    "another's role": (row(("user", "x"), ("gpt", "a")), "Example 13, line 14, has a message of the role 'gpt'"),
    "no role": (row(("user", "x"), ("narrator", "a")), "Example 13, line 14, has a turn of a role that nobody knows"),
    "Latin-1": (LATIN, "Example 13, line 14, is not UTF-8 (byte 44 of the line)"),
    "messages as text": (b'{"messages": "[{\'role\': \'user\', \'content\': \'x\'}, {\'role\': \'assistant\', \'content\': \'y\'}]"}', "Example 13, line 14, has text as messages"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_what_reading_would_take_for_something_else_is_refused(tmp_path, tiny, kind):
    """Would let through: rows that are learnt as what they probably mean, of which a client never hears."""
    content, words = ODD[kind]
    told = checked(tmp_path, tiny, b"\n" + sft_rows() + content)
    assert (told["kind"], told["code"], told["param"]) == ("failed", "invalid_training_file", "training_file"), told
    assert words in told["message"]


def test_roles_of_preferences_are_looked_at_too(tmp_path, tiny):
    """Would let through: a role that is refused in chats and taken in pairs."""
    for number, (old, new) in enumerate(((b'"user"', b'"human"'), (b'"assistant"', b'"gpt"'))):
        (folder := tmp_path / str(number)).mkdir()
        told = checked(folder, tiny, dpo_rows().replace(old, new), method=DPO)
        assert "Example 1, line 1, has a message of the role" in told["message"] and "; 7 more" in told["message"]


def test_openai_s_own_roles_and_marks_are_taken(tmp_path, tiny):
    """Would let through: a refusal of what OpenAI takes."""
    own = row(("developer", "be brief"), ("user", "x"), ("assistant", "a"))
    told = checked(tmp_path, tiny, b"\xef\xbb\xbf" + sft_rows() + own)
    assert (told["kind"], told["train"], told["unread"]) == ("validated", 13, {})


def test_keys_that_are_not_read_are_told(tmp_path, tiny):
    """Would let through: a system prompt beside the messages, as another service has it, that nobody learns."""
    message = json.dumps({"messages": [{"role": "user", "content": "u", "mood": "good"}, *ARRAY[0]["messages"][1:]]})
    valid = row(("user", "v"), ("assistant", "w"), system="be brief")
    told = checked(
        tmp_path, tiny, sft_rows() + row(*[("user", "x"), ("assistant", "y")], system="s") + message.encode(), valid
    )
    assert told["unread"] == {"system": 2, "messages[].mood": 1}


@pytest.mark.parametrize(
    ("valid", "words"),
    [
        (b"\n\n" + sft_rows(3, "z") + row(("user", "x")), "Example 4, line 6, has no question, no answer"),
        (sft_rows(3, "z") + LATIN, "Example 4, line 4, is not UTF-8"),
        (b"a,b\nc,d\n", "validation file:1: none of 2 rows"),
        (dpo_rows(word="z"), "validation file: its records have the keys input"),
    ],
)
def test_a_fault_of_the_validation_file_names_its_own_rows(tmp_path, tiny, valid, words):
    """Would let through: a fault of one file that is told of the other, or by the lines of the other."""
    told = checked(tmp_path, tiny, b"\n\n\n\n\n" + sft_rows(), valid)
    assert (told["kind"], told["code"], told["param"]) == ("failed", "invalid_validation_file", "validation_file"), told
    assert words in told["message"] and "training file" not in told["message"]
