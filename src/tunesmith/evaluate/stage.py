"""The evaluate stage: a Dataset and a Model in, a Scorecard out.

Owns what the Scorecard's folder holds: ``examples.parquet``, ``scorecard.html`` and, of labels, ``labels.json``; which
systems answer which rows; and that a killed evaluation goes on where it was. Does not own metrics, baselines or the
gate (their modules).
"""

from __future__ import annotations

import math
import os
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.core.artifacts import Plan
from tunesmith.core.clock import monotonic_s
from tunesmith.core.errors import DataError
from tunesmith.core.ids import canonical_json
from tunesmith.evaluate.ahead import SLOW, check, chosen_baselines
from tunesmith.evaluate.answers import Answers, expected_of, until_stop
from tunesmith.evaluate.compare import Contestant, Questions, contend, grouped, measure
from tunesmith.evaluate.controls import Controls, control
from tunesmith.evaluate.criteria import criteria_of, gated_metrics
from tunesmith.evaluate.gate import Verdict, judge
from tunesmith.evaluate.grading import label_names
from tunesmith.evaluate.hosted import baseline_at, check_hosted, tuned_at
from tunesmith.evaluate.judge.columns import judged_columns
from tunesmith.evaluate.judge.judging import judging_of
from tunesmith.evaluate.judge.sample import sampled_rows
from tunesmith.evaluate.labels import labels_dict
from tunesmith.evaluate.limits import no_skill
from tunesmith.evaluate.metric import refuse_idle
from tunesmith.evaluate.metrics import HERE, main_metric
from tunesmith.evaluate.own import own_files
from tunesmith.evaluate.result import gated, measured
from tunesmith.evaluate.rivals import Rivals
from tunesmith.evaluate.served.parity import Parity, look
from tunesmith.evaluate.served.replies import request_messages, served_settings
from tunesmith.evaluate.suites import slices
from tunesmith.evaluate.suites.findings import beside_tests
from tunesmith.evaluate.suites.gating import tellable
from tunesmith.evaluate.suites.material import Material, some_of
from tunesmith.evaluate.suites.run import run_suites
from tunesmith.evaluate.suites.system import BASE, PRODUCTION, TUNED
from tunesmith.evaluate.summary import summarise
from tunesmith.evaluate.systems import Systems
from tunesmith.providers.hosted import hosted_model
from tunesmith.text.canaries import canaries_of
from tunesmith.text.examples import read_examples
from tunesmith.text.task import TaskSpec

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact, Draft, Workspace
    from tunesmith.evaluate.metric import Metric
    from tunesmith.evaluate.served.replies import Asker
    from tunesmith.evaluate.suites.findings import Findings
    from tunesmith.recipe import Recipe

CODE = "evaluate-9"


def plan_scorecard(
    recipe: Recipe,
    dataset: Artifact,
    model: Artifact,
    production: Artifact | None,
    folder: Path = HERE,
    *,
    served: bool = False,
) -> Plan:
    """Return the plan of the Scorecard; ``served``: some rows are asked through the server, too."""
    parents = (dataset.id, model.id) if production is None else (dataset.id, model.id, production.id)
    config: dict[str, Any] = {"evaluate": recipe.evaluate.model_dump(mode="json"), "task": recipe.task}
    config["own"] = own_files(recipe, folder)
    config["serve"] = {"max_new_tokens": served_settings(recipe).max_new_tokens} if served else None
    return Plan(
        name=recipe.name,
        stage="scorecard",
        config=config,
        given=recipe.given(),
        parents=parents,
        code=CODE,
        seed=recipe.seed,
    )


