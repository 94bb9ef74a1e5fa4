"""What the database and the folder of a stopped server hold."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.chaos.evidence import Record

_DUE: Final = "x-runwright-due"
_RECORDS: Final = (
    "SELECT id, function_id, trigger, status, attempt, request_path, response_status_code,"
    " coalesce(error_class, ''), errors, event, request_headers FROM executions"
)


@dataclass(frozen=True, slots=True)
class Left:
    records: list[Record]
    users: frozenset[str]
    jobs: list[str]
    outbox: int
    keys: list[str]
    is_sound: bool  # by the database's own check


def left(data_dir: Path) -> Left:
    uri = f"file:{data_dir / 'runwright.db'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        database.execute("BEGIN")
        records = [
            Record(
                id=row[0],
                function_id=row[1],
                trigger=row[2],
                status=row[3],
                attempt=row[4],
                path=row[5] or "/",
                code=row[6],
                error_class=row[7],
                errors=row[8],
                event=row[9],
                due_at=_due(row[10]),
            )
            for row in database.execute(_RECORDS)
        ]
        users = database.execute("SELECT id FROM users WHERE id LIKE 'chaos-%'")
        return Left(
            records=records,
            users=frozenset(row[0] for row in users),
            jobs=[row[0] for row in database.execute("SELECT id FROM jobs")],
            outbox=int(database.execute("SELECT count(*) FROM outbox").fetchone()[0]),
            keys=sorted(path.name for path in (data_dir / "keys").rglob("*.key")),
            is_sound=database.execute("PRAGMA integrity_check").fetchall() == [("ok",)],
        )


def _due(headers: str) -> float:
    """The moment of a tick; 0 for everything else."""
    found = dict(json.loads(headers)).get(_DUE)
    return datetime.fromisoformat(found).timestamp() if found else 0.0
