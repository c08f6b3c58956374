"""API keys: hashed, asked for as soon as one exists, useless once revoked."""

import openai
import pytest
import sqlalchemy as sa

from serving import serving, wait_until
from tunesmith.core import tables
from tunesmith.core.errors import SetupError
from tunesmith.release.aliases import promote
from tunesmith.serve.keys import create_key, list_keys, revoke_key
from tunesmith.serve.server import run

pytestmark = pytest.mark.slow


def ask(running, key):
    with running.client(key) as client:
        return client.chat.completions.create(model="tickets", messages=[{"role": "user", "content": "x"}])


def test_a_key_is_needed_as_soon_as_one_exists(running, local_store):
    assert ask(running, "anything").choices
    made = create_key(local_store, "ci")
    assert ask(running, made.secret).choices  # at once, not at the next reading of the store
    running.app.state.gateway.follower.refresh()  # as it does every second
    for wrong in ("ts-wrong", made.secret[:-1], made.secret + "x", made.id):
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(running, wrong)
        assert caught.value.status_code == 401 and caught.value.code == "invalid_api_key"
        assert wrong not in str(caught.value)


def test_every_route_but_health_asks_for_it(running, local_store):
    create_key(local_store, "ci")
    running.app.state.gateway.follower.refresh()  # as it does every second
    with running.http() as http:
        for path in ("/v1/models", "/v1/models/tickets"):
            assert http.get(path).status_code == 401
        for path in ("/v1/chat/completions", "/v1/feedback"):
            response = http.post(path, json={"model": "tickets"})
            assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer"
        assert http.get("/healthz").status_code == 200 and http.get("/readyz").status_code == 200


def test_who_asked_is_captured(running, local_store):
    made = create_key(local_store, "ci")
    running.app.state.gateway.follower.refresh()  # as it does every second
    ask(running, made.secret)
    running.app.state.gateway.capture.flush(5)
    with local_store.reading() as connection:
        assert connection.execute(sa.select(tables.requests.c.key_id)).scalar_one() == made.id


def test_a_revoked_key_stops_working(running, local_store):
    made, other = create_key(local_store, "ci"), create_key(local_store, "web")
    assert ask(running, made.secret).choices
    revoke_key(local_store, made.id)

    def refused():
        try:
            ask(running, made.secret)
        except openai.AuthenticationError:
            return True
        return False

    wait_until(refused)
    assert ask(running, other.secret).choices
    revoke_key(local_store, other.id)  # catches: revoking the last key opening the door
    wait_until(lambda: not running.app.state.gateway.keys.verify(other.secret))
    with pytest.raises(openai.AuthenticationError):
        ask(running, "none")


def test_a_key_made_after_the_others_works_at_once(local_store, workspace, classifier):
    create_key(local_store, "first")
    promote(local_store, "tickets", classifier.id, force=True)
    with serving(local_store, workspace) as running:
        assert ask(running, create_key(local_store, "second").secret).choices


def test_the_secret_is_nowhere_in_the_store(store):
    made = create_key(store, "ci")
    [key] = list_keys(store)
    with store.reading() as connection:
        row = str(connection.execute(sa.select(tables.api_keys)).one())
    assert made.secret not in row and key.prefix == made.secret[:8] and key.revoked is None


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_a_key_says_whose_it_is(store, name):
    with pytest.raises(SetupError, match="cannot name a key"):
        create_key(store, name)


def test_revoking_an_unknown_key_names_the_nearest(store):
    made = create_key(store, "ci")
    with pytest.raises(SetupError, match=made.id):
        revoke_key(store, made.id + "0")
    revoke_key(store, made.id)
    revoke_key(store, made.id)  # again changes nothing


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_machines_are_let_in_only_with_keys(local_store, workspace, host):
    with pytest.raises(SetupError, match="no API key") as caught:
        run(local_store, workspace, host=host, port=0)
    assert "keys create" in caught.value.hint
