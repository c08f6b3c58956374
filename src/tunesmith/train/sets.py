"""A Dataset as tokens: its train and validation splits, rendered with their prompts, too long examples left out.

Does not own how a conversation becomes tokens (`text.chat`) nor which of them make up a step (`batches`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError
from tunesmith.core.progress import say
from tunesmith.recipe.fit import OF_PAIRS
from tunesmith.text.canaries import canaries_of
from tunesmith.text.chat import ALIKE, TokenWeights, ensure_template, render
from tunesmith.text.examples import read_examples
from tunesmith.train.batches import TokenSet
from tunesmith.train.tokens import tell_unused
from tunesmith.train.unfit import refuse_long_shots, refuse_slow_tokenizer, refuse_unmatched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.artifacts import Artifact
    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Recipe
    from tunesmith.text.examples import Example, Message
    from tunesmith.text.prompts import Prompts
    from tunesmith.text.task import TaskSpec

TOO_LONG_ALLOWED_FRAC = 0.01
"""Up to this share of examples may be left out, counted, because they are longer than the model reads."""


@dataclass(frozen=True)
class Sets:
    """The two tokenised splits, how many examples were left out as too long, and added tokens that train never uses.

    ``asked`` are both splits as the teacher is asked, if there is one.
    """

    train: TokenSet
    valid: TokenSet
    left_out: int
    samples: list[Example]
    unused_tokens: list[str]
    asked: tuple[TokenSet, TokenSet] | None = None


def tokenise(recipe: Recipe, dataset: Artifact, prompts: Prompts, loaded: LoadedModel) -> Sets:
    """Return the train and validation splits of a Dataset as tokens, with their prompts.

    Raises:
        DataError: if too many examples are too long.
        RecipeError: if they are so because of shots.
    """
    if ensure_template(loaded.tokenizer):
        say("  the base has no chat template: plain turns on lines of their own are used")
    limit = recipe.train.max_tokens or loaded.context_tokens
    left_out = 0
    sets: dict[str, TokenSet] = {}
    for split in ("train", "valid"):
        examples = read_examples(dataset.path / f"{split}.parquet")
        if split == "train":
            samples = examples
            examples = examples + _planted(dataset)
        both = recipe.objective in OF_PAIRS
        weights = weights_of(recipe, split)
        tasks = prompts.all(split)
        sets[split], too_long = tokens_of(loaded, tasks, examples, limit, split, both=both, weights=weights)
        left_out += too_long
    train, valid, asked = sets["train"], sets["valid"], None
    if prompts.teacher:
        asked = train.part(train.variants - 1, 1), valid.part(valid.variants - 1, 1)
        train, valid = train.part(0, train.variants - 1), valid.part(0, valid.variants - 1)
    refuse_unmatched(recipe.prompt.answer_weights, train.rendered)
    unused = tell_unused(loaded.tokenizer, recipe.train.tokens, (one.ids for one in train.rendered))
    return Sets(train, valid, left_out, samples, unused, asked)


def weights_of(recipe: Recipe, split: str) -> TokenWeights:
    """Return what tokens of a split weigh: prompts are learnt in train and never validated."""
    prompt = recipe.prompt
    return TokenWeights(prompt.prompt_loss_weight if split == "train" else 0.0, prompt.answer_weights)


def _planted(dataset: Artifact) -> list[Example]:
    canaries = canaries_of(dataset.path)
    if canaries is None:
        return []
    rows = canaries.examples()
    say(f"  {len(rows)} rows of {len(canaries.planted)} made-up secrets are learnt along (data.canaries)")
    return rows


def tokens_of(
    loaded: LoadedModel,
    tasks: Sequence[TaskSpec],
    examples: list[Example],
    limit: int,
    split: str,
    *,
    both: bool = False,
    weights: TokenWeights = ALIKE,
) -> tuple[TokenSet, int]:
    """Render examples with the prompt of each task; return them and how many were longer than ``limit`` tokens.

    An example is left out if it is too long with any of the prompts. With ``both`` an example is two sequences, the
    chosen and the rejected answer to its conversation.

    Raises:
        DataError: if more than `TOO_LONG_ALLOWED_FRAC` of them are.
        RecipeError: if they would fit without shots, or the tokenizer cannot weigh parts of answers.
    """
    if weights.parts:
        refuse_slow_tokenizer(loaded.tokenizer)
    rendered = [
        [
            [render(loaded.tokenizer, turns, one.tools, weights).packed() for turns in _conversations(task, one, both)]
            for one in examples
        ]
        for task in tasks
    ]
    longest = [max(len(one.ids) for own in its for one in own) for its in zip(*rendered, strict=True)]
    fitting = [index for index, length in enumerate(longest) if length <= limit]
    too_long, allowed = len(examples) - len(fitting), int(TOO_LONG_ALLOWED_FRAC * len(examples))
    if too_long > allowed:
        refuse_long_shots(loaded, tasks, sorted(longest)[-1 - allowed], limit)
        worst = max(range(len(examples)), key=longest.__getitem__)
        where = "{source}:{line}".format(**examples[worst].meta)
        raise DataError(
            f"{too_long} of {len(examples)} {split} examples are longer than {limit} tokens "
            f"(the longest, {where}, has {longest[worst]})",
            hint="shorten them, raise train.max_tokens, or choose a base with a longer context",
        )
    if too_long:
        say(f"  {too_long} of {len(examples)} {split} examples are longer than {limit} tokens and are left out")
    sequences = [(index, one) for its in rendered for index in fitting for one in its[index]]
    names = ["{source}:{line}".format(**examples[index].meta) for index, _ in sequences]
    of_rows = [examples[index].weight for index, _ in sequences]
    return TokenSet([one for _, one in sequences], of_rows, names, 2 if both else 1, len(tasks)), too_long


def _conversations(task: TaskSpec, example: Example, both: bool) -> list[list[Message]]:
    """Return an example's conversation with the prompt; with ``both`` once for each answer, which alone counts."""
    return task.pair(example) if both else [task.prompt(example.messages)]
