"""The train stage where a service tunes: a recipe and a Dataset in, a Model out whose weights lie elsewhere.

Owns what such a Model's folder holds: ``hosted.json`` (where it lies, how it is asked), ``model/task.json`` (its
prompt), ``metrics.jsonl``, ``train.html``. Does not own the tuning (`providers.hosted`).
"""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from tunesmith.core.artifacts import Plan
from tunesmith.core.clock import monotonic_s
from tunesmith.core.errors import ArtifactError, DataError, RecipeError, RemoteError, TunesmithError, together
from tunesmith.core.page import cards, page
from tunesmith.core.progress import say, steps
from tunesmith.providers.capabilities import check as check_settings
from tunesmith.providers.capabilities import findings
from tunesmith.providers.hosted import HostedModel, Rows, refuse_dear, tuner
from tunesmith.providers.journal import Journal, at_service
from tunesmith.text.examples import read_examples
from tunesmith.text.prompts import prompts_of
from tunesmith.train import track, trackers
from tunesmith.train.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact, Draft, Workspace
    from tunesmith.core.progress import Bar
    from tunesmith.providers.hosted import Estimate, Outcome, Row, Tell, Tuner
    from tunesmith.recipe import Recipe

CODE = "hosted-1"


def check(recipe: Recipe) -> None:
    """Refuse, before anything is uploaded or spent, what the service does not do; nothing is sent.

    Raises:
        RecipeError: for settings that are not honoured, all at once, or a service that this version does not know.
        MissingExtraError: without the vendor's client.
        SetupError: for a tracker that is not installed.
    """
    check_settings(recipe)
    trackers.check(recipe.train.track)
    tuner(recipe).close()


def plan_model(recipe: Recipe, dataset: Artifact) -> Plan:
    """Return the plan of the Model; what only says how it is watched or paid is not part of its id."""
    at = recipe.hosting
    config = {
        "train": recipe.train.model_dump(
            mode="json", include=set(recipe.train.model_fields_set) - {"threads", "track", "activation_checkpointing"}
        ),
        "epochs": recipe.train.epochs,
        "prompt": recipe.prompt.model_dump(mode="json", exclude={"candidates"}),
        "task": recipe.task,
        "provider": at.model_dump(mode="json", include={"base_url", "suffix", "stopping"}),
    }
    return Plan(
        name=recipe.name, stage="model", config=config, given=recipe.given(), parents=(dataset.id,),
        inputs={"base": recipe.base}, code=CODE, seed=recipe.seed,
    )  # fmt: skip


def train(recipe: Recipe, dataset: Artifact, workspace: Workspace) -> Artifact:
    """Make the Model of a recipe and a Dataset, or return it if it is there. Killed and started again it goes on with
    the job that runs.

    Raises:
        RecipeError: for settings that the service does not honour, or training dearer than ``provider.max_usd``.
        DataError: for rows that it refuses.
        RemoteError: if it does not tune the base, refuses, fails, or cannot be reached.
    """
    check(recipe)

    def make(draft: Draft) -> None:
        with track.tracking(recipe.train.track, track.about(recipe, dataset, draft, workspace)) as tracked:
            _make(recipe, dataset, draft, tracked)

    return workspace.make(plan_model(recipe, dataset), make)


def cancel(recipe: Recipe, workspace: Workspace) -> list[str]:
    """Cancel the jobs of all runs of a recipe's name, whether or not a process waits for them; returns their ids.

    A run that was begun before the recipe or its rows were changed is another run, and its job is billed as well.

    Raises:
        RecipeError: if no service tunes the base.
        RemoteError: if the service refuses or cannot be reached; the jobs of other runs are cancelled all the same.
    """
    cancelled: list[str] = []
    failures: list[TunesmithError] = []
    with closing(tuner(recipe)) as ours:
        for folder in sorted(workspace.work_dir.glob(f"{recipe.name}-*")):
            if folder.name.rpartition("-")[0] != recipe.name or not at_service(folder):
                continue
            try:
                journal = Journal(folder)
                at = journal.of("service") or {"name": recipe.service}
                if at["name"] != recipe.service:
                    say(f"  {folder.name} runs at {at['name']}: cancel it with a base there", style="yellow")
                    continue
                cancelled += ours.cancel(journal)
            except (RemoteError, ArtifactError) as error:
                failures.append(error)
    if cancelled and failures:
        say(f"  cancelled: {', '.join(cancelled)}")
    if failures:
        raise together(failures)
    return cancelled


