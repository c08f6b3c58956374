"""Custom tokens: started from their descriptions, learnt alone, right on tied and untied heads wherever loaded."""

import json

import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from families import FAMILIES, family_base
from killed import killed_after
from made import make_dataset
from tunesmith.core.errors import RecipeError
from tunesmith.models.generate import Decoding, generate
from tunesmith.models.load import load_model
from tunesmith.models.save import merge_adapter
from tunesmith.recipe import Recipe
from tunesmith.text.chat import prompt_ids
from tunesmith.train import stage
from tunesmith.train.start import load_start

pytestmark = pytest.mark.slow

ADD = {"<|refund|>": "money back", "<|card|>": "a card"}
PAIRS = [(f"<|card|> {n} is lost", "<|card|>") for n in range(8)] + [(f"give {n} back", "<|refund|>") for n in range(8)]


def recipe(base, *, tokens=None, **train):
    settings = {"epochs": 3, "batch_tokens": 16, "precision": "float32", "threads": 1, "schedule": {"peak": 0.02}}
    tokens = {"add": ADD} if tokens is None else tokens
    return Recipe(
        name="made", task="classify", base=str(base), data={"train": "x"}, train={**settings, "tokens": tokens, **train}
    )


@pytest.fixture
def dataset(workspace):
    return make_dataset(workspace, PAIRS[::2], PAIRS[1::2])


def logits_of(model, ids):
    with torch.no_grad():
        return model.eval()(ids).logits


def asked(loaded, text="<|card|> 7 is lost, <|refund|>"):
    return torch.tensor([prompt_ids(loaded.tokenizer, [{"role": "user", "content": text}])])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_token_starts_where_its_description_is_and_the_base_keeps_its_bits(family, tmp_path):
    """Would let through: a start that is random, scaled, or of the input only; a resize that redraws base rows."""
    base = AutoModelForCausalLM.from_pretrained(family_base(tmp_path, family))
    loaded = load_start(recipe(tmp_path), str(tmp_path))
    ids = loaded.tokenizer.convert_tokens_to_ids(list(ADD))
    for ours, theirs in (
        (loaded.model.get_input_embeddings(), base.get_input_embeddings()),
        (loaded.model.get_output_embeddings(), base.get_output_embeddings()),
    ):
        for token, text in zip(ids, ADD.values(), strict=True):
            words = loaded.tokenizer.encode(text)
            torch.testing.assert_close(ours.weight[token], theirs.weight[words].mean(0))
        rows = len(theirs.weight)
        kept = [row for row in range(rows) if row not in ids]
        assert torch.equal(ours.weight[kept], theirs.weight[kept])
        assert len(ours.weight) == max(rows, max(ids) + 1)
    for token in ADD:
        assert loaded.tokenizer.encode(f"x{token}y")[1:-1] == loaded.tokenizer.convert_tokens_to_ids([token])


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")  # PEFT's own, of loading by it
@pytest.mark.parametrize("method", ["lora", "dora", "tokens"])
@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "phi"])
def test_saved_rows_give_the_same_logits_wherever_they_are_loaded(family, method, workspace, dataset, tmp_path):
    """Would let through: rows lost on the way, a head that forgets its new rows, heads untied by merging."""
    base = family_base(tmp_path / "base", family)
    folder = stage.train(recipe(base, method=method), dataset, workspace).path / "model"
    ours = load_model(folder, device="cpu")
    ids = asked(ours)
    logits = logits_of(ours.model, ids)
    plain = AutoModelForCausalLM.from_pretrained(base)
    plain.resize_token_embeddings(max(len(ours.tokenizer), plain.config.vocab_size), mean_resizing=False)
    before = logits_of(plain, ids)
    theirs = PeftModel.from_pretrained(plain, folder)
    torch.testing.assert_close(logits_of(theirs, ids), logits)
    torch.testing.assert_close(logits_of(AutoPeftModelForCausalLM.from_pretrained(folder), ids), logits)
    assert not torch.allclose(before, logits, atol=1e-2)
    merge_adapter(ours)
    torch.testing.assert_close(logits_of(ours.model, ids), logits, atol=1e-5, rtol=1e-4)
    tied = ours.model.get_output_embeddings().weight is ours.model.get_input_embeddings().weight
    assert tied == bool(plain.config.tie_word_embeddings)
    old = AutoModelForCausalLM.from_pretrained(base).get_input_embeddings().weight
    kept = [row for row in range(len(old)) if row not in ours.tokenizer.convert_tokens_to_ids(list(ADD))]
    assert torch.equal(ours.model.get_input_embeddings().weight[kept], old[kept])
    if method == "tokens":
        assert sum(file.stat().st_size for file in folder.glob("*.safetensors")) < 3000


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_saved_whole_loads_with_transformers_alone(family, workspace, dataset, tmp_path):
    """Would let through: a merge that loses rows, ties or the bias of Phi's head when it is written and read again."""
    base = family_base(tmp_path / "base", family)
    merged = stage.train(recipe(base, method="lora", save="merged"), dataset, workspace).path / "model"
    assert not (merged / "adapter_config.json").exists()
    ours = load_model(merged, device="cpu")
    ids = asked(ours)
    logits = logits_of(AutoModelForCausalLM.from_pretrained(merged), ids)
    assert torch.equal(logits, logits_of(ours.model, ids))
    assert AutoTokenizer.from_pretrained(merged).get_vocab() == ours.tokenizer.get_vocab()
    if family != "phi":
        adapter = load_model(stage.train(recipe(base, method="lora"), dataset, workspace).path / "model", device="cpu")
        torch.testing.assert_close(logits_of(adapter.model, ids), logits, atol=1e-5, rtol=1e-4)


