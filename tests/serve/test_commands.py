"""`tunesmith serve` and `tunesmith chat` as processes of their own."""

import json
import logging
import os
import pty
import re
import signal
import subprocess
import sys

import openai
import pytest
from click.testing import CliRunner

from serving import LABELS, serving, wait_until
from tunesmith.cli.chat import command as chat
from tunesmith.cli.main import root
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import ArtifactError, DataError, RecipeError, SetupError
from tunesmith.core.store import Store
from tunesmith.release.aliases import promote
from tunesmith.serve.keys import create_key

pytestmark = pytest.mark.slow

TUNESMITH = [sys.executable, "-c", "from tunesmith.cli.main import main; main()"]


@pytest.fixture
def home(local_store, workspace, classifier, talker):
    """A workspace with `tickets` and `talk` released."""
    promote(local_store, "tickets", classifier.id, force=True)
    promote(local_store, "talk", talker.id, force=True)
    return workspace.root


def tunesmith(*arguments, **options):
    """Call the command in this process."""
    return CliRunner().invoke(root, list(map(str, arguments)), **options)


def test_serve_answers_and_drains_on_sigterm(home, tmp_path):
    # catches: SIGTERM cutting an answer off, a traceback or another exit code at the end
    said = tmp_path / "stderr"
    with said.open("w") as stderr:
        process = subprocess.Popen([*TUNESMITH, "serve", "--port", "0", "--home", home], stderr=stderr, cwd=tmp_path)
    try:
        wait_until(lambda: "curl" in said.read_text(), 40)
        url = re.search(r"serving at (\S+)", said.read_text()).group(1)
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
            messages = [{"role": "user", "content": "hello"}]
            assert (
                client.chat.completions.create(model="tickets", messages=messages).choices[0].message.content in LABELS
            )
            fields = {"max_tokens": 300, "temperature": 2, "seed": 1, "stream": True}
            stream = client.chat.completions.create(model="talk", messages=messages, **fields)
            first = next(stream)
            process.send_signal(signal.SIGTERM)
            chunks = [first, *stream]
        assert chunks[-1].choices[0].finish_reason in ("stop", "length")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert "stopped" in said.read_text() and "Traceback" not in said.read_text()


def test_serve_open_to_all_or_nowhere_is_one_sentence(home, local_store, tmp_path):
    done = tunesmith("serve", "--host", "0.0.0.0", "--port", 0, "--home", home)
    assert isinstance(done.exception, SetupError) and "there is no API key yet" in str(done.exception)
    create_key(local_store, "ci")
    done = tunesmith("serve", "--host", "no.such.host.invalid", "--home", home)
    assert isinstance(done.exception, SetupError) and "cannot listen" in str(done.exception)
    assert isinstance(tunesmith("serve", tmp_path / "none.yaml").exception, RecipeError)


def test_chat_prints_the_answer_and_nothing_else(home):
    done = tunesmith("chat", "tickets", "--message", "where is my money", "--json", "--home", home)
    said = json.loads(done.stdout)
    assert said["answer"] in LABELS and said["labels"][0]["label"] == said["answer"] and said["finish_reason"] == "stop"
    assert tunesmith("chat", "tickets", "-m", "where is my money", "--home", home).stdout == said["answer"] + "\n"
    done = tunesmith("chat", "nobody", "--message", "x", "--home", home)
    assert isinstance(done.exception, ArtifactError) and "nobody" in str(done.exception) and done.stdout == ""


def test_chat_answers_every_line_of_a_pipe_on_its_own(home):
    # catches: a conversation that grows over unrelated lines
    done = tunesmith("chat", "talk", "--json", "--max-tokens", 5, "--home", home, input="one\n\none\n")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second and first["completion_tokens"] == 5


def test_a_message_too_long_is_the_users_error(home):
    done = tunesmith("chat", "talk", "--message", "x" * 600, "--home", home)
    assert isinstance(done.exception, DataError) and "512 tokens" in str(done.exception)


def test_chat_on_a_terminal_keeps_the_conversation(home, monkeypatch, capsys):
    ours, theirs = pty.openpty()
    os.write(ours, b"one\ntwo\n/new\ntwo\n\x04")
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        chat.callback("talk", None, 5, 0.0, home, True)
    os.close(ours)
    one, two, anew = map(json.loads, capsys.readouterr().out.splitlines())
    assert one["prompt_tokens"] == anew["prompt_tokens"] < two["prompt_tokens"]


def test_serving_leaves_the_logs_of_others_open(tmp_path):
    """Catches a server in somebody's process that ends their logs, and with absl's handler closes their stderr."""

    class Handler(logging.Handler):
        closed = False

        def close(self):
            self.closed = True

    handler = Handler()
    workspace = Workspace(tmp_path / "home")
    with serving(Store.open_workspace(workspace.root), workspace):
        assert not handler.closed
