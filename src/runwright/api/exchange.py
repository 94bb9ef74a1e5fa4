"""What is known about one request of the API so far, and how its failure is logged."""

import logging
from dataclasses import field
from typing import Final

from runwright.api import forms
from runwright.api.auth import Arrival
from runwright.api.limits import Counted
from runwright.api.matching import Match
from runwright.api.routing import Call
from runwright.model.execution import Headers
from runwright.model.identity import Principal
from runwright.values import dataclass

log = logging.getLogger(__name__)

_NOT_COUNTED: Final = Counted()


@dataclass(slots=True)
class Exchange:
    arrival: Arrival
    match: Match | None
    form: forms.Form = field(default_factory=forms.Form)
    body: bytes = b""  # for a route that reads it itself
    protocol: str = ""  # of the request that this one came in; "" = it came by itself
    is_origin_allowed: bool = False
    headers: Headers = ()  # of the answer, whatever it will be
    counted: Counted = _NOT_COUNTED
    principal: Principal | None = None  # once it has passed steps 1 to 7
    call: Call | None = None  # once it has passed step 9

    @property
    def origin(self) -> str:
        return self.arrival.headers.get("origin", "")

    @property
    def reads_body(self) -> bool:
        return self.match is not None and self.match.route.body_bytes > 0


def log_failure(exchange: Exchange | None) -> None:
    """Once per failed request, with its traceback; never headers, parameters or bodies."""
    known = exchange.arrival if exchange else None
    route = exchange.match.route.name if exchange and exchange.match else ""
    log.exception(
        "request failed",
        extra={
            "action": "request_failed",
            "request_id": known.request_id if known else "",
            "method": known.method if known else "",
            "route": route,
        },
    )