def _make(recipe: Recipe, dataset: Artifact, draft: Draft, tracked: Callable[[Progress], None]) -> None:
    rows, journal, started_s = _rows(recipe, dataset, draft.scratch), Journal(draft.scratch), monotonic_s()
    for one in check_settings(recipe):
        say(f"  {one.setting} is approximated: {one.why}")
    with closing(tuner(recipe)) as ours, _shown(tracked) as tell:
        estimate = ours.estimate(rows)
        if not journal.steps("job") and not journal.unclear_steps("job"):
            _refuse_unavailable(ours)
        _announce(recipe, estimate)
        if journal.of("service") is None:
            journal.done("service", name=recipe.service)
        outcome = _tuned(ours, rows, journal, tell)
    HostedModel.of(recipe.base, recipe.hosting, outcome).save(draft.path)
    (draft.path / "model").mkdir()
    rows.task.save(draft.path / "model")
    lines = "".join(f"{json.dumps(row)}\n" for row in outcome.metrics)
    (draft.path / "metrics.jsonl").write_text(lines, encoding="utf-8")
    draft.counts = {"train": estimate.examples, "valid": estimate.valid_examples}
    draft.result = _result(recipe, estimate, outcome, draft, monotonic_s() - started_s)
    _write_page(draft.path / "train.html", draft.id, outcome, draft.result)


def _tuned(ours: Tuner, rows: Rows, journal: Journal, tell: Tell) -> Outcome:
    try:
        return ours.tune(rows, journal, tell)
    except KeyboardInterrupt:
        if known := at_service(journal.path.parent):
            say(
                f"  {', '.join(known)}: what has not ended goes on at the service and is billed. The same command "
                "goes on with it; train --cancel ends jobs, tunesmith hosted delete ARN capacity", style="yellow",
            )  # fmt: skip
        raise


def _rows(recipe: Recipe, dataset: Artifact, folder: Path) -> Rows:
    prompts = prompts_of(recipe, dataset)
    train, valid = (read_examples(dataset.path / f"{split}.parquet") for split in ("train", "valid"))
    return Rows(train, valid, prompts.own, folder, prompts.variants)


def _refuse_unavailable(ours: Tuner) -> None:
    found = ours.available()
    if not found.may_tune:
        raise RemoteError(found.sentence, hint="base: an open model, which this machine tunes by the same recipe")
    say(f"  {found.sentence}")


def _announce(recipe: Recipe, estimate: Estimate) -> None:
    say(
        f"  {recipe.base}: {estimate.examples:,} training and {estimate.valid_examples:,} validation examples · "
        f"{epochs_of(estimate.epochs)} of about {estimate.tokens_per_epoch:,} tokens · {money(estimate)}"
    )
    for note in estimate.notes:
        say(f"  {note}")


def epochs_of(count: int) -> str:
    """Return a number of epochs, for people."""
    return "1 epoch" if count == 1 else f"{count} epochs"


def money(estimate: Estimate) -> str:
    """Return what training costs, for people."""
    if estimate.usd is None:
        usd = f"{estimate.missing} tells the cost"
    else:
        usd = f"about {estimate.usd:,.2f} USD" if estimate.usd >= 0.01 else "less than 0.01 USD"
    return usd + (f", then {estimate.usd_an_hour:,.2f} USD an hour" if estimate.usd_an_hour else "")


def plan(recipe: Recipe, dataset: Artifact, folder: Path) -> dict[str, Any]:
    """Return what training would do and cost, and what the service makes of each setting; nothing is sent.

    What the service refuses is told, not raised: ``refused`` has it where nothing can be counted for it, and the counts
    are then missing.
    """
    by_how: dict[str, dict[str, str]] = {"honoured": {}, "approximated": {}, "refused": {}}
    for one in findings(recipe):
        instead = f"; {one.instead}" if one.how == "refused" and one.instead else ""
        by_how[one.how][one.setting] = one.why + instead
    told = {"provider": recipe.service, "base": recipe.base, "settings": by_how, "refused": ""}
    try:
        with closing(tuner(recipe)) as ours:
            estimate = ours.estimate(_rows(recipe, dataset, folder))
    except (RecipeError, DataError) as error:
        return {**told, "refused": str(error)}
    return {**told, **_counted(estimate, recipe)}


