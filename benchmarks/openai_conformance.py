"""Does schemathesis find an answer of our fine-tuning service that OpenAI's own OpenAPI document does not allow?

OPENAPI_OPENAI=openapi.yaml PYTHONPATH=tests python benchmarks/openai_conformance.py [CASES]

Starts a server without workers and with files, uploads, jobs, checkpoints and models in it; hands schemathesis (from
PyPI, on the PATH) the part of the document that the server speaks, with the ids of these where ids are asked for; counts
cases, answers of 5xx, and answers against their schema. Skips, and says so, where either is missing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import openai_document
from serve_tuning import sft_rows
from serving import Running, serving
from tunesmith import flow
from tunesmith.core.artifacts import Artifact, Plan, Workspace
from tunesmith.core.clock import now_utc
from tunesmith.core.store import Store
from tunesmith.recipe import Serve
from tunesmith.serve.tuning.jobs import ACTIVE
from tunesmith.serve.tuning.supervisor import Supervisor
from tunesmith.serve.tuning.tuned import Tuned, keep

MANY = 60
CASES = 2000
SEED = 7
RESULT = Path(__file__).parent / "results" / "openai_conformance.json"


def main() -> None:
    """Run it and write the result."""
    program, path = shutil.which("schemathesis"), openai_document.document_path()
    if program is None or path is None:
        print(f"skipped: needs schemathesis on the PATH and ${openai_document.VARIABLE}")
        return
    document = openai_document.read(path)
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else CASES
    Supervisor.start = lambda self: None
    with TemporaryDirectory() as folder:
        part, workspace = Path(folder) / "part.json", Workspace(Path(folder) / "home")
        with serving(Store.open_workspace(workspace.root), workspace, settings=Serve(jobs={"per_key": 100_000}), grade=flow.grade_one) as server:  # fmt: skip
            part.write_text(json.dumps(knowing(document, supplies(server, workspace))))
            done = run(program, part, f"{server.url}/v1", cases // len(operations(document)) + 1)
            statuses = Counter(server.app.state.gateway.statuses)
    print(done.stdout[-6000:])
    result = told(done, statuses, program, document)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def supplies(server: Running, workspace: Workspace) -> dict[str, list[str]]:
    """Put things into a server, and return their ids by the names of the document's parameters."""
    gateway, now = server.app.state.gateway, now_utc()
    with server.client() as client:
        files = [client.files.create(file=("a.jsonl", sft_rows()), purpose="fine-tune").id for _ in range(MANY)]
        jobs = [client.fine_tuning.jobs.create(model="nano", training_file=files[0]).id for _ in range(MANY)]
        open_ = {"bytes": 3, "filename": "a.jsonl", "mime_type": "text/jsonl", "purpose": "fine-tune"}
        uploads = [client.uploads.create(**open_).id for _ in range(MANY)]
        names = [f"ft:nano:tunesmith::{number}:ckpt-step-3" for number in range(MANY)]
        with gateway.store.writing() as connection:
            for name, job in zip(names, jobs, strict=True):
                keep(connection, Tuned(name, now, job, stand_in(workspace).id, f"ftckpt_{name[19:]}", 3, {"step": 3}))
        permissions = client.fine_tuning.checkpoints.permissions
        allowed = [permissions.create(name, project_ids=["p"]).data[0].id for name in names[:10]]
    for job, status in zip(jobs[:20], ("running", "succeeded", "failed", "paused") * 5, strict=True):
        gateway.tuning.jobs.move(job, status, ACTIVE)
    return {
        "file_id": files, "fine_tuning_job_id": jobs, "upload_id": uploads, "model": names,
        "fine_tuned_model_checkpoint": names[:10], "permission_id": allowed,
    }  # fmt: skip


def stand_in(workspace: Workspace) -> Artifact:
    """Return a Model that is never asked."""
    plan = Plan("ft", "model", {"train": {}}, parents=("ft-000000000000",))
    return workspace.make(plan, lambda draft: (draft.path / "model").mkdir())


def knowing(document: dict, ids: dict[str, list[str]]) -> dict:
    """Return the document with ids that are there, and one that is not, where it asks for ids."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] in ids:
                    parameter["schema"] = {"type": "string", "enum": [*ids[parameter["name"]], "none"]}
    job = document["components"]["schemas"]["CreateFineTuningJobRequest"]["properties"]
    job["training_file"] = {"type": "string", "enum": ids["file_id"]}
    job["validation_file"] = {"type": "string", "enum": ids["file_id"]}
    job["model"] = {"type": "string", "enum": ["nano", "none"]}
    job["integrations"] = {"type": "null"}
    return document


def operations(document: dict) -> list[tuple[str, str]]:
    """Return what can be asked."""
    return [
        (path, method)
        for path, methods in document["paths"].items()
        for method in methods
        if method in ("get", "post", "delete")
    ]


def run(program: str, part: Path, url: str, examples: int) -> subprocess.CompletedProcess:
    """Let schemathesis ask."""
    command = [
        program, "run", str(part), "--url", url, "--checks", "not_a_server_error,response_schema_conformance",
        "--max-examples", str(examples), "--seed", str(SEED), "--phases", "examples,coverage,fuzzing", "--no-color",
        "--suppress-health-check", "all", "--request-timeout", "30",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=part.parent)  # leaves a folder


def told(done: subprocess.CompletedProcess, statuses: Counter, program: str, document: dict) -> dict:
    """Return the result."""
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    return {
        "schemathesis": version,
        "operations": len(operations(document)),
        "answers": sum(statuses.values()),
        "answers_2xx": sum(count for status, count in statuses.items() if status < 300),
        "answers_4xx": sum(count for status, count in statuses.items() if 400 <= status < 500),
        "answers_5xx": sum(count for status, count in statuses.items() if status >= 500),
        "cases": int(re.search(r"(\d+) generated", done.stdout)[1]),
        "failures": re.findall(r"❌ (ST\d+ [^\n]*)", done.stdout),
        "exit_code": done.returncode,
    }


if __name__ == "__main__":
    main()
