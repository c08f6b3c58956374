"""OpenAI's files and fine-tuning jobs through the official client: nothing is made twice, and refusals are sentences.

Owns how something is made exactly once where a request may have arrived without an answer: under a name of ours that
is in the journal first, and looked for before it is asked for again. Does not own what is made (`openai_tuning`).
"""

from __future__ import annotations

import itertools
import time
import uuid
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from tunesmith.core.clock import now_utc
from tunesmith.core.errors import MissingExtraError, RemoteError
from tunesmith.core.progress import duration, say
from tunesmith.providers.remote import MOST_WAIT_S, key_in, refuse_long_waits
from tunesmith.providers.said import WAY_OUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tunesmith.providers.journal import Facts, Journal
    from tunesmith.recipe import Recipe

OPENAI = "https://api.openai.com/v1"
KEY_ENVS = {"openai": "OPENAI_API_KEY", "azure": "AZURE_OPENAI_API_KEY"}
OURS = "tunesmith"
"""Key of the metadata by which a job is known to be ours."""

_CLOSED, _DAILY = "training_not_available", "daily_rate_limit_exceeded"
LISTED_S = 120.0
"""How long after it may have been made a job is looked for before another one is: lists may lag behind."""


_ENDED = ("succeeded", "failed", "cancelled")


