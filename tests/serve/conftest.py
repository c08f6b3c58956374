import pytest

from serving import LABELS, make_model, serving
from stores import store, store_url  # noqa: F401
from tunesmith.core.store import Store
from tunesmith.release.aliases import promote
from tunesmith.text.task import TaskSpec


@pytest.fixture
def local_store(tmp_path):
    opened = Store.open(tmp_path / "home" / "store.db")
    yield opened
    opened.close()


@pytest.fixture
def classifier(workspace, tiny):
    return make_model(workspace, tiny, TaskSpec("classify", LABELS, system="Name the topic."))


@pytest.fixture
def talker(workspace, tiny):
    return make_model(workspace, tiny, TaskSpec("chat"), name="talk")


@pytest.fixture
def running(local_store, workspace, classifier, talker):
    """A server with `tickets` (a classifier) and `talk` (free text) in production."""
    promote(local_store, "tickets", classifier.id, force=True)
    promote(local_store, "talk", talker.id, force=True)
    with serving(local_store, workspace) as server:
        yield server
