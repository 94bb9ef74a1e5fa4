"""A run for a plain call of a guest, put together from text that was worked out before.

User code gets what `Executions.attempt` would give it, in the same order; a test compares them.
"""

from datetime import datetime
from typing import Final

from runwright.executions.attempt import Attempt
from runwright.executions.headers import kept
from runwright.executions.requests import injected
from runwright.executions.runnable import Runnable
from runwright.model.execution import Headers, Invocation, Trigger
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

    __slots__ = ("_ip", "_kept", "_kept_with_ip", "lines")

    def __init__(self, headers: Headers) -> None:
        self.lines = _lines(headers)
        self._kept = kept(headers)
        self._ip = ""
        self._kept_with_ip: Headers = ()

    def kept(self, client_ip: str) -> Headers:
        """What the record of a call from there shows; kept from one call to the next."""
        if client_ip != self._ip or not self._kept_with_ip:
            self._ip, self._kept_with_ip = client_ip, (*self._kept, (_IP, client_ip))
        return self._kept_with_ip


class PlainInvocation(Invocation):
    """Its headers are cut out of its head when somebody reads them, which few do."""

    __slots__ = ()

    @property
    def headers(self) -> Headers:
        lines = self.head.decode("utf-8", "surrogateescape").split("\n")[1:]
        return tuple((name, value) for name, _, value in (line.partition(":") for line in lines))

    def __init__(self, head: bytes, execution_id: str, method: str, target: str) -> None:
        # Frozen for everybody else, see values.py.
        self.head = head  # type: ignore[misc]
        self.execution_id = execution_id  # type: ignore[misc]
        self.method = method  # type: ignore[misc]
        self.target = target  # type: ignore[misc]
        self.body = b""  # type: ignore[misc]


class PlainAttempt(Attempt):
    """What is the same for all of them costs none of them anything."""

    user_id = ""
    trigger = Trigger.HTTP
    number = 1
    event = ""

    def __init__(
        self,
        runnable: Runnable,
        invocation: Invocation,
        now: datetime,
        sink: ResponseSink,
        chain_id: str,
        kept_headers: Headers,
    ) -> None:
        self.runnable = runnable
        self.invocation = invocation
        self.execution_id = invocation.execution_id
        self.path = invocation.target
        self.started_at = self.created_at = now
        self.sink = sink
        self.chain_id = chain_id
        self._kept_headers = kept_headers


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
    key = runnable.key(lineage, now)
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
    return PlainAttempt(runnable, invocation, now, sink, lineage.chain_id, fields.kept(client_ip))
