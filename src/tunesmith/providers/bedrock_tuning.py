"""Tuning at Bedrock, from examples to a model that can be asked, through any kill.

Owns the order of the calls and what the journal keeps of them. Does not own rows (`bedrock_rows`), hyper-parameters
(`bedrock_settings`), what a job says (`bedrock_job`), looks before (`bedrock_role`, `bedrock_available`), curves
(`bedrock_metrics`) nor what is bought (`bedrock_ready`).

One run has one token and one name, in the journal before anything is sent. The job is looked for by the name before
it is made, and made with the token: killed between asking and knowing, the next process finds the same job.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tunesmith.core.errors import DataError, RecipeError, RemoteError
from tunesmith.core.progress import say
from tunesmith.providers import bedrock_available, bedrock_capacity, bedrock_metrics, bedrock_models, bedrock_role
from tunesmith.providers.aws import Aws, AwsError
from tunesmith.providers.bedrock_job import WORDS, told_of, was_stopped, why_no_model
from tunesmith.providers.bedrock_models import family
from tunesmith.providers.bedrock_ready import make_ready, still_paid_for
from tunesmith.providers.bedrock_rows import Written, check_counts, kept_valid, write
from tunesmith.providers.bedrock_settings import Settings, settings_of
from tunesmith.providers.hosted import ENDED, LAST_STEP, Estimate, Outcome, cleaned, refuse_dear, status_of
from tunesmith.providers.said import WAY_OUT

if TYPE_CHECKING:
    from tunesmith.providers.aws import Client
    from tunesmith.providers.hosted import Availability, Row, Rows, Tell
    from tunesmith.providers.journal import Journal
    from tunesmith.recipe import Recipe

_MISSES = 20
"""Looks at a job that fail one after the other before we give up; the job goes on, and so does the next process."""


@dataclass(frozen=True)
class Prepared:
    """Both splits as they are uploaded, and the settings that follow from them."""

    train: Written
    valid: Written
    settings: Settings
    notes: tuple[str, ...]


class BedrockTuner:
    """Tunes one recipe's base; made without sending anything.

    Raises:
        RecipeError: (when made) for a base of no known family.
        MissingExtraError: (when a client is made) without the ``bedrock`` extra.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.base = recipe.base.split(":", 1)[1].strip()
        self.family = family(self.base)
        self.hosting = recipe.hosting
        self.aws = Aws(self.hosting.region, self.hosting.timeout_s, self.hosting.retries, url=self.hosting.base_url)
        self._clients: dict[str, Client] = {}

    def available(self) -> Availability:
        """Ask whether the base is tuned today."""
        return bedrock_available.available(self._client("bedrock"), self.base)

    def estimate(self, rows: Rows) -> Estimate:
        """Return what tuning takes; sends nothing.

        Raises:
            DataError: for rows that are not taken.
        """
        offer, made = self._offer(), self._prepare(rows)
        price = self.hosting.price.training if self.hosting.price else None
        tokens, epochs = made.train.tokens, made.settings.epochs
        notes = (*self._missing(), *made.notes, "tokens are estimated, four characters each")
        return Estimate(
            len(made.train.lines), len(made.valid.lines), tokens, epochs,
            usd=None if price is None else tokens * epochs * price / 1e6,
            missing="provider.price.training" if price is None else "",
            usd_an_hour=offer.cost if offer else None,
            notes=(*notes, offer.told) if offer else (*notes, _not_kept_ready()),
        )  # fmt: skip

    def _missing(self) -> list[str]:
        """Return what is known, before anybody is asked, to keep the base from being tuned."""
        found = []
        if ended := bedrock_models.ENDED.get(bedrock_models.without_window(self.base)):
            found.append(f"{self.base} reached its end of life on {ended}: train will be refused; {WAY_OUT}")
        unset = [name for name in ("role_arn", "bucket") if getattr(self.hosting, name) is None]
        if unset:
            found.append(f"train needs {' and '.join(f'provider.{name}' for name in unset)}")
        return found

    def tune(self, rows: Rows, journal: Journal, tell: Tell) -> Outcome:
        """Tune, from wherever the journal says an earlier process came to."""
        if not self._has_job(journal):
            refuse_dear(self.estimate(rows), self.hosting)
        offer, made = self._offer(), self._prepare(rows)
        if offer is not None:
            offer.check()
        for note in made.notes:
            tell.said(note)
        run = journal.of("run") or journal.done(
            "run", token=uuid4().hex, name=_name(self.hosting.suffix or self.recipe.name)
        )
        name = f"{run['name']}-{run['token'][:12]}"
        job = journal.of("job") or self._begun(made, name, run["token"], journal, tell)
        ended = self._wait(job["arn"], tell)
        model = self._model_of(ended, made, journal)
        curves, told = self._curves(ended["outputDataConfig"]["s3Uri"], job["arn"])
        for row in curves:
            tell.measured(row)
        notes = [*made.notes, *told, self._readied(offer, ended, model, name, journal, tell)]
        if self.hosting.clean_up and (note := cleaned(self, journal)):
            notes.append(note)
        return self._outcome(ended, made, model, curves, tuple(notes))

    def clean(self, journal: Journal) -> list[str]:
        """Delete the files that were uploaded; the job's own output stays. One that is refused keeps no other, and
        stays in the journal.

        Raises:
            RemoteError: naming what is left, after all were tried.
        """
        deleted, left = [], {}
        for step, facts in journal.steps("upload:").items():
            bucket, key = facts["uri"].removeprefix("s3://").split("/", 1)
            try:
                self._client("s3").call("delete_object", Bucket=bucket, Key=key)
            except AwsError as error:
                left[facts["uri"]] = error
                continue
            journal.forget(step)
            deleted.append(facts["uri"])
        if left:
            last = list(left.values())[-1]
            raise RemoteError(
                f"left in S3 is {', '.join(left)}: {last.message}", expected=last.expected, hint=last.hint
            )
        return deleted

    def cancel(self, journal: Journal) -> list[str]:
        """Stop the job of a run if it has not ended; returns its ARN. Bedrock may still make a model of it. What was
        bought stays, and is told with how it ends.
        """
        bedrock, job = self._client("bedrock"), journal.of("job")
        if told := still_paid_for(bedrock, journal):
            say(told, style="yellow")
        if job is None and (begun := journal.unclear("job")) is not None and (arn := self._find(begun["name"])):
            job = journal.done("job", arn=arn)
        if job is None:
            return []
        found = bedrock.call("get_model_customization_job", jobIdentifier=job["arn"])
        if status_of(found.get("status"), WORDS) in ENDED or found.get("status") == "Stopping":
            return []
        bedrock.call("stop_model_customization_job", jobIdentifier=job["arn"])
        return [str(job["arn"])]

    def close(self) -> None:
        """Close the connections."""
        for one in self._clients.values():
            one.close()

    def _client(self, name: str) -> Client:
        if name not in self._clients:
            self._clients[name] = self.aws.client(name)
        return self._clients[name]

    def _offer(self) -> bedrock_capacity.Offer | None:
        hosting = self.hosting
        if hosting.deployment == "none":
            return None
        price = hosting.price.hour if hosting.price else None
        return bedrock_capacity.Offer(hosting.deployment, hosting.model_units, price, hosting.confirm_hourly_usd)

    def _prepare(self, rows: Rows) -> Prepared:
        longest = self.recipe.train.max_tokens
        train = write(rows.train, partial(rows.wording, split="train", seed=self.recipe.seed), self.family, longest)
        check_counts(train, self.family, self.hosting.quota_examples)
        valid = write(rows.valid, partial(rows.wording, split="valid", seed=self.recipe.seed), self.family, longest)
        kept = kept_valid(valid, train, self.family, self.hosting.quota_examples)
        settings = settings_of(self.recipe, self.family, train, kept)
        notes = list(settings.notes)
        if left_out := train.left_out + valid.left_out:
            notes.append(f"{left_out:,} examples are longer than allowed and left out")
        if len(kept.lines) < len(valid.lines):
            notes.append(f"{len(kept.lines):,} of {len(valid.lines):,} validation examples are taken: no more may be")
        return Prepared(train, kept, settings, tuple(notes))

    def _has_job(self, journal: Journal) -> bool:
        """Tell whether the job of a run is made, and paid for; of one that is unclear the service is asked."""
        begun = journal.unclear("job")
        return journal.of("job") is not None or (begun is not None and self._find(begun["name"]) is not None)

    def _begun(self, made: Prepared, name: str, token: str, journal: Journal, tell: Tell) -> dict[str, Any]:
        """Make the job; a refusal leaves no rows in the bucket."""
        try:
            return self._begin(made, name, token, journal, tell)
        except (RemoteError, DataError) as error:
            if not getattr(error, "passing", False) and self._find_quietly(name) is None:
                journal.forget("job")
                if self.hosting.clean_up and (note := cleaned(self, journal)):
                    tell.said(note)
            raise

    def _find_quietly(self, name: str) -> str | None:
        """Return the ARN of the job of a name, or a word if that cannot be known; None if there is surely none."""
        try:
            return self._find(name)
        except AwsError:
            return "unknown"

    def _begin(self, made: Prepared, name: str, token: str, journal: Journal, tell: Tell) -> dict[str, Any]:
        """Look at what the job needs, upload, and make the job, once."""
        role, bucket, folder = self._places(name)
        if note := bedrock_role.look_at_role(self.aws, role):
            tell.said(note)
        bedrock_role.look_at_bucket(self.aws, bucket)
        uris = {
            split: self._upload(content, f"s3://{bucket}/{folder}/{split}.jsonl", journal)
            for split, content in (("train", made.train), ("valid", made.valid))
            if content.lines
        }
        parameters: dict[str, Any] = {
            "jobName": name, "customModelName": name, "roleArn": role, "baseModelIdentifier": self.base,
            "customizationType": "FINE_TUNING", "clientRequestToken": token,
            "trainingDataConfig": {"s3Uri": uris["train"]}, "hyperParameters": made.settings.hyper,
            "outputDataConfig": {"s3Uri": f"s3://{bucket}/{folder}/output"},
        }  # fmt: skip
        if "valid" in uris:
            parameters["validationDataConfig"] = {"validators": [{"s3Uri": uris["valid"]}]}
        arn = self._find(name) if journal.unclear("job") is not None else None
        if arn is None:
            journal.begin("job", name=name)
            arn = self._create(parameters, role)
        tell.said(f"job {arn}")
        return journal.done("job", arn=arn)

    def _places(self, name: str) -> tuple[str, str, str]:
        """Return the role, the bucket and the folder in it.

        Raises:
            RecipeError: for what is not set.
        """
        hosting = self.hosting
        for setting, value, example in (
            ("role_arn", hosting.role_arn, "arn:aws:iam::123456789012:role/tuner"),
            ("bucket", hosting.bucket, "my-tunes"),
        ):  # fmt: skip
            if value is None:
                raise RecipeError(
                    f"provider.{setting} is not set, and Bedrock tunes from a bucket that it reads in a role",
                    expected=f"as {example}", hint=f"provider: {{{setting}: {example}}}; docs: bedrock",
                )  # fmt: skip
        bucket, _, prefix = str(hosting.bucket).removeprefix("s3://").strip("/").partition("/")
        return str(hosting.role_arn), bucket, f"{prefix}/{name}" if prefix else f"tunesmith/{name}"

    def _upload(self, content: Written, uri: str, journal: Journal) -> str:
        step = f"upload:{uri}"  # not the split: rows of an earlier job that may not be deleted are still to be
        if journal.of(step) is None:
            journal.begin(step, uri=uri)
            bucket, key = uri.removeprefix("s3://").split("/", 1)
            self._client("s3").call("put_object", Bucket=bucket, Key=key, Body=content.content)
            journal.done(step, uri=uri)
        return uri

    def _find(self, name: str) -> str | None:
        """Return the ARN of the job of a name; None if there is none."""
        try:
            found = self._client("bedrock").call("get_model_customization_job", jobIdentifier=name)
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        return str(found["jobArn"])

    def _create(self, parameters: dict[str, Any], role: str) -> str:
        try:
            answer = self._client("bedrock").call("create_model_customization_job", **parameters)
        except AwsError as error:
            if bedrock_role.NOT_ASSUMED in error.message:
                raise bedrock_role.not_assumed(self.aws, role, "it could not assume it") from error
            raise
        return str(answer["jobArn"])

    def _wait(self, arn: str, tell: Tell) -> dict[str, Any]:
        """Return what is told of a job when it has ended.

        Raises:
            AwsError: if it cannot be looked at many times on end, or at all.
        """
        bedrock, misses, last = self._client("bedrock"), 0, ""
        while True:
            try:
                job = bedrock.call("get_model_customization_job", jobIdentifier=arn)
            except AwsError as error:
                misses += 1
                if not error.passing or misses >= _MISSES:
                    raise
                tell.said(f"{error.message}; the job goes on, and is looked at again")
                time.sleep(self.hosting.poll_s)
                continue
            misses = 0
            if (now := told_of(job)) != last:
                tell.said(now)
                last = now
            if status_of(job.get("status"), WORDS) in ("succeeded", "failed", "cancelled"):
                return job
            time.sleep(self.hosting.poll_s)

    def _model_of(self, job: dict[str, Any], made: Prepared, journal: Journal) -> str:
        """Return the tuned model of a job that has ended.

        Raises:
            DataError: if it failed by a row, naming where that stands in the user's files.
            RemoteError: if it failed, or was stopped without a model; the next process begins a new job.
        """
        if model := job.get("outputModelArn"):
            return str(model)
        note = cleaned(self, journal) if self.hosting.clean_up else ""
        for step in ("job", "run"):  # not the uploads, of which those that are left would never be deleted
            journal.forget(step)
        raise why_no_model(job, made.train, f"; {note}" if note else "")

    def _curves(self, output_uri: str, arn: str) -> tuple[list[Row], list[str]]:
        """Return the curves and what is told of them; a bucket that cannot be read keeps nobody from the model."""
        try:
            rows = bedrock_metrics.curves(self._client("s3"), output_uri, arn)
        except RemoteError as error:
            return [], [f"the curves of the job could not be read from {output_uri}: {error.message}"]
        return rows, [] if rows else ["Bedrock has left no curves in the bucket"]

    def _readied(
        self, offer: bedrock_capacity.Offer | None, job: dict[str, Any], model: str, name: str, journal: Journal,
        tell: Tell,
    ) -> str:  # fmt: skip
        """Make the model ready if the recipe wants it and nobody stopped the job; return what is told of it."""
        bedrock = self._client("bedrock")
        if offer is not None and not was_stopped(job):
            return make_ready(bedrock, offer, model, name, journal, tell, self.hosting.poll_s)
        if told := still_paid_for(bedrock, journal):  # the recipe wanted it ready when an earlier process bought it
            return told
        if offer is None:
            return _not_kept_ready()
        return f"the job was stopped, and nothing is bought for its model: tunesmith hosted deploy {model}"

    def _outcome(
        self, job: dict[str, Any], made: Prepared, model: str, rows: list[Row], notes: tuple[str, ...]
    ) -> Outcome:
        losses = [one["validationLoss"] for one in job.get("validationMetrics", []) if "validationLoss" in one]
        epochs = max([int(row["epoch"]) for row in rows if "epoch" in row], default=made.settings.epochs - 1) + 1
        step = max((row["step"] for row in rows), default=-1)
        best = {"step": step, "metric": "valid_loss", "value": losses[0]} if losses else None
        early = epochs < made.settings.epochs
        return Outcome(
            model, (job["jobArn"],), metrics=rows, epochs=epochs, best=best,
            stopped_by="cancelled" if was_stopped(job) else "early stopping" if early else LAST_STEP,
            options={"region": self.aws.where}, notes=notes,
        )  # fmt: skip


def _name(wanted: str) -> str:
    """Return what jobs, models and capacity are called, by the strictest of their patterns."""
    return re.sub(r"[^0-9a-zA-Z]+", "-", wanted).strip("-")[:40].rstrip("-") or "tune"


def _not_kept_ready() -> str:
    return "the tuned model answers once something is bought for it: tunesmith hosted deploy shows what it costs"