class OpenAIService:
    """One endpoint with one key.

    Raises:
        RecipeError: (when made) if the key's environment variable is not set.
        MissingExtraError: (when made) without the ``providers`` extra.
    """

    def __init__(self, recipe: Recipe) -> None:
        try:
            import openai
        except ModuleNotFoundError as error:
            raise MissingExtraError("providers", error.name or "openai") from error
        at = recipe.hosting
        self.url, self.retries, self.poll_s = at.base_url or OPENAI, at.retries, at.poll_s
        self.key_env = at.key_env or KEY_ENVS[recipe.service]
        self._key = key_in(self.key_env, "provider.key_env")
        self._openai: Any = openai
        self.client = openai.OpenAI(
            api_key=self._key, base_url=self.url, timeout=at.timeout_s, max_retries=at.retries,
            http_client=openai.DefaultHttpxClient(event_hooks={"response": [refuse_long_waits]}),
        )  # fmt: skip
        self._once = self.client.with_options(max_retries=0)

    def asked(self, call: Callable[[], Any]) -> Any:
        """Return what a call that may be repeated gives.

        Raises:
            RemoteError: if the service refuses, fails, answers in another language or cannot be reached.
        """
        try:
            found = call()
        except (self._openai.APIError, JSONDecodeError) as error:
            raise self.told(error) from error
        if isinstance(found, str):  # a page of HTML, which the client hands on as it is
            raise self._foreign()
        return found

    def asked_if_there(self, call: Callable[[], Any]) -> Any | None:
        """Return what a call that may be repeated gives; None if what it is about is not there.

        Raises:
            RemoteError: as `asked`.
        """
        try:
            return self.asked(call)
        except RemoteError as error:
            if isinstance(error.__cause__, self._openai.NotFoundError):
                return None
            raise

    def cancelled(self, name: str) -> bool:
        """Cancel a job; False if it has ended meanwhile, so that there is nothing to cancel.

        Raises:
            RemoteError: if the service refuses although the job goes on.
        """
        jobs = self.client.fine_tuning.jobs
        try:
            self.asked(lambda: jobs.cancel(name))
        except RemoteError:
            if self.asked(lambda: jobs.retrieve(name)).status not in _ENDED:
                raise
            return False
        return True

    def file(self, journal: Journal, step: str, path: Path) -> str:
        """Return the id of an uploaded file, uploaded now unless it was before."""

        def make(key: str) -> Any:
            with path.open("rb") as content:
                return self._once.files.create(file=(f"{key}.jsonl", content), purpose="fine-tune")

        def find(key: str) -> list[str]:
            return [one.id for one in self.client.files.list(purpose="fine-tune") if one.filename == f"{key}.jsonl"]

        return self._made(journal, step, make, find, again=True)

    def job(self, journal: Journal, step: str, body: dict[str, Any]) -> str:
        """Return the id of a job, created now unless it was before."""
        jobs = self._once.fine_tuning.jobs

        def make(key: str) -> Any:
            return jobs.create(**body, metadata={OURS: key})

        return self._made(journal, step, make, lambda key: self._jobs(journal, key), again=False)

    def unclear_job(self, journal: Journal, step: str) -> str:
        """Return the id of a job that may have been created, and note it; empty if there is none."""
        begun = journal.unclear(step)
        found = self._found(begun, lambda key: self._jobs(journal, key)) if begun else ""
        return str(journal.done(step, id=found)["id"]) if found else ""

    def _jobs(self, journal: Journal, key: str) -> list[str]:
        """Return the newest jobs that are ours under a key; of a service that keeps no metadata those that train on the
        file that this run has uploaded, which nobody else does.
        """
        known = {facts["id"] for facts in journal.steps("job:").values()}
        upload = journal.of("upload:train")

        def is_ours(job: Any) -> bool:
            named = (job.metadata or {}).get(OURS)
            return named == key if named else bool(upload and job.training_file == upload["id"])

        newest = itertools.islice(self.client.fine_tuning.jobs.list(limit=100), 100)
        return [one.id for one in newest if one.id not in known and is_ours(one)]

    def _made(
        self, journal: Journal, step: str, make: Callable[[str], Any], find: Callable[[str], list[str]], *, again: bool
    ) -> str:
        """Return the id of what is made once. ``again``: of what costs nothing, so that it is made again if it was
        asked for without an answer and is not found. A job is looked for by the next process, when lists have caught
        up.
        """
        if (done := journal.of(step)) is not None:
            return str(done["id"])
        begun = journal.unclear(step)
        if begun is not None and (found := self._found({} if again else begun, find, begun["key"])):
            return str(journal.done(step, id=found)["id"])
        key = begun["key"] if begun else f"{OURS}-{uuid.uuid4().hex}"
        for attempt in range(self.retries + 1):
            journal.begin(step, key=key, at_s=now_utc().timestamp())
            try:
                return str(journal.done(step, id=self.asked(lambda: make(key)).id)["id"])
            except RemoteError as error:
                why = error.__cause__
                if self._surely_refused(why):
                    journal.forget(step)
                    raise
                refused = getattr(why, "status_code", 0) == 429
                if not refused and (found := self._found({}, find, key)):
                    return str(journal.done(step, id=found)["id"])
                wait_s = _wait_s(why, attempt)
                if attempt == self.retries or wait_s > MOST_WAIT_S or not (refused or again):
                    if refused and begun is None:  # nothing was made
                        journal.forget(step)
                    raise
                time.sleep(wait_s)
        raise AssertionError

    def _found(self, begun: Facts, find: Callable[[str], list[str]], key: str = "") -> str:
        """Return the id of what was made; empty if nothing was, as far as lists tell.

        Looked at once, or again until `LISTED_S` after it was ``begun``.
        """
        key, until_s, told = key or begun["key"], begun.get("at_s", 0.0) + LISTED_S if begun else 0.0, False
        while not (found := self.asked(lambda: find(key))):
            if (left_s := min(until_s - now_utc().timestamp(), LISTED_S)) <= 0:
                break
            until_s = now_utc().timestamp() + left_s  # whatever a clock said that was set since
            if not told:
                say(f"  a job may have been made that is not listed yet: looking for it, at most {duration(left_s)}")
            told = True
            time.sleep(min(max(self.poll_s, 2.0), left_s, LISTED_S / 4))
        return str(found[0]) if found else ""

    def _surely_refused(self, error: Any) -> bool:
        """Tell whether nothing was made and asking again changes nothing."""
        status = getattr(error, "status_code", None)
        if status == 429:
            response = error.response
            return bool(error.code == _DAILY or response.headers.get("x-should-retry") == "false")
        return bool(status is not None and 400 <= status < 500 and status not in (408, 409))

    def _foreign(self) -> RemoteError:
        return RemoteError(
            f"{self.url} answers what is no JSON, or half of it", expected="the answers of OpenAI's API",
            hint="see provider.base_url; the same command goes on from here",
        )  # fmt: skip

    def told(self, error: Any) -> RemoteError:
        """Return what a failure of the client means, for people."""
        if isinstance(error, JSONDecodeError):
            return self._foreign()
        status, code = getattr(error, "status_code", None), getattr(error, "code", None)
        said = " ".join(str(getattr(error, "message", error)).split()).replace(self._key, f"<{self.key_env}>")[:300]
        if code == _CLOSED:
            return RemoteError(
                f"{self.url} no longer creates fine-tuning jobs for this account ({_CLOSED}): {said}",
                expected="an account that may still tune; OpenAI ends it for all on 2027-01-06", hint=WAY_OUT,
            )  # fmt: skip
        if code == _DAILY:
            return RemoteError(
                f"{self.url} takes no more jobs of this model today ({_DAILY}): {said}",
                hint="the same command tomorrow: it goes on from here; or provider.stopping: checkpoints, which makes "
                "one job alone",
            )
        if status == 429:
            return RemoteError(
                f"{self.url} takes no more requests for now (HTTP 429): {said}",
                hint="the same command later: it goes on from here",
            )
        if status in (401, 403):
            return RemoteError(
                f"{self.url} refuses the key in {self.key_env} (HTTP {status}): {said}",
                expected="a key that may tune", hint="provider.key_env names the variable that holds it",
            )  # fmt: skip
        if status is None:
            return RemoteError(
                f"{self.url} cannot be reached, or ends connections before it answers: {said}",
                hint="see provider.base_url; the same command goes on from here",
            )
        later = "later: the same command goes on from here" if status >= 500 else "see provider and base in the recipe"
        if status == 404 and not self.url.rstrip("/").endswith("/v1"):
            later = f"provider.base_url: {self.url.rstrip('/')}/v1, as most servers have it"
        return RemoteError(f"{self.url} fails (HTTP {status}): {said}", hint=later)


def _wait_s(error: Any, attempt: int) -> float:
    """Return how long to wait: as the service asks, else twice as long each time, at most 8 s."""
    usual = min(0.5 * 2.0**attempt, 8.0)
    headers = error.response.headers if getattr(error, "response", None) is not None else {}
    try:
        millis = headers.get("retry-after-ms")
        asked = float(headers["retry-after"]) if millis is None else float(millis) / 1000
    except (KeyError, ValueError):
        return usual
    return asked if asked >= 0 else usual
