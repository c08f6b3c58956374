"""Telling another server that a job has ended, signed as OpenAI signs, again and again until it has heard.

What there is to tell is kept in the transaction that ends the job, so neither a kill nor a receiver that is away loses
it; it may come twice, under the same id. Does not own when a job ends (`jobs`, `taking_in`).
Source: https://platform.openai.com/docs/guides/webhooks; https://www.standardwebhooks.com for the signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import secrets
import threading
import urllib.error
import urllib.request
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.core.errors import RecipeError
from tunesmith.core.locks import locked_if_free
from tunesmith.core.progress import say
from tunesmith.providers.remote import key_in

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from tunesmith.core.artifacts import Workspace
    from tunesmith.core.store import Store
    from tunesmith.recipe import Webhooks as Settings

LOOK_S = 0.5
ANSWER_S = 10.0
"""How long a receiver may take."""

FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 3600.0
"""Between two tries; each wait is twice the one before."""

GIVEN_UP = timedelta(hours=72)
"""Source: OpenAI's guide, "for up to 72 hours, with exponential backoff"."""

_MARK = "whsec_"


def announce(connection: Connection, kind: str, job_id: str) -> None:
    """Keep an event to be told, in the transaction of a connection."""
    event_id, now = f"evt_{secrets.token_hex(12)}", now_utc()
    event = {
        "id": event_id,
        "object": "event",
        "created_at": int(now.timestamp()),
        "type": kind,
        "data": {"id": job_id},
    }
    row = {"id": event_id, "at": now, "due": now, "tries": 0, "body": json.dumps(event)}
    connection.execute(sa.insert(tables.webhook_deliveries).values(**row))


def key_of(secret: str, where: str) -> bytes:
    """Return the key that a secret stands for: what follows ``whsec_`` as base64, or the text itself.

    Raises:
        RecipeError: if it is no base64.
    """
    if not secret.startswith(_MARK):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(_MARK), validate=True)
    except binascii.Error as error:
        raise RecipeError(f"{where}: the secret begins with {_MARK}, and no base64 follows") from error
    if not key:
        raise RecipeError(f"{where}: the secret is {_MARK} and no more, and no base64 follows")
    return key


def signed(key: bytes, event_id: str, body: str, at_s: int) -> dict[str, str]:
    """Return the headers of a delivery."""
    signature = hmac.new(key, f"{event_id}.{at_s}.{body}".encode(), hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


class Webhooks:
    """Delivers what is due, from a thread of its own; one server of a workspace at a time.

    Args:
        store: where deliveries are kept.
        workspace: whose jobs are told of.
        settings: the recipe's ``serve.webhooks``.

    Raises:
        RecipeError: without the secret.
    """

    def __init__(self, store: Store, workspace: Workspace, settings: Settings) -> None:
        self._key = key_of(key_in(settings.secret_env, "serve.webhooks.secret_env"), "serve.webhooks.secret_env")
        self._store, self._url = store, settings.url
        self._lock = workspace.root / "webhooks.lock"
        self._stop = threading.Event()
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._thread = threading.Thread(target=self._work, name="tunesmith-webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what is not delivered stays due."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(ANSWER_S + 1)

    def _work(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                with locked_if_free(self._lock) as ours:
                    while ours and not self._stop.wait(LOOK_S):
                        self.deliver()
            except Exception as error:  # whatever it is, the next delivery must have its chance
                say(f"cannot deliver webhooks ({type(error).__name__}: {error}); trying again".splitlines()[0])
                self._stop.wait(FIRST_WAIT_S)

    def deliver(self) -> None:
        """Send what is due, and note what must be sent again."""
        table = tables.webhook_deliveries
        with self._store.reading() as connection:
            due = connection.execute(sa.select(table).where(table.c.due <= now_utc()).order_by(table.c.at)).all()
        for row in due:
            if self._stop.is_set():
                return
            why = self._sent(row.id, row.body)
            gone = why is None or now_utc() - row.at > GIVEN_UP
            if why is not None:
                say(f"webhook {row.id} was not taken ({why}); {'given up' if gone else 'trying again'}")
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**row.tries)
            later = sa.update(table).values(tries=row.tries + 1, due=now_utc() + timedelta(seconds=wait_s))
            with self._store.writing() as connection:
                connection.execute((sa.delete(table) if gone else later).where(table.c.id == row.id))

    def _sent(self, event_id: str, body: str) -> str | None:
        """Send one; return why it was not taken, None if it was."""
        headers = signed(self._key, event_id, body, int(now_utc().timestamp()))
        request = urllib.request.Request(self._url, body.encode(), headers, method="POST")
        try:
            with self._opener.open(request, timeout=ANSWER_S) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            return f"HTTP {error.code}"
        except (OSError, http.client.HTTPException) as error:
            return str(getattr(error, "reason", "")) or f"{type(error).__name__}: {error}"
        return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for a refusal: a delivery goes where the recipe says, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nowhere."""
        return
