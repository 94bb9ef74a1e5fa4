"""Execution -> JSON."""

from typing import Any

from runwright.clock import iso_millis
from runwright.executions.replays import DeadLetter, Redriven
from runwright.executions.service import Finished
from runwright.model.execution import Execution, Headers

FUNCTIONS = "functions"


def execution(item: Execution, *, shows_logs: bool) -> dict[str, Any]:
    """A record as it reads at any time: the response is stored nowhere, so it is empty here.

    `errorClass` and what stands behind it are additions to the model of the API.
    """
    created = iso_millis(item.created_at)
    return {
        "$id": item.id,
        "$createdAt": created,
        "$updatedAt": (
            created if item.updated_at is item.created_at else iso_millis(item.updated_at)
        ),
        "$permissions": [f'read("user:{item.user_id}")'] if item.user_id else [],
        "resourceId": item.function_id,
        "resourceType": FUNCTIONS,
        "deploymentId": item.deployment_id,
        "trigger": item.trigger.value,
        "status": item.status.value,
        "requestMethod": item.request_method,
        "requestPath": item.request_path,
        "requestHeaders": _headers(item.request_headers),
        "responseStatusCode": item.response_status_code,
        "responseBody": "",
        "responseHeaders": [],
        "logs": item.logs if shows_logs else "",
        "errors": item.errors if shows_logs else "",
        "duration": _seconds(item.duration_s),
        "scheduledAt": iso_millis(item.scheduled_at) if item.scheduled_at else None,
        "errorClass": item.error_class.value if item.error_class else "",
        "phases": {
            "queue": _seconds(item.queue_s),
            "start": _seconds(item.start_s),
            "user": _seconds(item.user_s),
        },
        "cold": item.is_cold,
        "attempt": item.attempt,
        "event": item.event,
        "chainId": item.chain_id,
        "replayOf": item.replay_of,
    }


def dead_letter(item: DeadLetter) -> dict[str, Any]:
    return {
        "$id": item.execution.id,
        "functionId": item.execution.function_id,
        "expiresAt": iso_millis(item.dropped_at),
        "execution": execution(item.execution, shows_logs=True),
    }


def redriven(done: Redriven) -> dict[str, Any]:
    return {"redriven": done.redriven, "failed": done.failed, "left": done.left}


def finished(done: Finished, *, shows_logs: bool) -> dict[str, Any]:
    """A synchronous call's answer: the record with the response; its body is still bytes."""
    last = dict(done.outcome.headers)  # of repeated headers the last one counts here
    last["x-appwrite-execution-id"] = done.execution.id
    shape = execution(done.execution, shows_logs=shows_logs)
    shape["responseBody"] = done.outcome.body
    shape["responseHeaders"] = _headers(tuple(last.items()))
    return shape


def _headers(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": _text(value)} for name, value in headers]


def _text(value: str) -> str:
    """Bytes that are not UTF-8 are carried as surrogates, which JSON cannot hold."""
    if value.isascii():
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _seconds(value: float) -> float:
    """Whole microseconds: some clients turn numbers of more than 15 digits into text."""
    return round(value, 6) if value else 0.0
