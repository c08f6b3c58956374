"""Converse as a chat provider: what the judge, rivals and a teacher ask, foundation models and tuned ones."""

import threading

import pytest

from bedrock_runs import run
from bedrock_stub.models import CLAUDE
from bedrock_stub.service import Fault, bedrock
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import RecipeError, RemoteError
from tunesmith.providers.asker import Asker
from tunesmith.providers.aws import Client
from tunesmith.providers.cache import ReplyCache
from tunesmith.providers.chat import ChatRequest, Reply, check_service, connect
from tunesmith.providers.tools import told
from tunesmith.recipe.judge import Judge
from tunesmith.serve.upstream import _as_api_error

pytestmark = pytest.mark.slow
CHAT = "anthropic.claude-3-haiku-20240307-v1:0"
HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]


@pytest.fixture
def service(monkeypatch):
    with bedrock() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def asker(folder, **settings):
    judge = Judge(**{"api": "bedrock", "model": CHAT, "region": "us-east-1", "retries": 0, **settings})
    return Asker(connect(judge, Workspace(folder)), ReplyCache(folder))


def test_converse(service, tmp_path):
    """Would let through: an instruction among the turns, or two turns of one role, which the service refuses."""
    twice = [*HELLO, {"role": "user", "content": "again"}]
    with asker(tmp_path) as asking:
        replies = asking.ask(
            [ChatRequest(CHAT, HELLO, {"temperature": 0.5, "max_tokens": 1}), ChatRequest(CHAT, twice)]
        )
    assert [one.text for one in replies] == ["hello", "again indeed"]
    assert [one.ended for one in replies] == ["length", "stop"] and replies[0].output_tokens == 1
    first = next(given for _, given in service.asked if given["inferenceConfig"].get("temperature"))
    assert first["system"] == [{"text": "Be brief."}] and first["inferenceConfig"] == {
        "maxTokens": 1,
        "temperature": 0.5,
    }
    with asker(tmp_path) as again:
        assert again.ask([ChatRequest(CHAT, twice)])[0].text == "again indeed" and again.spent.asked == 0


def test_tools(service, tmp_path):
    """Would let through: a call or a result that Converse refuses, or a call in an answer that is lost."""
    tools = [{"type": "function", "function": {"name": "weather"}}]
    call = {"function": {"name": "weather", "arguments": '{"town": "Oslo"}'}}
    asked = [
        *HELLO, {"role": "assistant", "content": "One moment.", "tool_calls": [call]}, {"role": "tool", "content": "rain"},
        {"role": "user", "content": "and Rome?"},
    ]  # fmt: skip
    service.script = lambda said: [("weather", {"town": said})]
    with asker(tmp_path) as asking:
        (reply,) = asking.ask([ChatRequest(CHAT, told(asked), tools=tools)])
    assert (reply.text, reply.ended) == ('[{"name": "weather", "arguments": {"town": "and Rome?"}}]', "tool_calls")
    given = next(given for _, given in service.asked if "toolConfig" in given)
    assert given["messages"][1]["content"] == [
        {"text": "One moment."}, {"toolUse": {"toolUseId": "call_2_0", "name": "weather", "input": {"town": "Oslo"}}},
    ]  # fmt: skip
    assert given["messages"][2]["content"][0] == {
        "toolResult": {"toolUseId": "call_2_0", "content": [{"text": "rain"}]}
    }
    (tool,) = given["toolConfig"]["tools"]
    assert tool["toolSpec"]["inputSchema"] == {"json": {"type": "object", "properties": {}}}


def test_a_tuned_model_is_asked_through_what_was_bought_for_it(service, tmp_path):
    """Would let through: an ARN kept from the day of training, of something that was deleted and bought anew since."""
    outcome, _ = run(tmp_path)
    with asker(tmp_path, model=outcome.model, region=None) as asking:
        with pytest.raises(RemoteError, match="nothing that answers is bought for it") as caught:
            asking.ask([ChatRequest(outcome.model, HELLO)])
        assert f"tunesmith hosted deploy {outcome.model}" in caught.value.hint
        run(tmp_path, deployment="provisioned", price={"hour": 1.0}, confirm_hourly_usd=1)
        (reply,) = asking.ask([ChatRequest(outcome.model, HELLO)])
        assert reply.text == "hello indeed"
    assert next(iter(service.capacities)) in [given.get("modelId") for _, given in service.asked]


def test_a_tuned_model_that_is_busy_is_not_asked_at_once_again(service, tmp_path):
    """Would let through: twice the requests, where AWS says that there are too many."""
    model = run(tmp_path, deployment="provisioned", price={"hour": 1.0}, confirm_hourly_usd=1)[0].model
    with asker(tmp_path, model=model, region=None) as asking:
        asking.ask([ChatRequest(model, HELLO)])
        service.faults, service.asked = [Fault("Converse", "ThrottlingException")], []
        with pytest.raises(RemoteError, match="takes no more requests for now"):
            asking.ask([ChatRequest(model, [{"role": "user", "content": "again"}])])
    assert service.names() == ["Converse"]


AT_ONCE = 4


