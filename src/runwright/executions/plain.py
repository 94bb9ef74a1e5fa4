"""A run for a plain call of a guest, put together from text that was worked out before.

User code gets what `Executions.attempt` would give it, in the same order; a test compares them.
"""

from datetime import datetime
from typing import Final

from runwright.executions.attempt import Attempt
from runwright.executions.headers import kept
from runwright.executions.requests import injected
from runwright.executions.runnable import Runnable
from runwright.model.execution import Headers, Invocation
from runwright.model.lineage import Lineage
from runwright.ports.executor import ResponseSink

_IP: Final = "x-appwrite-client-ip"


def _lines(headers: Headers) -> str:
    """As they stand below the request line of a head."""
    return "".join([f"\n{name}:{value}" for name, value in headers])


_OURS: Final = injected("", "", "", "", "")
_IP_AT: Final = [name for name, _ in _OURS].index(_IP)
assert [name for name, _ in _OURS[:2]] == ["x-appwrite-execution-id", "x-appwrite-key"]
_BEFORE_IP: Final = _lines(_OURS[2:_IP_AT])
_AFTER_IP: Final = _lines(_OURS[_IP_AT + 1 :])


class Fields:
    """The headers of a caller as the function gets them, and those of them that are recorded."""

    __slots__ = ("kept", "lines")

    def __init__(self, headers: Headers) -> None:
        self.lines = _lines(headers)
        self.kept = kept(headers)


class PlainInvocation(Invocation):
    """Its headers are cut out of its head when somebody reads them, which few do."""

    __slots__ = ()

    @property
    def headers(self) -> Headers:
        lines = self.head.decode("utf-8", "surrogateescape").split("\n")[1:]
        return tuple((name, value) for name, _, value in (line.partition(":") for line in lines))

    def __init__(self, head: bytes, execution_id: str, method: str, target: str) -> None:
        # Frozen for everybody else, see model/values.py.
        self.head = head  # type: ignore[misc]
        self.execution_id = execution_id  # type: ignore[misc]
        self.method = method  # type: ignore[misc]
        self.target = target  # type: ignore[misc]
        self.body = b""  # type: ignore[misc]


def plain_attempt(
    runnable: Runnable,
    fields: Fields,
    lineage: Lineage,
    execution_id: str,
    method: str,
    target: str,
    client_ip: str,
    now: datetime,
    sink: ResponseSink,
) -> Attempt:
    """A run that has not started. `target` needs no escaping."""
    key = runnable.key(lineage, int(now.timestamp()))
    head = (
        f"{method} {target}{fields.lines}\nx-appwrite-execution-id:{execution_id}"
        f"\nx-appwrite-key:{key}{_BEFORE_IP}\n{_IP}:{client_ip}{_AFTER_IP}"
    )
    invocation = PlainInvocation(
        head.encode("utf-8", "surrogateescape"), execution_id, method, target
    )
    function = runnable.function
    invocation.timeout_s = function.timeout_s  # type: ignore[misc]
    invocation.is_logging = function.is_logging  # type: ignore[misc]
    return Attempt(
        runnable,
        invocation,
        path=target,
        user_id="",
        started_at=now,
        sink=sink,
        chain_id=lineage.chain_id,
        kept_headers=(*fields.kept, (_IP, client_ip)),
    )