def evaluate(
    recipe: Recipe, dataset: Artifact, model: Artifact, workspace: Workspace, *, production: Artifact | None = None,
    recipe_dir: Path = HERE, asker: Asker | None = None,
) -> Artifact:  # fmt: skip
    """Make the Scorecard of a Model, or return it if it is already there.

    Killed and started again it goes on with the first system whose answers are not complete.

    Args:
        recipe: what to measure, against what, and what the gate asks for.
        dataset: its test split is answered; its train split makes the baselines.
        model: the tuned Model.
        workspace: where the Scorecard will lie.
        production: the Model in production, if it is another one.
        recipe_dir: what the paths of the recipe's graders and functions are relative to.
        asker: asks the Model through the server; None: it is not looked at how it is served.

    Raises:
        RecipeError: for what cannot be evaluated.
        DataError: if there are no test rows.
        ArtifactError: if a model cannot be loaded or no longer reads prompts as in training.
    """
    check(recipe, recipe_dir, workspace)
    check_hosted(recipe)
    asker = asker if recipe.evaluate.served and hosted_model(model) is None else None
    plan = plan_scorecard(recipe, dataset, model, production, recipe_dir, served=asker is not None)
    return workspace.make(
        plan, lambda draft: _Evaluation(recipe, recipe_dir, dataset, model, production, workspace, draft, asker).make()
    )


