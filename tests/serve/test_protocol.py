"""What is refused, and how: OpenAI's error shape, the parameter at fault named, nothing ignored."""

import json

import pytest

from serving import LABELS, make_model, serving
from tunesmith.core.artifacts import Workspace
from tunesmith.core.store import Store
from tunesmith.release.aliases import promote
from tunesmith.text.task import TaskSpec

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def running(tmp_path_factory, tiny):
    """One server for all: nothing here changes it."""
    workspace = Workspace(tmp_path_factory.mktemp("protocol"))
    store = Store.open(workspace.root / "store.db")
    promote(store, "tickets", make_model(workspace, tiny, TaskSpec("classify", LABELS)).id, force=True)
    with serving(store, workspace) as server:
        yield server
    store.close()


def refused(running, body, path=CHAT, **settings):
    """Post a body as it is and return status and error."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **settings}
    with running.http() as http:
        response = http.post(path, content=content, headers=headers)
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    assert response.headers["x-request-id"].startswith("req-")
    return response.status_code, error


@pytest.mark.parametrize(
    "body", [b"", b"{", b"hello", b"[]", b'"x"', b"null", b"\xff\xfe", b'{"model": NaN}', b"[" * 100_000]
)
def test_what_is_no_json_object(running, body):
    status, error = refused(running, body)
    assert (status, error["type"], error["code"]) == (400, "invalid_request_error", "invalid_json")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({}, "model", "missing_required_parameter"),
        ({"model": "tickets"}, "messages", "missing_required_parameter"),
        ({"messages": MESSAGES}, "model", "missing_required_parameter"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": "hi"}, "messages", "invalid_value"),
        ({"messages": None}, "messages", "invalid_value"),
        ({"messages": ["hi"]}, "messages[0]", "invalid_value"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "tool", "content": "hi"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user"}]}, "messages[0]", "invalid_value"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0].type",
            "invalid_value",
        ),
        ({"model": 7}, "model", "invalid_value"),
        ({"temperature": "hot"}, "temperature", "invalid_value"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"temperature": True}, "temperature", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"max_tokens": 2.5}, "max_tokens", "invalid_value"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens", None),
        ({"top_p": 0}, "top_p", "invalid_value"),
        ({"seed": 2**70}, "seed", "invalid_value"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "invalid_value"),
        ({"stop": ""}, "stop[0]", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "unsupported_parameter"),
        ({"temprature": 0}, "temprature", "unknown_parameter"),
    ],
)  # fmt: skip
def test_the_parameter_at_fault_is_named(running, fields, param, code):
    whole = {"model": "tickets", "messages": MESSAGES, **fields}
    body = fields if code == "missing_required_parameter" and "messages[0]" not in param else whole
    status, error = refused(running, body)
    assert (status, error["type"], error["param"], error["code"]) == (400, "invalid_request_error", param, code)


def test_what_asks_for_nothing_is_accepted(running):
    # catches: clients that send OpenAI's defaults (LangChain, lm-eval) being refused
    extra = {"n": 1, "logprobs": False, "presence_penalty": 0.0, "frequency_penalty": 0, "tools": [], "user": "u1"}
    answer = running.ask("hi", extra_body={**extra, "response_format": {"type": "text"}, "logit_bias": None})
    assert answer.choices


def test_a_model_nobody_released_is_404(running):
    status, error = refused(running, {"model": "nobody", "messages": MESSAGES})
    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "tickets" in error["message"]
    for name in (
        "../../etc/passwd",
        "",
        "tickets@",
        "tickets@nothing",
        "@production",
        "a" * 10_000,
        "tickets@production@x",
    ):
        assert refused(running, {"model": name, "messages": MESSAGES})[0] == 404, name


@pytest.mark.parametrize("size", [2 << 20, 20 << 20])
def test_a_huge_body_is_413_and_the_server_lives(running, size):
    body = {"model": "tickets", "messages": [{"role": "user", "content": "x" * size}]}
    try:
        status, error = refused(running, body)
    except Exception as hung_up:  # the server may close while we still send
        assert size > 8 << 20, hung_up
    else:
        assert (status, error["code"]) == (413, "request_too_large")
    assert running.ask("hi").choices


def test_a_lone_surrogate_is_an_answer_or_a_refusal(running):
    # catches: text that cannot be encoded breaking the answer or the capture
    status, _ = refused(running, b'{"model": "tickets", "messages": [{"role": "user", "content": "\\ud800"}]}')
    assert status == 400


def test_forms_of_web_pages_are_refused(running):
    # catches: any page in the user's browser feeding a server on this machine
    body = {"model": "tickets", "messages": MESSAGES}
    assert refused(running, body, **{"Content-Type": "text/plain"})[0] == 415
    status, error = refused(running, body, Host="evil.example:8000")
    assert (status, error["code"]) == (403, "host_not_allowed")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", CHAT, 405), ("POST", "/v1/embeddings", 404), ("GET", "/", 404)]
)
def test_other_paths_have_the_same_shape(running, method, path, status):
    with running.http() as http:
        response = http.request(method, path)
    assert response.status_code == status and response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "request_id"),
        ({"request_id": "req-1"}, "rating"),
        ({"request_id": "req-1", "id": "chatcmpl-1", "rating": 1}, "request_id"),
        ({"request_id": "req-1", "rating": 5}, "rating"),
        ({"request_id": "req-1", "rating": True}, "rating"),
        ({"request_id": 4, "rating": 1}, "request_id"),
        ({"request_id": "req-1", "correction": ""}, "correction"),
        ({"request_id": "req-1", "stars": 4}, "stars"),
    ],
)
def test_feedback_that_says_nothing_is_refused(running, body, param):
    status, error = refused(running, body, "/v1/feedback")
    assert (status, error["param"]) == (400, param)
