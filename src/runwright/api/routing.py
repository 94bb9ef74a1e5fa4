"""One table of routes: what each needs, what it answers, who serves it.

The application, the API reference and the tests read the same table.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import field
from typing import Any, Final, Literal, Protocol

from runwright.model.execution import Headers
from runwright.model.identity import Principal, Project
from runwright.values import dataclass

JSON_TYPE: Final = "application/json; charset=UTF-8"
USUAL_STATUS: Final = {"GET": 200, "POST": 201, "PUT": 200, "PATCH": 200, "DELETE": 204}
EMPTY_TYPE: Final = "text/html; charset=UTF-8"  # SDKs index content-type on every success

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file part of a multipart request, in a temporary file."""

    name: str  # the client's file name
    path: str
    size: int


class Perform(Protocol):
    """Runs an operation for the caller of the present one, as if it had come by itself: through
    every check, in their order. Raises what it is refused with."""

    async def __call__(
        self, route: "Route", params: Mapping[str, Any], uploads: Mapping[str, Upload]
    ) -> "Answer": ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One API request after authentication and before its parameters are parsed."""

    method: str
    url_path: str
    headers: Mapping[str, str]  # lower-case names
    principal: Principal
    project: Project | None  # None = the console project
    client_ip: str
    host: str  # without port
    scheme: str
    authority: str = ""  # the host with its port, as the client named it
    response_format: Version | None  # None = the newest shapes
    raw: Mapping[str, Any]  # all parameters, path ones last
    path_params: Mapping[str, str] = field(default_factory=dict)
    uploads: Mapping[str, Upload] = field(default_factory=dict)
    body: bytes = b""  # as it came, where the route asks for it
    sent: Any = None  # the JSON of the body, also where it is no object
    perform: Perform | None = None

    @property
    def project_id(self) -> str:
        return self.principal.project_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a handler gives back. `content` is JSON-able, bytes, or parts of bytes."""

    content: Any = None
    model: str = ""  # response model, for format filters and the API reference
    status: int = 0  # 0 = the route's own
    headers: Headers = ()
    media_type: str = JSON_TYPE
    parts: AsyncIterator[bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `calls` in `window_s` seconds for each distinct key.

    Keys hold placeholders: {ip} {url} {userId} {projectId} {param-<name>}; {url} is the route,
    by whichever of its paths and host names it is called, and {known} the
    network of a caller who signed in from there to the account of {param-email} before.
    """

    calls: int
    window_s: int = 3600
    keys: tuple[str, ...] = ("url:{url},ip:{ip}",)
    resets_on: int = 0  # answer status that clears the counter
    for_everyone: bool = False  # keys and admins too


Group = Literal["", "functions", "project", "projects", "console", "auth", "session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`paths[0]` is the canonical path, with `{name}` placeholders; the others are aliases.

    Groups: `functions` and `project` refuse the console project; `projects` and `console`
    want it; `auth` creates accounts, `session` refuses callers that are signed in.
    """

    name: str  # SDK service and method, such as functions.createExecution
    method: str
    paths: tuple[str, ...]
    scopes: tuple[str, ...]
    handler: Callable[[Call, Any], Awaitable[Answer]]
    params: type[Any] | None = None
    status: int = 200
    other_statuses: tuple[int, ...] = ()  # of success, for calls that ask for something else
    model: str = ""  # of `api/models/`
    other_models: tuple[str, ...] = ()  # for calls that ask for something else
    media_types: tuple[str, ...] = ()  # of an answer that is no JSON
    files: tuple[str, ...] = ()  # parameters that may come as files of a multipart body
    body_types: tuple[str, ...] = ()  # of a body that the handler reads itself; with
    # `body_bytes` it always does, else where the type is one of these
    headers: tuple[str, ...] = ()  # of the request, that this route reads beside the usual ones
    group: Group = ""
    service: str = ""  # switchable service of the project
    protocol: str = "rest"  # switchable way to reach the API
    auth_method: str = ""  # switchable sign-in method of the project
    limit: Limit | None = None
    is_open_origin: bool = False
    is_before_second_factor: bool = False  # a session that owes one may call it
    is_busy: bool = False  # callers who make the call again are known, see `regulars.py`; its
    # handler asks its `Call` for nothing that differs between two calls with the same headers
    body_bytes: int = 0  # most bytes of a body that the handler reads itself; parameters are
    # then those of the query. 0 = the body holds the parameters


@dataclass(frozen=True, slots=True)
class Nothing:
    """Parameters of a route that takes none."""


def empty(status: int = 204, headers: Headers = ()) -> Answer:
    return Answer(status=status, headers=headers, media_type=EMPTY_TYPE)
