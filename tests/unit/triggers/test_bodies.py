"""Payloads in the very bytes that a receiver gets who encodes them again in PHP."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.triggers.bodies import encoded


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({}, b"[]"),
        ([], b"[]"),
        ({"a": {}, "b": []}, b'{"a":[],"b":[]}'),
        ({"0": "x", "1": "y"}, b'["x","y"]'),
        ({"1": "x"}, b'{"1":"x"}'),
        ({"a": [1, {"b": None}], "c": True}, b'{"a":[1,{"b":null}],"c":true}'),
        ("https://a/b", rb'"https:\/\/a\/b"'),
        ('say "hi" \\ there', rb'"say \"hi\" \\ there"'),
        ("\b\f\n\r\t\x01\x1f", rb'"\b\f\n\r\t\u0001\u001f"'),
        ("\x7f", b'"\x7f"'),
        ("é東", rb'"\u00e9\u6771"'),
        ("😀", rb'"\ud83d\ude00"'),
        ({"é/": 1}, rb'{"\u00e9\/":1}'),
        (1.0, b"1"),
        (-0.0, b"0"),
        (0.1, b"0.1"),
        (-12.5, b"-12.5"),
        (0.0001, b"0.0001"),
        (0.00001, b"1.0e-5"),
        (1.5e-7, b"1.5e-7"),
        (123456.789, b"123456.789"),
        (1e15, b"1000000000000000"),
        (1e16, b"10000000000000000"),
        (1e17, b"1.0e+17"),
        (1.25e25, b"1.25e+25"),
        (9007199254740993, b"9007199254740993"),
        (2**63 - 1, b"9223372036854775807"),
        (2**63, b"9.223372036854776e+18"),
        (10**400, b"0"),
    ],
)
def test_every_value_has_the_form_that_php_gives_it(payload: Any, wanted: bytes) -> None:
    assert encoded(payload) == wanted


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_can_be_decoded_can_be_encoded_however_deep(opening: bytes, closing: bytes) -> None:
    body = opening * 900 + b"1" + closing * 900
    assert encoded(msgspec.json.decode(body)) == body


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner, min_size=1),
    max_leaves=10,
)


@given(_JSON)
def test_nothing_of_a_payload_is_lost(payload: Any) -> None:
    sent = encoded(payload)
    assert sent.isascii()
    assert _as_php(json.loads(sent)) == _as_php(payload)
    assert encoded(msgspec.json.decode(sent)) == sent  # encoding it again changes no byte


def _as_php(value: Any) -> Any:
    """Without the difference between objects and lists that PHP does not see either."""
    if isinstance(value, dict):
        values = {key: _as_php(item) for key, item in value.items()}
        is_list = all(key == str(at) for at, key in enumerate(value))
        return list(values.values()) if is_list else values
    if isinstance(value, list):
        return [_as_php(item) for item in value]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else value