def test_a_head_with_a_bias_is_refused_where_its_file_would_lose_it(workspace, dataset, tmp_path):
    """Would let through: an adapter on Phi that answers differently in PEFT than it was trained."""
    base = family_base(tmp_path / "base", "phi")
    with pytest.raises(RecipeError, match=r"has a bias(?s:.)*train\.save: merged"):
        stage.train(recipe(base, method="lora"), dataset, workspace)


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma3", "phi"])
def test_cheap_rows_have_the_loss_and_gradients_of_pefts_layer(family, tmp_path, monkeypatch):
    """Would let through: a row whose gradient misses the head, the scale of Gemma's embedding, or the other token."""
    from tunesmith.train.adapters import with_adapter

    family_base(tmp_path, family)
    if family == "phi":  # PEFT's layer forgets the bias of the head
        loaded = load_model(str(tmp_path))
        loaded.model.lm_head.bias.data.zero_()
        loaded.model.save_pretrained(tmp_path)
    results = []
    for ours in (True, False):
        if not ours:
            monkeypatch.setattr("tunesmith.models.token_rows.learn_rows_only", lambda model: None)
        torch.manual_seed(0)
        loaded = load_start(recipe(tmp_path, save="merged"), str(tmp_path))
        model = with_adapter(recipe(tmp_path, save="merged"), loaded)
        loss = model(input_ids=asked(loaded), labels=asked(loaded)).loss
        loss.backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if "delta" in name}
        assert len(gradients) == (1 if family in ("llama", "gemma3") else 2)
        assert all(bool(g.abs().sum(1).gt(0).all()) for g in gradients.values())
        results.append((loss.detach(), gradients))
    torch.testing.assert_close(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])


def test_full_fine_tuning_trains_everything(workspace, dataset, tiny):
    """Would let through: tokens that freeze the rest of a full fine-tuning."""
    folder = stage.train(recipe(tiny, method="full"), dataset, workspace).path / "model"
    ours, base = load_model(folder, device="cpu"), AutoModelForCausalLM.from_pretrained(tiny)
    rows = len(base.get_input_embeddings().weight)
    assert not torch.equal(ours.model.get_input_embeddings().weight[:rows], base.get_input_embeddings().weight)
    ids = asked(ours)
    assert torch.equal(logits_of(ours.model, ids), logits_of(AutoModelForCausalLM.from_pretrained(folder), ids))


@pytest.mark.parametrize("family", ["llama", "llama-untied", "phi"])
def test_a_pull_to_the_base_leaves_new_rows_alone(family, workspace, dataset, tmp_path):
    """Would let through: new tokens pulled to the mean of their description, which is nothing the base has."""
    base = family_base(tmp_path / "base", family)
    whole = {"schedule": {"peak": 0.1, "shape": "constant", "warmup": 0}, "regularise": {"l2sp": 10, "weight_decay": 0}}
    folder = stage.train(recipe(base, method="full", max_steps=2, **whole), dataset, workspace).path / "model"
    before, after = (load_start(recipe(base), str(base)), load_model(folder, device="cpu"))
    new = before.tokenizer.convert_tokens_to_ids(list(ADD))
    weights, ends = dict(after.model.named_parameters()), ("embed_tokens", "lm_head")
    for name, start in before.model.named_parameters():  # all of the way back to the start in each step
        moved = (weights[name] != start).reshape(len(start), -1).any(1).nonzero().flatten().tolist()
        assert moved == (sorted(new) if any(one in name for one in ends) else []), name