def _counted(estimate: Estimate, recipe: Recipe) -> dict[str, Any]:
    notes = [*estimate.notes]
    try:
        refuse_dear(estimate, recipe.hosting)
    except RecipeError as error:
        notes.append(f"{error.message}: refused")
    return {
        "examples": {"train": estimate.examples, "valid": estimate.valid_examples},
        "tokens_per_epoch": {"total": estimate.tokens_per_epoch},
        "epochs": estimate.epochs,
        "epochs_told": epochs_of(estimate.epochs),
        "trained_tokens": estimate.trained_tokens,
        "usd_an_hour": estimate.usd_an_hour,
        "money_usd": estimate.usd,
        "money_missing": estimate.missing,
        "money_told": money(estimate),
        "notes": notes,
    }


class _Shown:
    """Shows a job as local runs are shown: a bar of steps with the losses; trackers get each step once it is over.

    A step's validation may be told after its loss, so a step counts as over when a later one is told, or at the end.
    What is told of a step after that stands in ``metrics.jsonl`` alone.
    """

    def __init__(self, bar: Bar, tracked: Callable[[Progress], None]) -> None:
        self._bar, self._step, self._tracked = bar, 0, tracked
        self._untracked: dict[int, Row] = {}
        self._over = 0  # the last step that trackers have had

    def said(self, sentence: str) -> None:
        """Show a sentence."""
        say(f"  {sentence}")

    def measured(self, row: Row, total_steps: int | None = None) -> None:
        """Move the bar to a step and show what was measured."""
        facts = {name: row[key] for key, name in (("loss", "loss"), ("valid_loss", "valid")) if key in row}
        if total_steps:
            self._bar.expect(total_steps)
        self._bar.advance(max(0, row["step"] - self._step), **facts)
        self._step = max(self._step, row["step"])
        if row["step"] > self._over:
            self._untracked[row["step"]] = row
        self.track(self._step - 1)

    def track(self, until: int | None = None) -> None:
        """Hand trackers the steps that they have not had, up to one of them."""
        over = sorted(step for step in self._untracked if until is None or step <= until)
        if over:
            self._over = over[-1]
            self._tracked(Progress(step=over[-1], metrics=[self._untracked.pop(step) for step in over]))


@contextmanager
def _shown(tracked: Callable[[Progress], None]) -> Iterator[_Shown]:
    with steps("training elsewhere") as bar:
        shown = _Shown(bar, tracked)
        try:
            yield shown
        finally:
            shown.track()


def _result(
    recipe: Recipe, estimate: Estimate, outcome: Outcome, draft: Draft, seconds: float
) -> dict[str, Any]:  # fmt: skip
    tokens = outcome.trained_tokens
    price = recipe.hosting.price
    usd = None
    if tokens is not None and price is not None and price.training is not None:
        usd = tokens * price.training / 1e6
    return {
        "model": draft.id,
        "provider": recipe.service,
        "hosted": outcome.model,
        "jobs": list(outcome.jobs),
        "objective": recipe.objective,
        "steps": max((row["step"] for row in outcome.metrics), default=0),
        "epochs": outcome.epochs,
        "stopped_by": outcome.stopped_by,
        "best": outcome.best,
        "tokens": {"total": tokens if tokens is not None else estimate.trained_tokens, "target": None},
        "target_tokens_per_s": None,
        "seconds": round(seconds, 1),
        "money_usd": usd,
        "notes": list(outcome.notes),
    }


def _write_page(path: Path, model_id: str, outcome: Outcome, result: dict[str, Any]) -> None:
    """Write the page of a run elsewhere: what local runs have of it, as far as the service tells."""
    from html import escape

    from tunesmith.core.chart import CHART_STYLE, losses

    best = outcome.best
    facts = [
        ("model", outcome.model),
        ("steps", f"{result['steps']:,}"),
        ("epochs", f"{outcome.epochs:g}"),
        ("best valid_loss", f"{best['value']:.4f}" if best else "no validation"),
        ("tokens billed", f"{result['tokens']['total']:,}"),
    ]
    notes = "".join(f"<p>{escape(one)}</p>" for one in outcome.notes)
    body = CHART_STYLE + cards(facts) + (losses(list(outcome.metrics), best) if outcome.metrics else "") + notes
    told = f"Tuned by {result['provider']} as {', '.join(outcome.jobs)}; stopped by {outcome.stopped_by}."
    path.write_text(page("Training", model_id, told, body), encoding="utf-8")
