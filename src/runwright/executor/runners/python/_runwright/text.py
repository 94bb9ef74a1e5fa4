"""How values become log text. Whatever user code logs, this must not raise."""

from __future__ import annotations

MAX_ENTRY = 8000
CUT = "... Log truncated due to size limit (8000 characters)"


def cut(text: str) -> str:
    return text[:MAX_ENTRY] + CUT if len(text) > MAX_ENTRY else text


def shown(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        if isinstance(value, (dict, list, tuple)):
            return _json(value)
        return str(value)
    except Exception:
        return _fallback(value)


def _json(value: object) -> str:
    import json

    try:
        return json.dumps(value, separators=(",", ":"), default=str)
    except Exception:
        # A cycle, a key that is no text, a member whose str() fails.
        return str(value)


def _fallback(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"


def entry(values: tuple[object, ...]) -> str:
    """One entry: the arguments, joined by one space, cut, with its newline."""
    if len(values) == 1 and type(values[0]) is str:
        return cut(values[0]) + "\n"
    return cut(" ".join([shown(value) for value in values])) + "\n"


def traceback_text(error: BaseException) -> str:
    """The traceback of an exception without the runner's own frames."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == "_runwright":
        trace = trace.tb_next
    try:
        lines = traceback.format_exception(type(error), error, trace)
    except Exception:
        return _fallback(error)
    return "".join(lines).rstrip("\n")
