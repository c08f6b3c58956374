"""Files by OpenAI's own client, strict about every answer: given, listed, read, forgotten; whole and in parts."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import threading
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
import sqlalchemy as sa

from serving import serving, wait_until
from tunesmith.core import tables
from tunesmith.core.artifacts import Workspace
from tunesmith.core.clock import now_utc
from tunesmith.core.store import Store
from tunesmith.serve import file_routes, gateway, uploads
from tunesmith.serve.keys import create_key

pytestmark = pytest.mark.slow

CONTENT = b'{"messages": [{"role": "user", "content": "\xc3\xa4"}, {"role": "assistant", "content": "b"}]}\n' * 50


@pytest.fixture
def ring(tmp_path):
    """A server without models, and what it keeps."""
    workspace = Workspace(tmp_path / "home")
    store = Store.open_workspace(workspace.root)
    with serving(store, workspace) as server:
        server.store, server.workspace = store, workspace
        yield server


def strict(server: Any, key: str = "ts-none") -> openai.OpenAI:
    return server.client(key, _strict_response_validation=True)


def give(client: openai.OpenAI, content: bytes = CONTENT, name: str = "rows.jsonl", **fields: Any) -> Any:
    return client.files.create(file=(name, content), purpose="fine-tune", **fields)


def kept(server: Any) -> list[str]:
    """Return what lies in the folder of files, whatever it is."""
    folder = server.workspace.files_dir
    return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def test_a_file_comes_back_as_it_was_given(ring):
    """Catches an object the client cannot read, bytes that change on the way, a file that stays after it is deleted."""
    with strict(ring) as client:
        made = give(client, expires_after={"anchor": "created_at", "seconds": 7200})
        assert (made.bytes, made.filename, made.purpose, made.status) == (
            len(CONTENT),
            "rows.jsonl",
            "fine-tune",
            "processed",
        )
        assert made.expires_at - made.created_at == 7200
        assert client.files.retrieve(made.id) == made
        assert client.files.wait_for_processing(made.id) == made
        assert client.files.content(made.id).content == CONTENT
        assert client.files.delete(made.id).deleted
        with pytest.raises(openai.NotFoundError, match=f"No such File object: {made.id}"):
            client.files.retrieve(made.id)
    assert kept(ring) == []


def test_lists_are_read_on_to_their_end(ring):
    """Catches a page that repeats or leaves out a file, an order that is not that of coming."""
    with strict(ring) as client:
        ids = [give(client, name=f"{n}.jsonl").id for n in range(5)]
        assert [one.id for one in client.files.list(limit=2)] == ids[::-1]
        assert [one.id for one in client.files.list(limit=2, order="asc")] == ids
        assert [one.id for one in client.files.list(limit=2, after=ids[2], order="asc")] == ids[3:]
        assert not client.files.list(limit=5).has_more and client.files.list(limit=4).has_more
        assert list(client.files.list(purpose="batch")) == []


def test_files_outlive_the_server(ring):
    """Catches files that are known to one process only."""
    with strict(ring) as client:
        made = give(client)
    with serving(ring.store, ring.workspace) as again, strict(again) as client:
        assert client.files.content(made.id).content == CONTENT


def test_what_has_expired_or_was_left_by_a_crash_goes(ring):
    """Catches a disk that fills with what nobody can reach."""
    with strict(ring) as client:
        made = give(client)
        with ring.store.writing() as connection:
            connection.execute(sa.update(tables.files).values(expires=now_utc() - timedelta(seconds=1)))
        with pytest.raises(openai.NotFoundError):
            client.files.content(made.id)
        assert list(client.files.list()) == []
        folder = ring.workspace.files_dir
        for name, age_s in (("file-orphan", 7200), ("file-cut.part", 7200), ("file-being-written.part", 60)):
            (folder / name).write_bytes(b"x")
            os.utime(folder / name, (time.time() - age_s,) * 2)
        os.utime(folder / made.id, (time.time() - 7200,) * 2)
        second = give(client)
    assert kept(ring) == sorted(["file-being-written.part", second.id])


BAD_FORMS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no file": ({"data": {"purpose": "fine-tune"}, "files": {"other": ("a.jsonl", b"x")}}, 400, "missing_required_parameter", "file"),
    "no purpose": ({"files": {"file": ("a.jsonl", b"x")}}, 400, "missing_required_parameter", "purpose"),
    "another purpose": ({"data": {"purpose": "batch"}, "files": {"file": ("a.jsonl", b"x")}}, 400, "invalid_value", "purpose"),
    "not JSON Lines": ({"data": {"purpose": "fine-tune"}, "files": {"file": ("a.csv", b"x")}}, 400, "invalid_file_format", "file"),
    "empty": ({"data": {"purpose": "fine-tune"}, "files": {"file": ("a.jsonl", b"")}}, 400, "empty_file", "file"),
    "a field too many": ({"data": {"purpose": "fine-tune", "colour": "red"}, "files": {"file": ("a.jsonl", b"x")}}, 400, "unknown_parameter", "colour"),
    "expires too soon": ({"data": {"purpose": "fine-tune", "expires_after[anchor]": "created_at", "expires_after[seconds]": "10"}, "files": {"file": ("a.jsonl", b"x")}}, 400, "invalid_value", "expires_after.seconds"),
    "half a field's name": ({"data": {"purpose": "fine-tune", "expires_after[anchor": "created_at"}, "files": {"file": ("a.jsonl", b"x")}}, 400, "invalid_value", "expires_after[anchor"),
    "no form": ({"json": {"purpose": "fine-tune"}}, 415, "unsupported_media_type", ""),
    "a page of another site": ({"data": {"purpose": "fine-tune"}, "files": {"file": ("a.jsonl", b"x")}, "headers": {"Origin": "https://elsewhere.example"}}, 403, "origin_not_allowed", ""),
    "a form cut short": ({"content": b"--b\r\nContent-Disposition: form-data\r\n\r\nx", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400, "", ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_FORMS)
def test_a_bad_file_is_refused_and_nothing_of_it_stays(ring, kind):
    """Catches a refusal that does not name the field, and a file nobody knows of."""
    given, status, code, param = BAD_FORMS[kind]
    with ring.http() as http:
        answer = http.post("/v1/files", **given)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"] or "", error["param"] or "") == (status, code, param), error["message"]
    assert kept(ring) == []


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "order=up", "colour=red", "after=file-none"])
def test_a_bad_list_is_refused(ring, query):
    """Catches a question that is answered as another one."""
    with ring.http() as http:
        answer = http.get(f"/v1/files?{query}")
    assert answer.status_code in (400, 404) and answer.json()["error"]["param"] == query.partition("=")[0]


def test_a_file_that_is_too_large_or_never_comes_is_refused(ring, monkeypatch):
    """Catches a disk that one request fills, and one that waits for ever."""
    monkeypatch.setattr(file_routes, "FILE_BYTES", 1000)
    monkeypatch.setattr(gateway, "FORM_BYTES", 1000)
    monkeypatch.setattr(gateway, "BODY_S", 0.3)
    with strict(ring) as client, pytest.raises(openai.APIStatusError) as told:
        give(client)
    assert told.value.status_code == 413
    with ring.http() as http:  # no length is told beforehand
        form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        assert http.post("/v1/files", content=iter([form, *[b"x" * 500] * 9]), headers=headers).status_code == 413
    where = urlsplit(ring.url)
    with socket.create_connection((where.hostname, where.port)) as slow:
        slow.sendall(
            b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 500\r\n\r\n--b\r\n"
        )
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
    assert kept(ring) == []


def test_a_disk_that_takes_no_more_is_told(ring):
    """Catches a 500 that says nothing."""
    ring.workspace.files_dir.write_text("in the way")
    with strict(ring) as client, pytest.raises(openai.APIStatusError) as told:
        give(client)
    assert told.value.status_code == 507 and told.value.code == "storage_unavailable"


def test_files_ask_for_a_key_where_there_is_one(ring):
    """Catches a door beside the door."""
    key = create_key(ring.store, "a team")
    wait_until(lambda: ring.app.state.gateway.keys.needed)
    with strict(ring, key.secret) as client:
        made = give(client)
    with strict(ring, "ts-wrong") as client:
        for ask in (
            lambda: give(client), client.files.list, lambda: client.files.content(made.id),
            lambda: client.files.delete(made.id), lambda: client.uploads.cancel("upload_x"),
            lambda: client.uploads.create(bytes=1, filename="a.jsonl", mime_type="text/jsonl", purpose="fine-tune"),
            lambda: client.uploads.parts.create("upload_x", data=b"x"),
        ):  # fmt: skip
            with pytest.raises(openai.AuthenticationError):
                ask()


# -- in parts --


def opened(client: openai.OpenAI, size: int = len(CONTENT)) -> Any:
    return client.uploads.create(bytes=size, filename="rows.jsonl", mime_type="text/jsonl", purpose="fine-tune")


def test_a_file_comes_in_parts(ring):
    """Catches parts in another order than asked, parts that stay."""
    with strict(ring) as client:
        done = client.uploads.upload_file_chunked(
            file=CONTENT, filename="rows.jsonl", bytes=len(CONTENT), mime_type="text/jsonl", purpose="fine-tune",
            part_size=1000,
        )  # fmt: skip
        assert done.status == "completed" and client.files.content(done.file.id).content == CONTENT
        upload = opened(client)
        last, first = (client.uploads.parts.create(upload.id, data=part) for part in (CONTENT[700:], CONTENT[:700]))
        done = client.uploads.complete(upload.id, part_ids=[first.id, last.id], md5=hashlib.md5(CONTENT).hexdigest())
        assert client.files.content(done.file.id).content == CONTENT
    assert len(kept(ring)) == 2


def test_parts_that_do_not_fit_are_refused_and_the_upload_stays_open(ring):
    """Catches a file of other bytes than those announced, a checksum that is not looked at."""
    with strict(ring) as client:
        upload = opened(client)
        part = client.uploads.parts.create(upload.id, data=CONTENT[:-1])
        for code, ids, md5 in (
            ("size_mismatch", [part.id], None), ("invalid_value", [part.id, part.id], None), (None, ["part_x"], None)
        ):  # fmt: skip
            with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as told:
                client.uploads.complete(upload.id, part_ids=ids, md5=md5 or openai.omit)
            assert told.value.code == code
        with pytest.raises(openai.BadRequestError, match=f"opened for {len(CONTENT)}"):
            client.uploads.parts.create(upload.id, data=b"xx")
        rest = client.uploads.parts.create(upload.id, data=CONTENT[-1:])
        with pytest.raises(openai.BadRequestError, match="MD5"):
            client.uploads.complete(upload.id, part_ids=[part.id, rest.id], md5="0" * 32)
        assert list(client.files.list()) == []
        assert client.uploads.complete(upload.id, part_ids=[part.id, rest.id]).file.bytes == len(CONTENT)


def test_an_upload_ends_once(ring):
    """Catches a second file of one upload, parts of one that was given up, one that never closes."""
    with strict(ring) as client:
        upload = opened(client)
        part = client.uploads.parts.create(upload.id, data=CONTENT)
        assert client.uploads.cancel(upload.id).status == "cancelled"
        late = opened(client)
        kept_part = client.uploads.parts.create(late.id, data=CONTENT)
        with ring.store.writing() as connection:
            connection.execute(sa.update(tables.uploads).values(expires=now_utc() - timedelta(seconds=1)))
        for one, own, status in ((upload, part, "cancelled"), (late, kept_part, "expired")):
            told = pytest.raises(openai.BadRequestError, match=f"The upload is {status}")
            with told:
                client.uploads.complete(one.id, part_ids=[own.id])
            with told:
                client.uploads.cancel(one.id)
            with told:
                client.uploads.parts.create(one.id, data=b"x")
        opened(client)
    assert kept(ring) == []


def test_parts_that_a_kill_left_go_with_the_next_start(ring):
    """Catches gigabytes of an upload that was completed, and nobody can reach."""
    with strict(ring) as client:
        upload = opened(client)
        part = client.uploads.parts.create(upload.id, data=CONTENT)
        left = ring.workspace.files_dir / "parts" / upload.id
        copy = left.with_name("copy")
        shutil.copytree(left, copy)
        client.uploads.complete(upload.id, part_ids=[part.id])
        copy.rename(left)
        still = opened(client)
        client.uploads.parts.create(still.id, data=CONTENT)
    with serving(ring.store, ring.workspace):
        assert sorted(path.name for path in left.parent.iterdir()) == [still.id]


def test_a_temporary_folder_that_is_full_is_told(ring, monkeypatch):
    """Catches a 500 where the file is spooled before it is kept."""

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", full)
    with strict(ring) as client, pytest.raises(openai.APIStatusError, match="No space left") as told:
        give(client)
    assert told.value.status_code == 507


def test_of_two_who_complete_one_upload_one_makes_a_file(ring, monkeypatch):
    """Catches two files of one upload."""
    with strict(ring) as client:
        upload = opened(client)
        part = client.uploads.parts.create(upload.id, data=CONTENT)
        both, real = threading.Barrier(2, timeout=20), uploads._fitting

        def met(*given: Any) -> None:
            real(*given)
            both.wait()

        monkeypatch.setattr(uploads, "_fitting", met)
        ends: list[str] = []

        def complete() -> None:
            try:
                ends.append(client.uploads.complete(upload.id, part_ids=[part.id]).status)
            except openai.APIStatusError as error:
                ends.append(str(error.code))

        threads = [threading.Thread(target=complete) for _ in range(2)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert sorted(ends) == ["completed", "invalid_status"]
        assert len(list(client.files.list())) == 1
    assert len(kept(ring)) == 1
