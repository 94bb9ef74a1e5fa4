"""Queries of a subscription."""

import json
from typing import Any

import pytest

from runwright.realtime.errors import BadMessage
from runwright.realtime.filters import compiled

RUN: dict[str, Any] = {
    "status": "completed",
    "duration": 1.5,
    "responseStatusCode": 200,
    "cold": True,
    "scheduledAt": None,
}


def query(method: str, attribute: str, *values: object) -> dict[str, Any]:
    return {"method": method, "attribute": attribute, "values": list(values)}


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (query("equal", "status", "failed", "completed"), True),
        (query("equal", "status", "failed"), False),
        (query("equal", "responseStatusCode", "200"), False),
        (query("equal", "responseStatusCode", 200.0), True),
        (query("equal", "cold", 1), False),
        (query("equal", "cold", True), True),
        (query("notEqual", "status", "failed"), True),
        (query("notEqual", "status", "completed"), False),
        (query("notEqual", "gone", "x"), False),
        (query("lessThan", "duration", 2), True),
        (query("greaterThan", "duration", 2), False),
        (query("greaterThanEqual", "responseStatusCode", 200), True),
        (query("lessThanEqual", "status", 5), False),
        (query("isNull", "scheduledAt"), True),
        (query("isNull", "gone"), False),
        (query("isNotNull", "status"), True),
        (query("isNotNull", "scheduledAt"), False),
        ({"method": "and", "values": [query("equal", "cold", True)] * 2}, True),
        (
            {
                "method": "or",
                "values": [query("equal", "cold", False), query("equal", "status", "completed")],
            },
            True,
        ),
        ({"method": "or", "values": [query("equal", "cold", False)]}, False),
    ],
)
def test_a_query_looks_at_the_top_of_the_payload(wanted: dict[str, Any], fits: bool) -> None:
    test = compiled([json.dumps(wanted)])
    assert test is not None
    assert test(RUN) is fits


def test_all_queries_of_a_subscription_must_hold() -> None:
    both = [query("equal", "cold", True), query("equal", "status", "failed")]
    test = compiled([json.dumps(item) for item in both])
    assert test is not None
    assert not test(RUN)


def test_no_queries_and_selecting_everything_take_everything() -> None:
    assert compiled([]) is None
    assert compiled(['{"method":"select","values":["*"]}']) is None


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"method":"between","attribute":"duration","values":[1,2]}',
        '{"method":"select","values":["status"]}',
        '{"method":"equal","values":["x"]}',
        '{"method":"equal","attribute":"status","values":[]}',
        '{"method":"equal","attribute":"status","values":"x"}',
        '{"method":"and","values":[]}',
        '{"method":"and","values":[{"method":"or","values":[{"method":"and","values":[{}]}]}]}',
        '{"method":"equal","attribute":"' + "x" * 5000 + '","values":[1]}',
    ],
)
def test_other_queries_are_refused(text: str) -> None:
    with pytest.raises(BadMessage):
        compiled([text])
