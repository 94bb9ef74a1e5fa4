"""Refusals that only a domain gives."""

from runwright.errors import NotFound, RunwrightError
from runwright.functions.errors import RuleNotFound


class HostRefused(RunwrightError):
    type, status = "general_access_forbidden", 401

    def __init__(self, host: str) -> None:
        super().__init__(f"This server does not answer on the domain '{host}'.")


class NothingHere(RuleNotFound):
    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.args = (f"No function answers on the domain '{host}'. Check the address.",)


class DomainUnverified(RuleNotFound):
    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.args = (
            f"The domain '{host}' is not verified yet. Point its DNS records at this server, "
            "then verify it.",
        )


class ChallengeNotFound(NotFound):
    type = "general_route_not_found"

    def __init__(self) -> None:
        super().__init__()
        self.args = ("There is no such certificate challenge here.",)


class HttpsNeeded(RunwrightError):
    """Shown with status 500, as every status is that clients do not know."""

    type, status = "general_protocol_unsupported", 500

    def __init__(self) -> None:
        super().__init__("This domain answers over https only. Change http:// to https://.")


class RequestTooLarge(RunwrightError):
    type, status = "general_bad_request", 413

    def __init__(self, most_bytes: int) -> None:
        super().__init__(
            f"The request body is larger than {most_bytes // (1024 * 1024)} MiB "
            f"({most_bytes} bytes)."
        )


class HeadersTooLarge(RunwrightError):
    type, status = "general_bad_request", 431

    def __init__(self, most: int, most_bytes: int) -> None:
        super().__init__(
            f"The request has more than {most} headers, or they are longer than "
            f"{most_bytes // 1024} KiB together."
        )


class RequestTooSlow(RunwrightError):
    type, status = "general_bad_request", 408

    def __init__(self) -> None:
        super().__init__("The request body did not arrive in time.")


class NoWebSocket(RunwrightError):
    type, status = "general_bad_request", 400

    def __init__(self) -> None:
        super().__init__(
            "This function does not accept web sockets. Call it with an ordinary request."
        )


class GatewayFault(RunwrightError):
    type, status = "general_unknown", 500

    def __init__(self) -> None:
        super().__init__("Server Error")
