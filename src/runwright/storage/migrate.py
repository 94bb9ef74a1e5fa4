"""Schema upgrades, run by code at every start."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, Engine

from runwright.storage.errors import StorageRefused

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def config_for(connection: Connection) -> Config:
    config = Config()
    # The option goes through a template language in which % is special.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine) -> None:
    """Bring the schema to this version, wholly or not at all.

    Raises StorageRefused when the database was written by a newer version.
    """
    plain = engine.connect().execution_options(begin="BEGIN IMMEDIATE")
    with plain as connection, connection.begin():
        config = config_for(connection)
        scripts = ScriptDirectory.from_config(config)
        present = MigrationContext.configure(connection).get_current_revision()
        if present == scripts.get_current_head():
            return
        known = {script.revision for script in scripts.walk_revisions()}
        if present is not None and present not in known:
            raise StorageRefused(
                f"The database was written by a newer version (its schema is {present}, "
                f"this version knows up to {scripts.get_current_head()}). "
                "Start the newer version, or restore a backup made before the upgrade."
            )
        command.upgrade(config, "head")