def test_all_that_is_asked_while_capacity_is_bought_anew_is_answered(service, tmp_path, monkeypatch):
    """Would let through: of many requests on their way the first alone asks again, and the others fail."""
    bought = {"deployment": "provisioned", "price": {"hour": 1.0}, "confirm_hourly_usd": 1}
    model = run(tmp_path, **bought)[0].model
    requests = [ChatRequest(model, [{"role": "user", "content": f"hello {number}"}]) for number in range(AT_ONCE)]
    with asker(tmp_path, model=model, region=None, concurrency=AT_ONCE) as asking:
        asking.ask([ChatRequest(model, HELLO)])
        ((old, capacity),) = service.capacities.items()
        capacity.arn = new = old[:-12] + "abcdefghijkl"
        service.capacities = {new: capacity}
        service.asked.clear()
        together(monkeypatch, old)
        assert [one.text for one in asking.ask(requests)] == [f"hello {number} indeed" for number in range(AT_ONCE)]
    asked = [given["modelId"] for name, given in service.asked if name == "Converse"]
    assert sorted(asked) == sorted([old, new] * AT_ONCE)
    assert service.names().count("ListProvisionedModelThroughputs") == 1, "what one found is for all"


def together(patch, model):
    """Let no request for a model be sent before all are about to be."""
    real, all_are_here = Client.call, threading.Barrier(AT_ONCE)

    def call(self, operation, **given):
        if operation == "converse" and given["modelId"] == model:
            all_are_here.wait(20)
        return real(self, operation, **given)

    patch.setattr(Client, "call", call)


@pytest.mark.parametrize(
    ("code", "words", "hint"),
    [
        ("ThrottlingException", r"takes no more requests for now \(ThrottlingException\), in 1 try", "is kept"),
        ("AccessDeniedException", "do bedrock:Converse in us-east-1", "get-caller-identity"),
        ("ModelNotReadyException", "is being made ready", "later"),
        ("ValidationException", f"refuses to ask {CHAT}", "evaluate.judge.model"),
        ("InternalServerException", r"fails \(InternalServerException\)", "is kept"),
    ],
)
def test_failures_are_told_in_words_that_help(service, tmp_path, code, words, hint):
    service.faults = [Fault("Converse", code)]
    with asker(tmp_path) as asking, pytest.raises(RemoteError, match=words) as caught:
        asking.ask([ChatRequest(CHAT, HELLO)])
    assert hint in caught.value.hint and caught.value.exit_code == 4


def test_a_throttled_call_is_tried_again(service, tmp_path):
    service.faults = [Fault("Converse", "ThrottlingException")]
    with asker(tmp_path, retries=1) as asking:
        assert asking.ask([ChatRequest(CHAT, HELLO)])[0].text == "hello indeed"
    assert service.names().count("Converse") == 2


def test_a_dead_endpoint_and_no_region_are_told(tmp_path, monkeypatch, service):
    with (
        asker(tmp_path, base_url="http://127.0.0.1:9") as asking,
        pytest.raises(RemoteError, match=r"cannot be reached.*, in 1 try"),
    ):
        asking.ask([ChatRequest(CHAT, HELLO)])
    with pytest.raises(RecipeError, match=r"evaluate\.judge\.region is not set"):
        check_service(Judge(api="bedrock", model=CHAT), None)
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    check_service(Judge(api="bedrock", model=CHAT), None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api": "bedrock", "key_env": "KEY"}, "AWS has credentials of its own"),
        ({"api": "bedrock", "temperature": 1.5}, "Bedrock takes 0 to 1"),
        ({"region": "us-east-1"}, "region means nothing to api: openai"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Judge(model=CHAT, **settings)


def test_training_names_are_not_asked(service, tmp_path):
    with asker(tmp_path, model=CLAUDE) as asking, pytest.raises(RemoteError, match="identifier is invalid"):
        asking.ask([ChatRequest(CLAUDE, HELLO)])


def test_clients_of_our_server_get_it_in_one_piece_and_are_told_when_it_is_busy(service):
    """Would let through: a throttled upstream told as broken, so that no client comes back later."""
    made = connect(Judge(api="bedrock", model=CHAT, region="us-east-1", retries=0), None)
    request = ChatRequest(CHAT, HELLO, {"stop": "never", "max_tokens": 5})
    assert list(made.stream(request)) == ["hello indeed", Reply("hello indeed", 3, 2, "stop")]
    assert service.asked[-1][1]["inferenceConfig"] == {"maxTokens": 5, "stopSequences": ["never"]}
    service.faults = [Fault("Converse", "ThrottlingException")]
    with pytest.raises(RemoteError) as caught:
        list(made.stream(request))
    assert _as_api_error(caught.value, "claude").status == 429
    made.close()


def test_how_long_a_model_goes_on_answering(service, tmp_path):
    """Would let through: an inference profile or a window that hides the model's end, a model that is gone and looks alive."""
    with asker(tmp_path) as asking:
        ask = asking.provider.life
        assert ask(CHAT).state == ask(f"us.{CHAT}").state == ask(CLAUDE).state == "active"
        for one in service.models:
            if "claude" in one.id:
                one.status, one.ends = "LEGACY", service.at(86_400 * 40)
        assert (ask(f"eu.{CHAT}").state, ask(CHAT).ends_on) == ("deprecated", service.at(86_400 * 40).date())
        service.models = [one for one in service.models if "claude" not in one.id]
        assert (ask(CHAT).state, str(ask(CHAT).ends_on)) == ("gone", "2026-09-10")
        assert ask("arn:aws:bedrock:us-east-1:1:custom-model/x/abcdefghijkl").state == "unknown"
