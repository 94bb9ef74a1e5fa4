"""The tree of failures a caller may see. `type` and `status` are public API."""

from typing import ClassVar


class RunwrightError(Exception):
    """A failure with a public name.

    `type` is the wire name, `status` the HTTP status. The message is shown to the caller,
    so it holds no secret, no host path and no driver text. `headers` are added to the answer.
    """

    type: ClassVar[str] = "general_server_error"
    status: ClassVar[int] = 500
    headers: tuple[tuple[str, str], ...] = ()


class BadArgument(RunwrightError):
    """A parameter is missing or malformed."""

    type, status = "general_argument_invalid", 400


class InvalidParam(BadArgument):
    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"Invalid `{name}` param: {why}")
        self.name = name


class MissingParam(BadArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f'Param "{name}" is not optional.')
        self.name = name


class BadRequest(RunwrightError):
    """A refusal for which the API has no narrower name."""

    type, status = "general_bad_request", 400


class FeatureUnsupported(RunwrightError):
    """The server was not set up for it."""

    type, status = "general_feature_unsupported", 400


class InvalidQuery(RunwrightError):
    type, status = "general_query_invalid", 400


class CursorNotFound(RunwrightError):
    type, status = "general_cursor_not_found", 400

    def __init__(self, resource: str, item_id: str) -> None:
        super().__init__(f"{resource} '{item_id}' for the 'cursor' value not found.")


class OrderByNull(RunwrightError):
    type, status = "database_query_order_null", 400

    def __init__(self, attribute: str) -> None:
        super().__init__(
            f"The order attribute '{attribute}' has a null value on the cursor row. "
            "Cursor pagination needs a value there."
        )


class AccessForbidden(RunwrightError):
    type, status = "general_access_forbidden", 401


class UnauthorizedScope(RunwrightError):
    type, status = "general_unauthorized_scope", 401


class Unauthorized(RunwrightError):
    """The caller is known (or a guest) but may not do this."""

    type, status = "user_unauthorized", 401

    def __init__(
        self, message: str = "The current user is not authorized to perform the requested action."
    ) -> None:
        super().__init__(message)


class RateLimited(RunwrightError):
    type, status = "general_rate_limit_exceeded", 429

    def __init__(self, message: str, *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.headers = headers


class RouteNotFound(RunwrightError):
    type, status = "general_route_not_found", 404

    def __init__(self, message: str = "Route not found. Check the method and the path.") -> None:
        super().__init__(message)


class NotFound(RunwrightError):
    """Base of every `<thing>_not_found`."""

    type, status = "general_not_found", 404
    noun: ClassVar[str] = "Resource"

    def __init__(self, item_id: str = "") -> None:
        named = f"{self.noun} '{item_id}'" if item_id else f"{self.noun}"
        super().__init__(f"{named} could not be found.")
        self.item_id = item_id


class Conflict(RunwrightError):
    """Base of every `<thing>_already_exists`."""

    type, status = "resource_already_exists", 409
    noun: ClassVar[str] = "Resource"

    def __init__(self, detail: str = "") -> None:
        super().__init__(
            detail
            or f"{self.noun} with the requested ID already exists. "
            "Choose another ID or pass `unique()`."
        )


class ServiceUnavailable(RunwrightError):
    """503: the server is draining or a bounded queue is full. (500: a fault; see its log.)"""

    type, status = "general_server_error", 503
