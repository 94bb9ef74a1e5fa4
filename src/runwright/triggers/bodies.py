"""Payloads as the bytes that webhooks are sent.

Receivers check a signature over the bytes, and some do so by decoding the body and encoding it
again with PHP's `json_encode`. So the bytes are those which that would give: no spaces, `/`
escaped, everything outside of ASCII as `\\uXXXX`, whole numbers without a fraction, and objects
that PHP cannot tell from lists (empty ones above all) as lists.
"""

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

_SHORT: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "/": "\\/",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_SPECIAL: Final = re.compile(r'["\\/\x00-\x1f]|[^\x00-\x7f]')
_INT64: Final = range(-(2**63), 2**63)
_NO_NUMBER: Final = "0"  # for one that PHP has no number for
_DIGITS: Final = 17  # whole numbers with more are written with an exponent


class _Json(str):
    """Text that is encoded already."""

    __slots__ = ()


def encoded(payload: Any) -> bytes:
    """`payload` is what a JSON decoder gives, nested as deeply as that decoder can."""
    parts: list[str] = []
    open_values: list[Iterator[Any]] = [iter((payload,))]  # no recursion: it has a limit
    while open_values:
        for item in open_values[-1]:
            if isinstance(item, (dict, list)):
                open_values.append(_object(item) if isinstance(item, dict) else _list(item))
                break
            parts.append(item if isinstance(item, _Json) else _single(item))
        else:
            open_values.pop()
    return "".join(parts).encode("ascii")


def _single(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value in _INT64:
        return str(value)
    try:
        return _float(float(value))
    except OverflowError:
        return _NO_NUMBER


def _object(value: dict[str, Any]) -> Iterator[Any]:
    if all(key == str(at) for at, key in enumerate(value)):
        yield from _list(value.values())
        return
    before = "{"
    for key, item in value.items():
        yield _Json(f"{before}{_text(key)}:")
        yield item
        before = ","
    yield _Json("}")


def _list(values: Iterable[Any]) -> Iterator[Any]:
    before = "["
    for item in values:
        yield _Json(before)
        yield item
        before = ","
    yield _Json("]" if before == "," else "[]")


def _text(text: str) -> str:
    return f'"{_SPECIAL.sub(_escaped, text)}"'


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _float(value: float) -> str:
    """The shortest digits that mean this number, in PHP's notation."""
    if not math.isfinite(value):
        return _NO_NUMBER  # JSON has no such number, so no payload brings one
    sign, digits, exponent = _taken_apart(value)
    if not digits:
        return "0"  # never `-0`, which some decoders read as a number without a sign
    if -4 <= exponent < _DIGITS:
        return sign + _plain(digits, exponent)
    fraction = digits[1:] or "0"
    return f"{sign}{digits[0]}.{fraction}e{exponent:+d}"


def _taken_apart(value: float) -> tuple[str, str, int]:
    """Sign, digits without zeros at either end, and the power of ten of the first one."""
    mantissa, _, exponent = repr(value).partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    lost = len(whole + fraction) - len(digits)
    first = len(whole) - 1 - lost + int(exponent or 0)
    return sign, digits.rstrip("0"), first


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    fraction = digits[exponent + 1 :]
    return f"{whole}.{fraction}" if fraction else whole