@dataclass
class _Evaluation:
    """One evaluation on its way; answers are kept in the workspace as they are complete (`kept`)."""

    recipe: Recipe
    folder: Path
    dataset: Artifact
    model: Artifact
    production: Artifact | None
    workspace: Workspace
    draft: Draft
    asker: Asker | None = None
    notes: list[tuple[str, str]] = field(default_factory=list)

    def make(self) -> None:
        """Answer, grade, compare, judge, and write the Scorecard."""
        import torch

        from tunesmith.models.precision import exact_arithmetic

        started_s = monotonic_s()
        torch.set_num_threads(self.recipe.train.threads or os.cpu_count() or 1)
        self._read()
        main = main_metric(self.recipe, self.folder)
        with exact_arithmetic(), self.judging or nullcontext():
            ours, others = self._contest()
            self._ask_of_people()
            self.notes += [("rivals", note) for note in self.rivals.notes]
            found = self._suites(ours, others)
        served = self._as_served(ours.answers)
        verdict, controls = self._judged(ours, {other.name: other for other in others}, found)
        self._write_examples(ours, others)
        if self.recipe.task == "classify":
            names = label_names(self.questions.expected, ours.answers.texts)
            (self.draft.path / "labels.json").write_text(canonical_json(labels_dict(names, ours.columns)), "utf-8")
        self.draft.counts = {"test": len(self.test), **{other.name: len(other.rows) for other in others}}
        self.draft.result = {
            "scorecard": self.draft.id,
            "model": self.model.id,
            **measured(ours, others),
            **gated(verdict, controls, served),
            "suites": {one.suite: one.as_dict() for one in found},
            "served": served.as_dict() if served else None,
            "summary": summarise(ours, others, main, [note for who, note in self.notes if who == "tuned"]),
            "notes": [note for _, note in self.notes],
        }
        if self.judging is not None:
            self.draft.result["judge"] = self.judging.report()
        if self.rivals.report:
            self.draft.result["rivals"] = self.rivals.report
        self._write_page(ours, others, main, found)
        self.draft.result["seconds"] = round(monotonic_s() - started_s, 1)

    def _read(self) -> None:
        """Read the rows, and set up who is asked what."""
        self.train = read_examples(self.dataset.path / "train.parquet")
        self.test = read_examples(self.dataset.path / "test.parquet")
        if not self.test:
            raise DataError(
                f"{self.dataset.id} has no test rows, so nothing can be measured",
                hint="data.split.test: 0.1, or data.test with files of its own",
            )
        self.systems = Systems(
            self.recipe, self.dataset, self.model, self.production, self.workspace, self.train, self.test
        )
        stops = self.recipe.train.tokens.stops if self.recipe.train.tokens else []
        expected = [until_stop(expected_of(example), stops) for example in self.test]
        groups = [example.group for example in self.test]
        self.judging = judging_of(self.recipe, self.workspace, self.test)
        self.questions = Questions(self.recipe.task, expected, groups, self.recipe.seed, self.test, self.judging)
        self.notes += [("rows", note) for note in grouped(groups)]
        self.rivals = Rivals(self.recipe, self.workspace)
        self.metrics = gated_metrics(self.recipe, self.folder)

    def _write_page(self, ours: Contestant, others: list[Contestant], main: Metric, found: list[Findings]) -> None:
        """Write the page; it has slices also where the recipe does not ask for the suite."""
        from tunesmith.evaluate.card import Card, write_card

        if all(one.suite != slices.NAME for one in found):
            found = [*found, slices.look(ours, others, self.questions, main, by_twos=False)]
        inputs = [example.input_text for example in self.test]
        card = Card(
            self.recipe.task, self.draft.result, ours, others, inputs, self.questions.expected, self.metrics, main,
            found, self.test, self.model, self.recipe.seed,
        )  # fmt: skip
        write_card(self.draft.path / "scorecard.html", card)

    def _judged(
        self, ours: Contestant, others: dict[str, Contestant], found: list[Findings]
    ) -> tuple[Verdict, Controls | None]:
        """Return what the gate says of the model, and of the controls."""
        criteria = criteria_of(self.recipe, self.folder)
        of_tests = [one for one in criteria if not one.metric.suite]
        levels = no_skill(self.questions, ours.answers, [one.metric for one in of_tests if not one.metric.asks])
        controls = control(of_tests, ours, others, self.questions, levels)
        levels |= {name: level for one in found for name, level in one.levels.items()}
        joined = beside_tests(ours, others, found)
        mute = {name: why for one in found for name, why in one.silent.items()}
        criteria, notes = tellable(criteria, *joined, levels, mute)
        self.notes += [("suites", note) for note in notes]
        verdict = judge(criteria, *joined, levels, self.judging.barred() if self.judging else {})
        return (controls.over(verdict) if controls else verdict), controls

    def _contest(self) -> tuple[Contestant, list[Contestant]]:
        """Return the tuned model and all the others, measured."""
        everything = list(range(len(self.test)))
        answers = self._ours(TUNED, self.model)
        self._note(TUNED, answers, len(everything))
        if self.judging is not None:
            self.judging.know_tuned(self.test, answers.texts)
        ours = measure(self.questions, answers, self.metrics)
        others: list[Contestant] = []
        for name in chosen_baselines(self.recipe):
            rows = self._sample() if name in SLOW else everything
            others.append(self._against(ours, name, rows, self._baseline(name, rows)))
        rows = self._sample()
        for name in self.recipe.evaluate.rivals:
            asked = [self.test[row] for row in rows]
            answers = self.rivals.answers(name, self.systems.task, self.train, asked)
            others.append(self._against(ours, name, rows, answers))
        if self.production is not None:
            answers = self._ours(PRODUCTION, self.production)
            others.append(self._against(ours, PRODUCTION, everything, answers))
        return ours, others

    def _ours(self, name: str, model: Artifact) -> Answers:
        """Return the answers of a Model of ours, from here or from the service where it lies."""
        hosted = hosted_model(model)
        if hosted is None:
            return self.systems.tuned(name, model)
        task = TaskSpec.load(model.path / "model")
        return self.rivals.ask(name, tuned_at(hosted, self.recipe), task, self.train, self.test)

    def _baseline(self, name: str, rows: list[int]) -> Answers:
        hosted = hosted_model(self.model) if name in SLOW else None
        if hosted is None:
            return self.systems.baseline(name, rows)
        asked = [self.test[row] for row in rows]
        return self.rivals.ask(name, baseline_at(name, hosted, self.recipe), self.systems.task, self.train, asked)

    def _as_served(self, answers: Answers) -> Parity | None:
        """Return how the model answers through the server; None if that is not asked for."""
        if self.asker is None:
            return None
        able = [
            row for row, one in enumerate(self.test) if answers.tokens[row] and request_messages(one) is not None
        ]  # fmt: skip
        some = some_of(len(able), self.recipe.evaluate.served, self.recipe.seed)
        served = look(self.systems, answers, self.asker, [able[place] for place in some])
        self.notes += [("served", note) for note in served.notes]
        return served

    def _ask_of_people(self) -> None:
        if self.judging is not None:
            self.judging.calibrate(self.test)
            self.notes += [("judge", note) for note in self.judging.notes()]

    def _against(self, ours: Contestant, name: str, rows: list[int], answers: Answers) -> Contestant:
        self._note(name, answers, len(rows))
        other = contend(ours, name, rows, answers, self.questions, self.metrics)
        if name in self.recipe.evaluate.gate.against:
            refuse_idle([main_metric(self.recipe, self.folder)], other.columns)
        return other

    def _note(self, name: str, answers: Answers, rows: int) -> None:
        if answers.too_long:
            note = f"{answers.too_long} of {rows} rows do not fit into the context of {name} and count as wrong."
            self.notes.append((name, note))
        if answers.cut:
            rival = self.recipe.evaluate.rivals.get(name)
            most = rival.max_tokens if rival else self.recipe.evaluate.max_new_tokens
            note = f"{answers.cut} of {rows} answers of {name} were cut at {most} tokens."
            self.notes.append((name, note))

    def _suites(self, ours: Contestant, others: list[Contestant]) -> list[Findings]:
        """Return what the recipe's suites found; none is asked for what was answered before."""
        settings = self.recipe.evaluate
        if not settings.suites:
            return []
        asked = self._sample()
        rows = [asked[place] for place in some_of(len(asked), settings.suite_rows, self.recipe.seed)]
        known = {
            one.name: one.answers.at([one.rows.index(row) for row in rows])
            for one in [ours, *others]
            if one.name in (TUNED, BASE, PRODUCTION) and self.recipe.task != "preference"  # pairs are not answered
        }
        train = [self.train[row] for row in some_of(len(self.train), len(rows), self.recipe.seed)]
        material = Material(
            self.recipe.seed, self.questions.part(rows), main_metric(self.recipe, self.folder), rows, train,
            canaries_of(self.dataset.path), known,
        )  # fmt: skip
        suites = [suite for suite in dict.fromkeys(settings.suites) if suite != slices.NAME]
        found = run_suites(suites, material, self.systems.loaders() if suites else {}, self.draft.scratch)
        if slices.NAME in settings.suites:
            found.append(slices.look(ours, others, self.questions, material.main))
        return found

    def _sample(self) -> list[int]:
        """Return the test rows on which the slow baselines are measured."""
        return sampled_rows(self.recipe, len(self.test))

    def _write_examples(self, ours: Contestant, others: list[Contestant]) -> None:
        import polars as pl

        answers = ours.answers
        scored = [count > 0 for count in answers.tokens]
        columns: dict[str, Any] = {
            "row_id": [example.row_id for example in self.test],
            "input": [example.input_text for example in self.test],
            "expected": self.questions.expected,
            "answer": answers.texts,
            "correct": ours.columns["correct"].tolist(),
            "probability": [None if math.isnan(one) else one for one in answers.confidences],
            "nll": [
                nats if known and not math.isnan(nats) else None
                for nats, known in zip(answers.nats, scored, strict=True)
            ],
        }
        schema: dict[str, Any] = {"probability": pl.Float64, "nll": pl.Float64}
        if any(self.questions.groups):
            columns["group"], schema["group"] = list(self.questions.groups), pl.String
        for other in others:
            given: list[str | None] = [None] * len(self.test)
            for row, text in zip(other.rows, other.answers.texts, strict=True):
                given[row] = text
            columns[f"answer_{other.name}"] = given
            schema[f"answer_{other.name}"] = pl.String
        judged = judged_columns(len(self.test), [ours, *others])
        columns, schema = columns | judged, schema | dict.fromkeys(judged, pl.Float64)
        pl.DataFrame(columns, schema_overrides=schema).write_parquet(self.draft.path / "examples.parquet")
