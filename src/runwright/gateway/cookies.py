"""Cookies of the API that a function must not see. Pure.

Browsers send the API's cookies to every host below it, and functions' domains may be that. Whoever
wrote a function has a hold over the users of its own project anyway, and its pages may keep their
own sessions under that name. Sessions of the console and of other projects are none of its
business: with one of these it could act as the visitor.
"""

from typing import Final

from runwright.model.execution import Headers

_SESSION: Final = "a_session_"


def without_foreign_sessions(headers: Headers, project_id: str) -> Headers:
    own = f"{_SESSION}{project_id}".lower()
    if not any(name == "cookie" and _SESSION in value.lower() for name, value in headers):
        return headers
    kept: list[tuple[str, str]] = []
    for name, value in headers:
        if name == "cookie":
            value = "; ".join(
                pair for pair in map(str.strip, value.split(";")) if not _is_foreign(pair, own)
            )
            if not value:
                continue
        kept.append((name, value))
    return tuple(kept)


def _is_foreign(pair: str, own: str) -> bool:
    name = pair.partition("=")[0].strip().lower()
    return name.startswith(_SESSION) and name not in (own, f"{own}_legacy")
