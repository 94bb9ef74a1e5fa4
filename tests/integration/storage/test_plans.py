"""Lists that are asked for all the time are answered from an index, however many rows exist."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from runwright.model.job import JobKind
from runwright.model.query import Filter, ListQuery, Order
from runwright.storage.dialect import sqlite_engine
from runwright.storage.migrate import upgrade
from runwright.storage.work import SqlUnitOfWork, codecs_for
from tests.contract.storage.rows import (
    NOW,
    PROJECT,
    a_deployment,
    a_job,
    a_timer,
    an_execution,
)

NEWEST = (Order("$createdAt", True),)


@pytest.fixture
def connection(tmp_path: Path) -> Any:
    (tmp_path / "runwright.db").touch()
    engine = sqlite_engine(tmp_path / "runwright.db")
    upgrade(engine)
    with engine.connect() as connection:
        yield connection


def plans(connection: Connection, kind: str, query: ListQuery, **equals: object) -> list[str]:
    """How SQLite finds the rows: the steps of every statement of one page."""
    return steps_of(connection, lambda unit: getattr(unit, kind).page(PROJECT, query, **equals))


def steps_of(connection: Connection, work: Callable[[SqlUnitOfWork], object]) -> list[str]:
    statements: list[str] = []
    driver: Any = connection.connection.driver_connection
    driver.set_trace_callback(statements.append)  # with the values put in
    work(SqlUnitOfWork(connection, codecs_for(connection.dialect)))
    driver.set_trace_callback(None)
    steps = []
    for statement in statements:
        if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            steps += [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}")]
    return steps


@pytest.mark.parametrize(
    "query",
    [
        ListQuery(),
        ListQuery(orders=(Order("$sequence", True),)),
        ListQuery(orders=NEWEST),
        ListQuery(orders=NEWEST, cursor="run"),
        ListQuery(orders=NEWEST, cursor="run", is_cursor_before=True),
        ListQuery(cursor="run"),
        ListQuery(filters=(Filter("equal", "status", ("failed",)),)),
        ListQuery(filters=(Filter("greaterThan", "$createdAt", (NOW,)),), orders=NEWEST),
    ],
)
def test_a_function_s_executions_are_never_scanned_or_sorted(
    connection: Connection, query: ListQuery
) -> None:
    unit = SqlUnitOfWork(connection, codecs_for(connection.dialect))
    unit.executions.add(an_execution())
    steps = plans(connection, "executions", query, function_id="fn")
    assert steps
    searches = [step for step in steps if "executions" in step]
    assert searches
    assert all(step.startswith("SEARCH") and "USING" in step for step in searches), steps
    assert not [step for step in steps if "ORDER BY" in step], steps


def test_a_function_s_deployments_are_found_by_index(connection: Connection) -> None:
    unit = SqlUnitOfWork(connection, codecs_for(connection.dialect))
    unit.deployments.add(a_deployment())
    steps = plans(connection, "deployments", ListQuery(), function_id="fn")
    assert all(step.startswith("SEARCH") for step in steps if "deployments" in step), steps


def test_due_timers_are_found_by_their_moment_and_moved_by_their_key(
    connection: Connection,
) -> None:
    def work(unit: SqlUnitOfWork) -> None:
        unit.timers.first_due()
        unit.timers.due(NOW, limit=10, since=NOW)
        unit.timers.move_on([(a_timer(), NOW)])
        unit.executions.with_open_tick(PROJECT, ["fn", "gn"])

    steps = [
        step
        for step in steps_of(connection, work)
        if " timers" in step or " executions" in step or "ORDER BY" in step
    ]
    assert len(steps) == 4
    assert all(step.startswith("SEARCH") and "USING" in step for step in steps), steps


def test_the_jobs_of_a_claim_are_changed_by_their_keys(connection: Connection) -> None:
    jobs = [a_job(f"run{at}", owner="host", attempt=1) for at in range(3)]

    def work(unit: SqlUnitOfWork) -> None:
        unit.jobs.hold(jobs, owner="host", until=NOW)
        unit.jobs.extend_held(jobs, until=NOW)
        unit.executions.begin_all(jobs, NOW)
        unit.jobs.remove_held(jobs)

    steps = steps_of(connection, work)
    found = [
        step for step in steps if step.startswith(("SEARCH", "SCAN")) and "json_each" not in step
    ]
    assert len(found) == 4
    assert all(step.endswith("(project_id=? AND id=?)") for step in found), found


def test_turns_and_what_is_due_are_found_in_an_index(connection: Connection) -> None:
    def work(unit: SqlUnitOfWork) -> None:
        unit.jobs.projects(JobKind.RUN, "", limit=5)
        unit.jobs.functions(JobKind.RUN, PROJECT, "", limit=5, last="f")
        unit.jobs.due(NOW, limit=5)
        unit.jobs.has_any((JobKind.RUN, JobKind.DELAYED))  # there is none: one look for each

    steps = [step for step in steps_of(connection, work) if " jobs" in step or "ORDER" in step]
    assert len(steps) == 7
    assert all(step.startswith("SEARCH") for step in steps), steps


def test_records_of_functions_are_counted_in_an_index_alone(connection: Connection) -> None:
    steps = steps_of(connection, lambda unit: unit.executions.overfull(keep=5))
    searches = [step for step in steps if " executions " in step]
    assert len(searches) == 1
    assert searches[0].startswith("SEARCH executions USING COVERING INDEX"), steps


def test_old_records_are_found_from_the_oldest_on(connection: Connection) -> None:
    def work(unit: SqlUnitOfWork) -> None:
        unit.executions.add(an_execution())
        unit.executions.remove_before(NOW, limit=5)
        unit.executions.beyond(PROJECT, "fn", keep=0, limit=5)
        unit.executions.remove_ended(PROJECT, ["a", "b"])

    steps = steps_of(connection, work)
    assert len([step for step in steps if step.startswith("SEARCH executions USING")]) == 5
    assert not [
        step for step in steps if step.startswith("SCAN executions") or "ORDER BY" in step
    ], steps
