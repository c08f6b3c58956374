"""The store, against SQLite and a real PostgreSQL: made once whoever comes first, aware times, whole transactions."""

import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from stores import free_port
from tunesmith.core import tables
from tunesmith.core.errors import SetupError
from tunesmith.core.store import MIGRATIONS, SCHEMA, Store

pytestmark = pytest.mark.slow

ALIAS = {"name": "tickets", "alias": "production", "model_id": "tickets-000000000000"}


def put(store, **changes):
    with store.writing() as connection:
        connection.execute(sa.insert(tables.aliases).values(**{**ALIAS, "updated": datetime.now(UTC), **changes}))


def count(store):
    with store.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(tables.aliases)).scalar()


def test_what_migrations_make_is_what_the_code_expects(store):
    # catches: a column added to the code without a migration, or the other way round
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_schema_is_the_newest_migration():
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == SCHEMA


def test_opening_again_keeps_what_is_there(store_url):
    first = Store.open(store_url)
    put(first)
    first.close()
    second = Store.open(store_url)
    assert count(second) == 1
    second.close()


def test_many_threads_open_an_empty_store_at_once(store_url):
    barrier = threading.Barrier(8)

    def open_and_put(number):
        barrier.wait()
        store = Store.open(store_url)
        put(store, alias=f"a{number}")
        store.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_and_put, range(8)))
    store = Store.open(store_url)
    assert count(store) == 8
    store.close()


def test_many_processes_open_an_empty_store_at_once(store_url):
    code = "import sys; from tunesmith.core.store import Store; Store.open(sys.argv[1])"
    started = [subprocess.Popen([sys.executable, "-W", "error", "-c", code, store_url]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4


def test_an_error_in_the_block_undoes_all_of_it(store):
    with pytest.raises(ZeroDivisionError), store.writing() as connection:
        connection.execute(sa.insert(tables.aliases).values(**ALIAS, updated=datetime.now(UTC)))
        raise ZeroDivisionError
    assert count(store) == 0


def test_writers_wait_for_each_other_and_lose_nothing(store):
    put(store, model_id="0")

    def add_one(_):
        with store.writing_alone("tickets") as connection:
            value = int(connection.execute(sa.select(tables.aliases.c.model_id)).scalar_one())
            connection.execute(sa.update(tables.aliases).values(model_id=str(value + 1)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(40)))
    with store.reading() as connection:
        assert connection.execute(sa.select(tables.aliases.c.model_id)).scalar_one() == "40"


def test_times_come_back_aware_and_in_utc(store):
    moment = datetime(2026, 11, 24, 16, 30, tzinfo=timezone(timedelta(hours=2)))
    put(store, updated=moment)
    with store.reading() as connection:
        back = connection.execute(sa.select(tables.aliases.c.updated)).scalar_one()
    assert back == moment and back.tzinfo is UTC
    with pytest.raises(sa.exc.StatementError, match="naive"):
        put(store, alias="b", updated=datetime(2026, 11, 24))  # noqa: DTZ001


def test_times_are_compared_as_moments(store):
    put(store, updated=datetime(2026, 11, 24, 12, tzinfo=UTC))
    east = datetime(2026, 11, 24, 13, 59, tzinfo=timezone(timedelta(hours=2)))  # 11:59 UTC
    with store.reading() as connection:
        assert connection.execute(sa.select(tables.aliases.c.name).where(tables.aliases.c.updated > east)).scalar()


def test_a_newer_store_is_refused(store_url):
    store = Store.open(store_url)
    with store.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SetupError, match="9999"):
        Store.open(store_url)
    store.close()


def test_sqlite_writes_ahead(tmp_path):
    store = Store.open(tmp_path / "new folder" / "100%" / "store.db")
    with store.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    store.close()


def test_the_environment_names_another_store(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_STORE", str(tmp_path / "elsewhere.db"))
    Store.open_workspace(tmp_path / "home").close()
    assert (tmp_path / "elsewhere.db").exists() and not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("where", "names"),
    [
        (f"postgresql://nobody:secret-word@127.0.0.1:{free_port()}/none", "127.0.0.1"),
        ("mysql://localhost/x", "mysql"),
        ("sqlite://", "memory"),
        ("://", "no URL"),
        ("/proc/nothing/store.db", "/proc/nothing"),
        ("{tmp}", "cannot open"),
        ("{tmp}/text.db", "not a database"),
    ],
    ids=["nobody listens", "mysql", "memory", "no URL", "no folder", "a folder", "a text file"],
)
def test_a_store_that_cannot_be_is_one_clear_error(where, names, tmp_path):
    (tmp_path / "text.db").write_text("this is no database, whatever its name says\n" * 100)
    with pytest.raises(SetupError, match=names) as caught:
        Store.open(where.replace("{tmp}", str(tmp_path)))
    assert "secret-word" not in str(caught.value) and caught.value.expected


@pytest.mark.slow
def test_works_from_an_installed_wheel(tmp_path):
    # catches: migrations that are not in the wheel
    hatchling = pytest.importorskip("hatchling.build", reason="hatchling builds the wheel")
    root = Path(__file__).parents[2]
    built = subprocess.run(
        [sys.executable, "-c", f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout.split()[-1]  # fmt: skip
    assert hatchling
    zipfile.ZipFile(tmp_path / built).extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import tunesmith.core.store as s; assert 'site' in s.__file__.split('/')\n"
        f"s.Store.open({str(tmp_path / 'store.db')!r}).close()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=tmp_path)
