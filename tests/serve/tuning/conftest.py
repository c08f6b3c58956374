import pytest

from serve_tuning import Shop, settings_of
from serving import serving
from tunesmith.core.artifacts import Workspace
from tunesmith.core.store import Store


@pytest.fixture
def shop(tmp_path, tiny):
    """A server that fine-tunes a tiny base, and a client that checks every answer strictly."""
    workspace = Workspace(tmp_path / "home")
    store = Store.open_workspace(workspace.root)
    with (
        serving(store, workspace, settings=settings_of(tiny)) as server,
        server.client(_strict_response_validation=True) as client,
    ):
        yield Shop(server, client, workspace)
