"""Webhooks of jobs that end, read by OpenAI's own client; the receiver is a real server that may be away."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import openai
import pytest
import sqlalchemy as sa

from local_server import at_port
from serve_tuning import Shop, settings_of, sft_rows
from serving import serving, wait_until
from tunesmith.core import tables
from tunesmith.core.artifacts import Workspace
from tunesmith.core.clock import now_utc
from tunesmith.core.errors import RecipeError
from tunesmith.core.store import Store
from tunesmith.serve.tuning import webhooks

pytestmark = pytest.mark.slow

SECRET = "whsec_c2VjcmV0IG9mIHR1bmVzbWl0aA=="


@pytest.fixture
def receiver():
    """A server that refuses the first delivery, and keeps all."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(503 if len(got) == 1 else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    got = []
    with at_port(Handler) as url:
        yield url, got


def test_the_end_of_a_job_is_told_until_it_is_heard(tmp_path, tiny, receiver, monkeypatch):
    """Catches a signature that OpenAI's client refuses, an end that is told once and lost, or told to nobody."""
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr(webhooks, "FIRST_WAIT_S", 0.1)
    workspace = Workspace(tmp_path / "home")
    store = Store.open_workspace(workspace.root)
    url, got = receiver
    settings = settings_of(tiny).model_copy(update={"webhooks": webhooks_settings(f"{url}/hook")})
    with serving(store, workspace, settings=settings) as server, server.client() as client:
        shop = Shop(server, client, workspace)
        failed, given_up = shop.job(sft_rows(3)), shop.job()
        shop.jobs.cancel(given_up.id)
        shop.ended(failed.id)
        wait_until(lambda: len(got) >= 3)
        told = [client.webhooks.unwrap(body, headers, secret=SECRET) for body, headers in got]
        assert {(one.type, one.data.id) for one in told} == {
            ("fine_tuning.job.failed", failed.id),
            ("fine_tuning.job.cancelled", given_up.id),
        }
        ids = [headers["webhook-id"] for _, headers in got]
        assert ids.count(ids[0]) == 2 and len(set(ids)) == 2, "the refused one comes again, under the same id"
        body, headers = got[0]
        for forged, secret in ((body.replace(b"job.", b"job. "), SECRET), (body, "whsec_eA==")):
            with pytest.raises(openai.InvalidWebhookSignatureError):
                client.webhooks.unwrap(forged, headers, secret=secret)
        wait_until(lambda: left(store) == 0)


def webhooks_settings(url):
    from tunesmith.recipe import Webhooks

    return Webhooks(url=url)


def left(store):
    with store.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(tables.webhook_deliveries)).scalar()


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("", "OPENAI_WEBHOOK_SECRET is not set"),
        ("whsec_?", "no base64 follows"),
        ("whsec_", "no base64 follows"),
    ],
)
def test_a_secret_that_is_none_is_refused_at_the_start(tmp_path, monkeypatch, secret, told):
    """Catches deliveries that nobody can verify, and a secret in an error."""
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", secret)
    workspace = Workspace(tmp_path)
    with pytest.raises(RecipeError, match=told):
        webhooks.Webhooks(Store.open_workspace(tmp_path), workspace, webhooks_settings("http://127.0.0.1:9/"))


def test_an_answer_that_is_no_http_ends_no_delivery(tmp_path, tiny, monkeypatch):
    """Catches a thread that an odd receiver ends for the life of the server."""
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr(webhooks, "FIRST_WAIT_S", 0.05)
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def answer():
            for said in (b"SSH-2.0-no\r\n", b"HTTP/1.1 " + b"x" * 70_000 + b"\r\n\r\n", b"HTTP/1.1 204 Heard\r\n\r\n"):
                line, _ = odd.accept()
                with line:
                    heard.append(line.recv(65_536))
                    line.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        workspace = Workspace(tmp_path / "home")
        store = Store.open_workspace(workspace.root)
        settings = settings_of(tiny).model_copy(
            update={"webhooks": webhooks_settings(f"http://127.0.0.1:{odd.getsockname()[1]}/")}
        )
        with serving(store, workspace, settings=settings) as server, server.client() as client:
            shop = Shop(server, client, workspace)
            shop.jobs.cancel(shop.job().id)
            wait_until(lambda: len(heard) == 3 and left(store) == 0, 20)
        thread.join(10)


@pytest.fixture
def courier(tmp_path, monkeypatch):
    """Return what makes a deliverer to an address, which works when the test says so, and the store it reads."""
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", SECRET)
    workspace, store = Workspace(tmp_path / "home"), Store.open_workspace(tmp_path / "home")
    return lambda url: webhooks.Webhooks(store, workspace, webhooks_settings(url)), store


def due(store, **changes):
    """Keep one delivery, which is due."""
    with store.writing() as connection:
        webhooks.announce(connection, "fine_tuning.job.failed", "ftjob-a")
        connection.execute(sa.update(tables.webhook_deliveries).values(**{"tries": 0, **changes}))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_refusal(courier, status):
    """Catches what was signed for one address told to another, and taken there for heard."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.command, self.path))
            self.send_response(status if self.path == "/hook" else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_):
            pass

    make, store = courier
    due(store)
    with at_port(Handler) as url:
        make(f"{url}/hook").deliver()
    assert asked == [("POST", "/hook")] and left(store) == 1, "it comes again"


@pytest.mark.parametrize(("hours", "kept"), [(71.9, 1), (72.1, 0)])
def test_what_nobody_takes_is_given_up_after_three_days(courier, hours, kept):
    """Catches deliveries that pile up for ever for a receiver that is gone, or are given up before they are due to be."""
    make, store = courier
    due(store, at=now_utc() - timedelta(hours=hours), tries=20)
    make("http://127.0.0.1:9/").deliver()
    assert left(store) == kept
    with store.reading() as connection:
        rows = connection.execute(sa.select(tables.webhook_deliveries)).all()
    for row in rows:
        wait_s = (row.due - now_utc()).total_seconds()
        assert row.tries == 21 and 3500 < wait_s <= webhooks.LONGEST_WAIT_S


def test_without_webhooks_nothing_is_kept_to_be_told(shop):
    """Catches a table that grows for nobody."""
    job = shop.job()
    shop.jobs.cancel(job.id)
    assert left(shop.server.app.state.gateway.store) == 0
