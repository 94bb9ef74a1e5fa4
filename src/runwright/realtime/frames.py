"""Messages between server and client, as JSON texts."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from runwright.clock import iso_millis
from runwright.model.outbox import Announcement
from runwright.realtime.errors import BadMessage

PONG: Final = '{"type":"pong"}'

# Kept from everybody: who hears of a token being made must not be able to use it.
_SECRETS: Final = ("secret", "phrase", "password", "hash", "hashOptions")
# Kept from users: what runs print is for those who look after the function, and how to reach
# the members of a team is for its members' settings to say.
_HIDDEN: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("functions", "executions"): ("logs", "errors"),
    ("teams", "memberships"): (
        "userName",
        "userEmail",
        "userPhone",
        "userAccessedAt",
    ),
}


def text(kind: str, data: Any) -> str:
    return msgspec.json.encode({"type": kind, "data": data}).decode()


def error(code: int, message: str) -> str:
    return text("error", {"code": code, "message": message})


def response(to: str, **facts: Any) -> str:
    return text("response", {"to": to, "success": True, **facts})


def parsed(frame: str | bytes) -> tuple[str, Any]:
    """Type and data of a client's message. Raises BadMessage."""
    try:
        message = msgspec.json.decode(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise BadMessage("Message format is not valid.") from exc
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise BadMessage("Message format is not valid.")
    return message["type"], message.get("data")


class EventFrame:
    """One event on its way to many listeners: what they share is written once."""

    def __init__(self, announcement: Announcement, channels: Sequence[str]) -> None:
        self._announcement = announcement
        self._channels = channels

    def payload(self, *, is_trusted: bool) -> Mapping[str, Any]:
        return self._full if is_trusted else self._public

    def for_(self, subscriptions: Collection[str], *, is_trusted: bool) -> str:
        head = self._full_head if is_trusted else self._public_head
        return f"{head}{msgspec.json.encode(list(subscriptions)).decode()}}}}}"

    @cached_property
    def _full(self) -> Mapping[str, Any]:
        payload = self._announcement.payload
        if not isinstance(payload, dict):
            return {}
        if self._announcement.event.path[0] != "users":
            return payload
        return {name: value for name, value in payload.items() if name not in _SECRETS}

    @cached_property
    def _public(self) -> Mapping[str, Any]:
        hidden = _HIDDEN.get(self._announcement.event.path[::2], ())
        return {
            name: "" if name in hidden and value is not None else value
            for name, value in self._full.items()
        }

    @cached_property
    def _full_head(self) -> str:
        return self._head(self._full)

    @cached_property
    def _public_head(self) -> str:
        return self._head(self._public)

    def _head(self, payload: Mapping[str, Any]) -> str:
        """Everything but the list of subscriptions, which comes last."""
        data = {
            "events": self._announcement.event.names,
            "channels": self._channels,
            "timestamp": iso_millis(self._announcement.at),
            "payload": payload,
        }
        whole = msgspec.json.encode({"type": "event", "data": data}).decode()
        return f'{whole[:-2]},"subscriptions":'
