"""Artifacts: complete or absent, named by content, never half visible."""

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.artifacts import Artifact, Plan, Workspace
from tunesmith.core.errors import ArtifactError, SetupError
from tunesmith.core.lineage import ancestry, differences

PLAN = Plan("tickets", "dataset", {"a": 1}, inputs={"x.csv": "00"}, code="data-1", seed=3)


def make(workspace: Workspace, plan: Plan = PLAN, text: str = "hello") -> Artifact:
    with workspace.draft(plan) as draft:
        (draft.path / "file.txt").write_text(text)
        draft.result = {"rows": 2}
    return workspace.get(plan.id)


def test_finished_artifact_is_visible_with_its_manifest(workspace):
    artifact = make(workspace)
    manifest = artifact.manifest
    assert manifest["id"] == PLAN.id == artifact.path.name
    assert manifest["files"].keys() == {"file.txt"}
    assert manifest["status"] == "complete"
    assert artifact.result == {"rows": 2}
    artifact.verify()


@pytest.mark.parametrize("damage", ["{", "{}", "null"])
def test_one_damaged_manifest_hides_no_other_artifact(workspace, damage):
    """Bug: a server lists no model at all, because one file of one of them is damaged."""
    whole, other = make(workspace), Plan("other", "dataset", {}, seed=4)
    (make(workspace, other).path / "manifest.json").write_text(damage)
    assert [one.id for one in workspace.list("dataset")] == [whole.id]
    with pytest.raises(ArtifactError, match="not a readable manifest"):
        workspace.get(other.id).stage  # noqa: B018


def test_error_inside_a_draft_leaves_nothing(workspace):
    with pytest.raises(ZeroDivisionError), workspace.draft(PLAN) as draft:
        (draft.path / "half.txt").write_text("half")
        raise ZeroDivisionError
    assert workspace.find(PLAN.id) is None
    assert not workspace.root.exists()


def test_scratch_survives_an_error_and_goes_when_done(workspace):
    with pytest.raises(RuntimeError), workspace.draft(PLAN) as draft:
        (draft.scratch / "checkpoint").write_text("40")
        raise RuntimeError
    with workspace.draft(PLAN) as draft:
        assert (draft.scratch / "checkpoint").read_text() == "40"
        (draft.path / "file.txt").write_text("done")
    assert not workspace.work_dir.exists()


def test_verify_names_the_changed_file(workspace):
    artifact = make(workspace)
    (artifact.path / "file.txt").write_text("tampered")
    with pytest.raises(ArtifactError, match=r"file\.txt"):
        artifact.verify()


def test_killed_process_leaves_no_artifact_and_its_work_is_cleanable(workspace):
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from tunesmith.core.artifacts import Plan, Workspace
        workspace = Workspace(Path({str(workspace.root)!r}))
        with workspace.draft(Plan("tickets", "dataset", {{}})) as draft:
            (draft.path / "half.txt").write_text("half")
            (draft.scratch / "checkpoint").write_text("7")
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -9
    assert workspace.list() == []
    assert {path.suffix for path in workspace.leftovers()} == {".building", ".lock", ""} or len(
        workspace.leftovers()
    ) == 3


def test_leftovers_leave_alone_what_a_living_process_holds(workspace):
    with workspace.draft(PLAN) as draft:
        (draft.path / "file.txt").write_text("x")
        assert list(workspace.leftovers()) == []


def test_full_disk_is_the_users_error(workspace):
    with pytest.raises(SetupError, match="No space left"), workspace.draft(PLAN):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert workspace.find(PLAN.id) is None


@pytest.mark.parametrize(
    "error",
    [RuntimeError("I/O error: No space left on device (os error 28)"), OSError("82766 requested and 496 written")],
)
def test_disk_errors_of_rust_libraries_are_the_users_error_too(workspace, error):
    """Bug: safetensors, polars and numpy tell a full disk in words, and the run ends in a traceback."""
    with pytest.raises(SetupError, match="No space left on device"), workspace.draft(PLAN):
        raise error
    with pytest.raises(RuntimeError, match="another"), workspace.draft(PLAN):
        raise RuntimeError("another error")