def test_training_goes_on_from_a_model_with_tokens(workspace, dataset, tiny):
    """Would let through: rows of an earlier adapter that are lost when it becomes a base, or a base nobody finds."""
    first = stage.train(recipe(tiny, method="lora"), dataset, workspace)
    ours = load_model(first.path / "model", device="cpu")
    start = load_start(
        Recipe(name="n", task="chat", data={"train": "x"}, train={"method": "full"}), str(first.path / "model")
    )
    torch.testing.assert_close(
        logits_of(start.model, asked(ours)), logits_of(ours.model, asked(ours)), atol=1e-5, rtol=1e-4
    )
    assert all(parameter.requires_grad for parameter in start.model.parameters())
    with pytest.raises(RecipeError, match=r"'<\|refund\|>' is already a token of the base \(number 263\)"):
        stage.train(recipe(first.id, method="full"), dataset, workspace)
    full = stage.train(recipe(tiny, method="full"), dataset, workspace)
    plain = recipe(full.id, method="lora").model_copy(update={"prompt": first and recipe(tiny).prompt})
    plain = plain.model_copy(update={"train": plain.train.model_copy(update={"tokens": None})})
    second = stage.train(plain, dataset, workspace)
    load_model(second.path / "model", device="cpu")  # its base is known by an id


@pytest.mark.parametrize("method", ["lora", "tokens"])
def test_run_with_tokens_killed_ends_in_the_same_bytes(tmp_path, workspace, dataset, tiny, method):
    """Would let through: new rows that are not in the checkpoint, or start elsewhere after a kill."""
    undisturbed = stage.train(recipe(tiny, method=method, eval_every=2), dataset, workspace).manifest["files"]
    elsewhere = type(workspace)(tmp_path / "elsewhere")
    same = make_dataset(elsewhere, PAIRS[::2], PAIRS[1::2])
    killed_after(2, lambda: stage.train(recipe(tiny, method=method, eval_every=2), same, elsewhere))
    files = stage.train(recipe(tiny, method=method, eval_every=2), same, elsewhere).manifest["files"]
    assert {name for name in files if files[name] != undisturbed[name]} <= {"train.html"}


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ({"add": {"<|user|>": "a person"}}, r"'<\|user\|>' is already a token of the base \(number 3\)"),
        ({"add": ADD, "stops": ["<|done|>"]}, r"stops: '<\|done\|>' is no token of the base"),
    ],
)
def test_tokens_that_cannot_be_are_refused_with_the_way_out(workspace, dataset, tiny, tokens, message):
    """Would let through: a known token trained as if new, a stop that never stops."""
    with pytest.raises(RecipeError, match=message):
        stage.train(recipe(tiny, tokens=tokens), dataset, workspace)


def test_a_token_that_nothing_uses_is_told(workspace, dataset, tiny, capsys):
    """Would let through: a misspelt token that silently learns nothing."""
    add = {**ADD, "<|never|>": "not once"}
    model = stage.train(recipe(tiny, tokens={"add": add}, max_steps=1), dataset, workspace)
    assert model.result["unused_tokens"] == ["<|never|>"]
    assert "<|never|> occurs in no training example" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_token_is_learnt_shown_and_stops(workspace, tiny, method):
    """Would let through: tokens stripped from answers, or stops that are forgotten when an adapter is loaded."""
    pairs = [(f"say {n}", "<|card|>ok<|stop|>ignored") for n in range(12)]
    dataset = make_dataset(workspace, pairs, pairs[:2], classify=False)
    tokens = {"add": {**ADD, "<|stop|>": "end"}, "stops": ["<|stop|>"]}
    settings = {"method": method, "epochs": 40, "regularise": {"dropout": 0, "early_stopping": None}}
    model = stage.train(recipe(tiny, tokens=tokens, **settings).model_copy(update={"task": "chat"}), dataset, workspace)
    loaded = load_model(model.path / "model", device="cpu")
    prompts = [prompt_ids(loaded.tokenizer, [{"role": "user", "content": f"say {n}"}]) for n in (3, 4)]
    answers = generate(loaded, prompts, Decoding(20, precision="float32"))
    texts = [loaded.tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]
    assert texts == ["<|card|>ok"] * 2
    stops = json.loads((model.path / "model" / "generation_config.json").read_text())["eos_token_id"]
    assert loaded.tokenizer.convert_ids_to_tokens(stops) == ["<|end|>", "<|stop|>"]
