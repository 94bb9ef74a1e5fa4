"""Database files for tests that begin with an empty one each.

The schema is made once for all of them: that takes far longer than most tests do. That a start
makes it is shown by the tests of the schema.
"""

import tempfile
from contextlib import AbstractAsyncContextManager
from functools import cache
from pathlib import Path

from runwright.storage.database import Database, open_database
from runwright.storage.dialect import sqlite_engine
from runwright.storage.migrate import upgrade


def open_empty(path: Path) -> AbstractAsyncContextManager[Database]:
    path.write_bytes(_empty())
    return open_database(path)


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runwright.db"
        path.touch()
        engine = sqlite_engine(path)
        upgrade(engine)
        engine.dispose()
        return path.read_bytes()
