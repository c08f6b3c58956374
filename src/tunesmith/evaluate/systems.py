"""Who answers the test rows: the tuned model, the one in production, and the baselines.

Owns how each is loaded and asked, and what its answers depend on, under which they are kept. Does not own how answers
are made (`answers`) nor which baselines there are (`ahead.chosen_baselines`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from tunesmith.core.progress import say
from tunesmith.evaluate import baselines
from tunesmith.evaluate.answers import Answers, Contender
from tunesmith.evaluate.kept import KeptAnswers
from tunesmith.evaluate.nearest import nearest
from tunesmith.evaluate.preferring import LENGTH, by_length, likelihoods, rewarded
from tunesmith.evaluate.suites.system import BASE, PRODUCTION, TUNED, System
from tunesmith.models.load import load_model
from tunesmith.models.precision import made_here
from tunesmith.providers.hosted import hosted_model
from tunesmith.text.chat import answer_ids
from tunesmith.text.prompts import prompts_of
from tunesmith.text.task import TaskSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Recipe
    from tunesmith.text.examples import Example

CODE = "answers-4"
"""Of how answers are made: a new one when the same system would answer otherwise."""


@dataclass
class Systems:
    """The systems of one evaluation.

    Args:
        recipe: which base, which prompts, how many tokens.
        dataset: its rows.
        model: the tuned Model.
        production: the Model in production, if it is another one.
        workspace: where answers are kept.
        train: what baselines learn from.
        test: what is answered.
    """

    recipe: Recipe
    dataset: Artifact
    model: Artifact
    production: Artifact | None
    workspace: Workspace
    train: list[Example]
    test: list[Example]

    @cached_property
    def task(self) -> TaskSpec:
        """The tuned Model's task."""
        return TaskSpec.load(self.model.path / "model")

    @cached_property
    def kept(self) -> KeptAnswers:
        """Answers given before; a Model's id stands for its base and prompts."""
        settings = self.recipe.evaluate
        facts = {
            "code": CODE, "dataset": self.dataset.id, "model": self.model.id, "seed": self.recipe.seed,
            "max_new_tokens": settings.max_new_tokens, "made_in": made_here(self.recipe.train.precision),
        }  # fmt: skip
        return KeptAnswers(self.workspace.answers_dir, facts)

    def loaders(self) -> dict[str, Callable[[], System]]:
        """Return by name what loads each system that suites ask."""

        def load(name: str, model: Artifact | None) -> System:
            folder = (model or self.model).path / "model"
            loaded = load_model(folder) if model else self._load_base(self.recipe.base)
            return System(
                name, loaded, TaskSpec.load(folder), self.recipe.evaluate.max_new_tokens, self.recipe.train.precision
            )

        asked: dict[str, Artifact | None] = {TUNED: self.model, BASE: None}
        if self.production is not None and hosted_model(self.production) is None:
            asked[PRODUCTION] = self.production
        return {name: partial(load, name, model) for name, model in asked.items()}

    def tuned(self, name: str, model: Artifact) -> Answers:
        """Return the answers of a Model of ours; of preferences, against the base that it was trained from."""

        def make() -> Answers:
            from tunesmith.text.parity import check_samples

            folder = model.path / "model"
            task = TaskSpec.load(folder)
            loaded = load_model(folder)
            check_samples(folder, loaded.tokenizer)
            if self.recipe.task == "preference":
                own = likelihoods(name, loaded, task, self.test, self.recipe.train.precision)
                return rewarded(own, self._base_likelihoods(_base_of(model), task, self.test), self.test)
            asked = self._contender(name, loaded, task)
            return asked.answer(self.test)

        return self.kept.of(Answers, name, make, model=model.id)

    def written(self, rows: list[int]) -> Answers:
        """Return what the tuned Model writes to some test rows, also where the evaluation writes nothing."""

        def make() -> Answers:
            folder = self.model.path / "model"
            asked = self._contender(TUNED, load_model(folder), TaskSpec.load(folder))
            return asked.answer([self.test[row] for row in rows])

        return self.kept.of(Answers, "written", make, rows=rows)

    def baseline(self, name: str, rows: list[int]) -> Answers:
        """Return the answers of a baseline to some test rows."""
        kept = partial(self.kept.of, Answers, name, rows=rows)
        task, examples = self.task, [self.test[row] for row in rows]
        if name == "linear":
            say("  linear baseline: logistic regression on TF-IDF")
            return kept(lambda: baselines.linear(task.labels, self.train, examples, self.recipe.seed))
        if name == "nearest":
            return kept(lambda: nearest(task.labels, self.train, examples))
        if name == "majority":
            return baselines.majority(task.labels, self.train, examples)
        if name == LENGTH:
            return by_length(self.train, examples)
        if self.recipe.task == "preference":
            return kept(lambda: rewarded(self._base_likelihoods(self.recipe.base, task, examples), None, examples))
        return kept(lambda: self._ask_base(name, task, examples))

    def _base_likelihoods(self, base: str, task: TaskSpec, examples: list[Example]) -> NDArray[np.float64]:
        return likelihoods("base", self._load_base(base), task, examples, self.recipe.train.precision)

    def _load_base(self, base: str) -> LoadedModel:
        from tunesmith.text.chat import ensure_template

        earlier = self.workspace.find(base)
        loaded = load_model(str(earlier.path / "model") if earlier else base)
        ensure_template(loaded.tokenizer)
        return loaded

    def _ask_base(self, name: str, task: TaskSpec, examples: list[Example]) -> Answers:
        loaded = self._load_base(self.recipe.base)
        asked = self._contender(name, loaded, task)
        if name == "prompt" and self.recipe.prompt.teacher:
            teacher = prompts_of(self.recipe, self.dataset).teacher or task
            asked.prompt = lambda one: teacher.split(one)[0]
            say("  prompted base: the teacher's prompt")
        elif name == "prompt":
            answers = [answer_ids(loaded.tokenizer, task.split(examples[0])[0], label) for label in task.labels]
            room = max(map(len, answers)) if answers else self.recipe.evaluate.max_new_tokens
            asked.prompt, shots = baselines.fitting_prompt(task, self.train, examples, loaded, self.recipe.seed, room)
            say(f"  prompted base: instruction and {shots} examples")
        return asked.answer(examples)

    def _contender(self, name: str, loaded: LoadedModel, task: TaskSpec) -> Contender:
        precision = self.recipe.train.precision
        return Contender(
            name, loaded, lambda one: task.split(one)[0], task.labels, self.recipe.evaluate.max_new_tokens, precision
        )  # fmt: skip


def _base_of(model: Artifact) -> str:
    """Return the name of the base that a Model was trained from."""
    base: str = model.manifest["given"]["base"]
    return base
