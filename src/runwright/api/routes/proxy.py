"""Proxy rules: host names of a project. Keys and admins only, whatever scopes a user holds."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from runwright.api.lists import SearchListing, cursor_errors, listed
from runwright.api.params import Checked, Id, OneOf, Text
from runwright.api.queries import Attributes, parse_queries
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import functions as shapes
from runwright.errors import UnauthorizedScope
from runwright.functions.domains import Domains
from runwright.functions.errors import RuleResourceNotFound
from runwright.model.query import Filter, ListQuery
from runwright.values import dataclass

FILTERS: Final = Attributes(
    "domain type trigger deploymentResourceType deploymentResourceId deploymentId "
    "deploymentVcsProviderBranch"
)


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises when it is no number
    except ValueError:
        is_valid = False
    if not is_valid or any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("Value must be a valid URL with http or https")
    return text


_Domain = Annotated[str, Text(255)]
_Branch = Annotated[str, Text(255, least=0)]


@dataclass(frozen=True, kw_only=True)
class CreateApiRule:
    domain: _Domain


@dataclass(frozen=True, kw_only=True)
class CreateFunctionRule:
    domain: _Domain
    function_id: Annotated[str, Id()]
    branch: _Branch = ""


@dataclass(frozen=True, kw_only=True)
class CreateSiteRule:
    domain: _Domain
    site_id: Annotated[str, Id()]
    branch: _Branch = ""


@dataclass(frozen=True, kw_only=True)
class CreateRedirectRule:
    domain: _Domain
    url: Annotated[str, Checked(Text(2048), _web_address)]
    status_code: Annotated[str, OneOf(("301", "302", "307", "308"))]
    resource_id: Annotated[str, Id()]
    resource_type: Annotated[str, OneOf(("site", "function"))]


@dataclass(frozen=True, kw_only=True)
class ListRules(SearchListing):
    """`search` is deprecated: it finds parts of domains."""

    def rules(self) -> ListQuery:
        query = parse_queries(self.queries, FILTERS, with_total=self.total)
        if not self.search:
            return query
        found = Filter("contains", "domain", (self.search,))
        return replace(query, filters=(*query.filters, found))


@dataclass(frozen=True, kw_only=True)
class OneRule:
    rule_id: Annotated[str, Id()]


class ProxyHandlers:
    def __init__(self, domains: Domains) -> None:
        self._domains = domains

    async def create_for_api(self, call: Call, params: CreateApiRule) -> Answer:
        rule = await self._domains.create_for_api(call.project_id, params.domain)
        return Answer(content=shapes.rule(rule))

    async def create_for_function(self, call: Call, params: CreateFunctionRule) -> Answer:
        rule = await self._domains.create_for_function(
            call.project_id, params.domain, params.function_id, params.branch
        )
        return Answer(content=shapes.rule(rule))

    async def create_for_site(self, call: Call, params: CreateSiteRule) -> Answer:
        raise RuleResourceNotFound(params.site_id)  # there are no sites here

    async def create_redirect(self, call: Call, params: CreateRedirectRule) -> Answer:
        rule = await self._domains.create_redirect(
            call.project_id,
            params.domain,
            url=params.url,
            status_code=int(params.status_code),
            resource_type=params.resource_type,
            resource_id=params.resource_id,
        )
        return Answer(content=shapes.rule(rule))

    async def list(self, call: Call, params: ListRules) -> Answer:
        _require_trust(call)
        with cursor_errors("Rule"):
            page = await self._domains.list(call.project_id, params.rules())
        return listed("proxyRuleList", "rules", page, shapes.rule)

    async def get(self, call: Call, params: OneRule) -> Answer:
        _require_trust(call)
        return Answer(content=shapes.rule(await self._domains.get(call.project_id, params.rule_id)))

    async def delete(self, call: Call, params: OneRule) -> Answer:
        await self._domains.delete(call.project_id, params.rule_id)
        return empty()

    async def verify(self, call: Call, params: OneRule) -> Answer:
        rule = await self._domains.verify(call.project_id, params.rule_id)
        return Answer(content=shapes.rule(rule))


def _require_trust(call: Call) -> None:
    """Signed-in users hold `rules.read` in the API, yet domains are not theirs to list."""
    if not call.principal.is_trusted:
        raise UnauthorizedScope("Proxy rules are read with an API key or by an administrator.")


def proxy_routes(domains: Domains) -> list[Route]:
    handlers = ProxyHandlers(domains)
    create = handlers.create_for_api, handlers.create_for_function, handlers.create_redirect
    api, function, redirect = create
    one = "/proxy/rules/{ruleId}"
    return [
        _creation("Api", "api", api, CreateApiRule),
        _creation("Function", "function", function, CreateFunctionRule),
        _creation("Site", "site", handlers.create_for_site, CreateSiteRule),
        _creation("Redirect", "redirect", redirect, CreateRedirectRule),
        _route("listRules", "GET", ("/proxy/rules",), handlers.list, ListRules, "proxyRuleList"),
        _route("getRule", "GET", (one,), handlers.get, OneRule),
        _route("deleteRule", "DELETE", (one,), handlers.delete, OneRule, "", 204),
        _route(
            "updateRuleStatus",
            "PATCH",
            (f"{one}/status", f"{one}/verification"),
            handlers.verify,
            OneRule,
        ),
    ]


def _creation(
    noun: str, path: str, handler: Callable[[Call, Any], Awaitable[Answer]], params: type[Any]
) -> Route:
    paths = (f"/proxy/rules/{path}",)
    return _route(f"create{noun}Rule", "POST", paths, handler, params, status=201)


def _route(
    name: str,
    method: str,
    paths: tuple[str, ...],
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    model: str = "proxyRule",
    status: int = 200,
) -> Route:
    return Route(
        name=f"proxy.{name}",
        method=method,
        paths=tuple(f"/v1{path}" for path in paths),
        scopes=(f"rules.{'read' if method == 'GET' else 'write'}",),
        handler=handler,
        params=params,
        status=status,
        model=model,
        group="project",
        service="proxy",
    )
