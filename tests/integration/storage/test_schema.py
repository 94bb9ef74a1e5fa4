"""Migrations, tables and the model say the same; strange files are refused."""

import os
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

from runwright.storage.database import open_database
from runwright.storage.dialect import sqlite_engine
from runwright.storage.errors import StorageRefused
from runwright.storage.migrate import config_for, upgrade
from runwright.storage.tables import metadata
from tests.contract.storage.rows import a_user, adding


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "runwright.db").touch()
    return sqlite_engine(tmp_path / "runwright.db")


def test_migrations_end_at_the_tables_of_the_code(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    assert differences == [], "write a migration for what the model has gained or lost"


def test_an_upgraded_file_has_the_same_sql_as_a_database_in_memory(engine: Engine) -> None:
    """Beyond what Alembic compares: constraint names, order of columns, indexes."""
    upgrade(engine)
    in_memory = sqlite_engine(None)
    with engine.connect() as upgraded, in_memory.connect() as made:
        metadata.create_all(made)
        assert _sql(upgraded) == _sql(made)


def _sql(connection: object) -> dict[str, str]:
    rows = connection.exec_driver_sql(  # type: ignore[attr-defined]
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'"
    )
    return {name: " ".join(sql.split()) for name, sql in rows}


def test_a_second_start_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        before = _sql(connection)
    upgrade(engine)
    with engine.connect() as connection:
        assert _sql(connection) == before


def test_there_is_one_line_of_migrations(engine: Engine) -> None:
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(config_for(connection))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_half_way(*args: object, **kw: object) -> None:
        raise RuntimeError("half way")

    # Tables come before their indexes, so something has been created by then.
    monkeypatch.setattr("alembic.op.create_index", fails_half_way)
    with pytest.raises(RuntimeError, match="half way"):
        upgrade(engine)
    monkeypatch.undo()
    with engine.connect() as connection:
        assert _sql(connection) == {}
    upgrade(engine)


def test_a_database_of_a_newer_version_is_refused(engine: Engine) -> None:
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageRefused, match=r"newer version.*9999"):
        upgrade(engine)


@pytest.mark.anyio
async def test_a_file_that_is_no_database_is_refused_without_its_path(tmp_path: Path) -> None:
    path = tmp_path / "runwright.db"
    path.write_bytes(b"this is not a database, but it is long enough" * 100)
    with pytest.raises(StorageRefused) as caught:
        async with open_database(path):
            pass
    assert str(tmp_path) not in str(caught.value)
    assert path.read_bytes().startswith(b"this is not")


@pytest.mark.anyio
async def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageRefused, match="No such file"):
        async with open_database(tmp_path / "nowhere" / "runwright.db"):
            pass


@pytest.mark.anyio
async def test_a_path_may_hold_any_letters(tmp_path: Path) -> None:
    folder = tmp_path / "50% ü?#&x=y"
    folder.mkdir()
    async with open_database(folder / "runwright.db") as database:
        await database.write(adding("users", a_user()))
    assert (folder / "runwright.db").stat().st_size > 0
    assert os.listdir(tmp_path) == [folder.name]


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.mark.anyio
async def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with open_database(tmp_path / "runwright.db") as database:
            await database.write(adding("users", a_user()))
            modes = _modes(tmp_path)
    finally:
        os.umask(before)
    assert modes["runwright.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_every_connection_is_durable_and_checks_references(engine: Engine) -> None:
    with engine.connect() as connection:

        def pragma(name: str) -> object:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2  # FULL
        assert pragma("foreign_keys") == 1
        assert int(str(pragma("busy_timeout"))) > 0
