"""Events that were sent in, and their sources -> JSON."""

from typing import Any

from runwright.clock import iso_millis
from runwright.model.webhook import EventSource
from runwright.triggers.ingest import Receipt
from runwright.triggers.sources import NewSource

Json = dict[str, Any]


def receipt(item: Receipt) -> Json:
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.at),
        "event": item.event.full_name,
        "repeated": item.is_repeated,
    }


def source(item: EventSource) -> Json:
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "name": item.name,
        "url": item.url,
        "secret": "",
    }


def new_source(item: NewSource) -> Json:
    return {**source(item.source), "secret": item.secret}