def test_of_processes_making_the_same_artifact_one_makes_it_and_the_others_wait(workspace, tmp_path):
    """Bug: the one that waited goes on in a scratch folder the first has deleted, or does the work again."""
    script = textwrap.dedent(f"""
        import time, os
        from pathlib import Path
        from tunesmith.core.artifacts import Plan, Workspace
        def build(draft):
            (draft.scratch / "step").write_text("1")
            time.sleep(0.5)
            (draft.scratch / "step").read_text()
            (draft.path / "file.txt").write_text("same")
            (Path({str(tmp_path)!r}) / f"built-{{os.getpid()}}").touch()
        workspace = Workspace(Path({str(workspace.root)!r}))
        assert workspace.make(Plan("tickets", "dataset", {{}}), build).result == {{}}
    """)
    processes = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(3)]
    told = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], told
    assert len(list(tmp_path.glob("built-*"))) == 1
    assert sum("another process is making tickets-" in one for one in told) == 2
    workspace.list()[0].verify()
    assert not workspace.work_dir.exists()


def test_get_by_beginning_and_with_a_misspelt_id(workspace):
    artifact = make(workspace)
    assert workspace.get(artifact.id[:10]).id == artifact.id
    with pytest.raises(ArtifactError, match="did you mean"):
        workspace.get(artifact.id[:-1] + "!")


@pytest.mark.parametrize("evil", ["../../etc", "/etc/passwd", "a/b-000000000000", ""])
def test_ids_cannot_leave_the_workspace(workspace, evil):
    make(workspace)
    assert workspace.find(evil) is None


def test_newer_format_is_refused(workspace):
    artifact = make(workspace)
    manifest = {**artifact.manifest, "format": 99}
    (artifact.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="format 99"):
        _ = Artifact(artifact.path).manifest


def test_ancestry_goes_from_child_to_parents_and_names_the_missing(workspace):
    parent = make(workspace)
    child = make(workspace, Plan("tickets", "model", {}, parents=(parent.id, "tickets-ffffffffffff")))
    tree = [(depth, one if isinstance(one, str) else one.id) for depth, one in ancestry(workspace, child)]
    assert tree == [(0, child.id), (1, parent.id), (1, "tickets-ffffffffffff")]


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5), st.integers(0, 9))
def test_id_depends_on_content_and_not_on_key_order(config, seed):
    plan = Plan("n", "model", config, seed=seed)
    turned = Plan("n", "model", dict(reversed(list(config.items()))), given={"other": 1}, seed=seed)
    assert plan.id == turned.id
    assert Plan("n", "model", {**config, "one more": 1}, seed=seed).id != plan.id
    assert Plan("n", "model", config, seed=seed + 1).id != plan.id


def test_differences_are_leaves_with_dotted_keys():
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}) == [("a.c", 2, 3), ("d", None, 4)]


def test_locate_prefers_home_then_the_environment_then_beside(tmp_path, monkeypatch):
    monkeypatch.delenv("TUNESMITH_HOME", raising=False)
    assert Workspace.locate(None, tmp_path).root == tmp_path / ".tunesmith"
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path / "env"))
    assert Workspace.locate(None, tmp_path).root == tmp_path / "env"
    assert Workspace.locate(Path(tmp_path / "given"), tmp_path).root == tmp_path / "given"


def test_discarded_it_is_gone_and_can_be_made_again(workspace):
    """Bug: files of a discarded artifact stay, or its id can never be made again."""
    workspace.discard(make(workspace))
    assert workspace.find(PLAN.id) is None and not workspace.leftovers()
    make(workspace).verify()


def test_killed_while_it_is_discarded_no_half_of_it_is_seen(workspace, monkeypatch):
    """Bug: files are deleted one by one in the artifacts' folder, so a kill leaves a damaged one behind."""
    artifact = make(workspace)
    real, calls = shutil.rmtree, []

    def dies(path, *rest, **more):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(path, *rest, **more)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", dies)
        workspace.discard(artifact)
    assert workspace.find(PLAN.id) is None
    make(workspace).verify()
    assert not workspace.leftovers()
