"""The warm road: plain calls of guests, which are nearly all calls of a busy function.

What is the same from call to call is worked out once and kept as a `Caller`: where the host
leads, what the headers say and which of them the function gets. Who stays connected sends the same
headers again and again, so it is found by their very bytes. It holds until a rule, a function or a
project changes, and not a call longer. A call itself then costs a request line, an id, one run
and a frame to its sandbox.

Whatever is not plain (a user's token, a body, a function that is not at hand or refuses guests)
takes the longer road of `domain.py`. What a trusted proxy says of its callers stands in the same
headers, but means nothing from anybody else: its callers are known apart from those who come
straight.
"""

import re
from typing import Final

from runwright.clock import Clock
from runwright.executions.plain import Fields, plain_attempt
from runwright.executions.runnable import Runnable
from runwright.executions.service import Executions, loop_outcome
from runwright.gateway import sharing
from runwright.gateway.domain import ACME, GUEST, Gateway, Stream, passed
from runwright.gateway.exchange import PlainExchange
from runwright.gateway.hosts import Hosts
from runwright.gateway.incoming import Incoming
from runwright.gateway.messages import RawHeaders
from runwright.gateway.router import Kind, Place
from runwright.proxies import Proxies

# Narrower than what HTTP allows: what does not look like this is for the parser to judge.
REQUEST_LINE: Final = re.compile(
    rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[!\"$-~]*) HTTP/1\.1\r\n"
)
CALLERS: Final = 8192  # of each kind of connection
CALLERS_BYTES: Final = 4 * 1024 * 1024  # of their blocks of headers; what is made of them is more
BLOCK_BYTES: Final = 4096  # longer blocks of headers are read each time


class Caller:
    """One block of request headers, sorted out."""

    __slots__ = (
        "changes",
        "epoch",
        "fields",
        "forwarded",
        "incoming",
        "lineage",
        "place",
        "runnable",
        "scheme",
    )

    def __init__(
        self,
        gateway: Gateway,
        hosts: Hosts,
        place: Place,
        incoming: Incoming,
        scheme: str,
        forwarded: str | None,
    ) -> None:
        """`forwarded` is for whom a trusted proxy says to speak; None when none is between."""
        rule = place.rule
        assert rule is not None
        self.place = place
        self.scheme = scheme
        self.incoming = incoming
        self.forwarded = forwarded
        self.fields = Fields(passed(rule, scheme, incoming))
        self.lineage = gateway.lineage(rule.project_id, incoming)
        self.epoch = hosts.epoch  # of the rules by which the place was found
        self.runnable: Runnable | None = None
        self.changes = -1  # at which the runnable was seen to be present and open to guests

    @property
    def may_be_kept(self) -> bool:
        """Not with a key, whose time ends without a message."""
        return not self.incoming.every("x-appwrite-key")


class Callers:
    """Those of one kind of connection by their blocks of headers; the oldest go first."""

    __slots__ = ("_bytes", "found")

    def __init__(self) -> None:
        self.found: dict[bytes, Caller] = {}
        self._bytes = 0

    def keep(self, block: bytes, caller: Caller) -> None:
        if len(block) > BLOCK_BYTES or not caller.may_be_kept:
            return
        if block not in self.found:
            self._bytes += len(block)
        self.found[block] = caller
        while len(self.found) > CALLERS or self._bytes > CALLERS_BYTES:
            oldest = next(iter(self.found))
            del self.found[oldest]
            self._bytes -= len(oldest)


class WarmRoad:
    def __init__(
        self,
        gateway: Gateway,
        executions: Executions,
        hosts: Hosts,
        clock: Clock,
        proxies: Proxies,
    ) -> None:
        self._gateway = gateway
        self._executions = executions
        self._runnables = executions.runnables
        self._hosts = hosts
        self._clock = clock
        self._proxies = proxies
        self._callers = {
            (scheme, is_direct): Callers()
            for scheme in ("http", "https")
            for is_direct in (True, False)
        }

    def known(self, scheme: str, *, is_direct: bool) -> Callers:
        """Those who come by connections of such a kind."""
        return self._callers[scheme, is_direct]

    def caller(
        self, place: Place, headers: RawHeaders, scheme: str, *, is_direct: bool
    ) -> Caller | None:
        """None for whom this is not the road. `scheme` is that of the caller, who may have
        another than a proxy between."""
        if place.kind is not Kind.FUNCTION or place.rule is None:
            return None
        if self._gateway.forces_https and scheme != "https":
            return None
        try:
            incoming = Incoming(headers)
            if incoming.every(sharing.USER_JWT) or incoming.first("access-control-request-method"):
                return None
            forwarded = None if is_direct else ",".join(incoming.every("x-forwarded-for"))
            return Caller(self._gateway, self._hosts, place, incoming, scheme, forwarded)
        except Exception:  # the other road meets the same and answers it
            return None

    def begin(self, caller: Caller, method: str, target: str, exchange: PlainExchange) -> bool:
        """Begin a call whose facts are all at hand, so that nothing need wait for it; the
        exchange is told its end. False, and nothing was done, for every other one, those that
        will be refused among them."""
        executions = self._executions
        if caller.epoch != self._hosts.epoch:
            return False
        if caller.changes != self._runnables.changes and not self._is_open(caller):
            return False
        runnable = caller.runnable
        if runnable is None or not executions.runs.can_begin or target.startswith(ACME):
            return False
        try:
            peer, forwarded = exchange.peer, caller.forwarded
            attempt = plain_attempt(
                runnable,
                caller.fields,
                caller.lineage,
                exchange.execution_id,
                method,
                target,
                peer if forwarded is None else self._proxies.client(peer, forwarded),
                self._clock.now(),
                Stream(exchange, exchange.execution_id, ""),
            )
        except Exception:  # as above
            return False
        executions.runs.begin(attempt, exchange.told)
        return True

    def _is_open(self, caller: Caller) -> bool:
        """Whether the function is at hand and guests may call it, as of now."""
        caller.runnable, caller.changes = None, self._runnables.changes
        rule = caller.place.rule
        assert rule is not None
        runnable = self._runnables.known(rule.project_id, rule.resource_id)
        if (
            runnable is None
            or "proxy" in runnable.project.disabled_services
            or not runnable.function.is_enabled
            or GUEST.isdisjoint(runnable.function.execute)
            or loop_outcome(caller.lineage, runnable.function) is not None
        ):
            caller.changes = -1
            return False
        caller.runnable = runnable
        return True
