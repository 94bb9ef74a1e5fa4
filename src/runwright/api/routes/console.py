"""What a console asks the server about itself."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from runwright.api.lists import listed_all
from runwright.api.params import Bool, OneOf, Text
from runwright.api.routing import Answer, Call, Route, empty
from runwright.errors import Conflict
from runwright.identity.scopes import ORGANIZATION_SCOPES, PROJECT_SCOPES, Scope
from runwright.values import dataclass

IsTaken = Callable[[str], Awaitable[bool]]
MAX_INDEX_CHARS: Final = 768


class DomainTaken(Conflict):
    noun = "Rule"

    def __init__(self, domain: str) -> None:
        super().__init__(f"The domain '{domain}' has a rule already. Choose another one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleFacts:
    """Settings that consoles adapt to."""

    functions_domain: str
    target_cname: str = ""
    target_a: str = ""
    target_aaaa: str = ""
    build_timeout_s: int = 900
    source_bytes: int = 30_000_000
    is_https_forced: bool = False
    database: str = "sqlite"


@dataclass(frozen=True, kw_only=True)
class ListScopes:
    total: Annotated[bool, Bool(is_loose=True)] = True


@dataclass(frozen=True, kw_only=True)
class FindResource:
    value: Annotated[str, Text(256)]
    type: Annotated[str, OneOf(("rules",))]


class ConsoleHandlers:
    def __init__(self, facts: ConsoleFacts, is_taken: IsTaken) -> None:
        self._facts = facts
        self._is_taken = is_taken

    async def variables(self, call: Call, params: Any) -> Answer:
        facts = self._facts
        has_target = bool(facts.target_cname or facts.target_a or facts.target_aaaa)
        content = {
            "_APP_DOMAIN_TARGET_CNAME": facts.target_cname,
            "_APP_DOMAIN_TARGET_A": facts.target_a,
            "_APP_COMPUTE_BUILD_TIMEOUT": facts.build_timeout_s,
            "_APP_DOMAIN_TARGET_AAAA": facts.target_aaaa,
            "_APP_DOMAIN_TARGET_CAA": "",
            "_APP_STORAGE_LIMIT": facts.source_bytes,
            "_APP_COMPUTE_SIZE_LIMIT": facts.source_bytes,
            "_APP_USAGE_STATS": "disabled",
            "_APP_VCS_ENABLED": False,
            "_APP_VCS_PROVIDERS": [],
            "_APP_VCS_PROVIDERS_WITH_REPOSITORY_CREATION": [],
            "_APP_VCS_PROVIDERS_WITH_PUBLIC_REPOSITORIES": [],
            "_APP_DOMAIN_ENABLED": has_target,
            "_APP_ASSISTANT_ENABLED": False,
            "_APP_DOMAIN_SITES": "",
            "_APP_DOMAIN_FUNCTIONS": facts.functions_domain,
            "_APP_OPTIONS_FORCE_HTTPS": "enabled" if facts.is_https_forced else "disabled",
            "_APP_DOMAINS_NAMESERVERS": "",
            "_APP_DB_ADAPTER": facts.database,
            "supportForRelationships": False,
            "supportForOperators": False,
            "supportForSpatials": False,
            "supportForSpatialIndexNull": False,
            "supportForFulltextWildcard": False,
            "supportForMultipleFulltextIndexes": False,
            "supportForAttributeResizing": False,
            "supportForSchemas": False,
            "maxIndexLength": MAX_INDEX_CHARS,
            "supportForIntegerIds": False,
        }
        return Answer(content=content, model="consoleVariables")

    async def project_scopes(self, call: Call, params: ListScopes) -> Answer:
        return _scopes(PROJECT_SCOPES, params)

    async def organization_scopes(self, call: Call, params: ListScopes) -> Answer:
        return _scopes(ORGANIZATION_SCOPES, params)

    async def resource(self, call: Call, params: FindResource) -> Answer:
        domain = params.value.lower()
        if await self._is_taken(domain):
            raise DomainTaken(domain)
        return empty()


def _scopes(found: tuple[Scope, ...], params: ListScopes) -> Answer:
    return listed_all("consoleScopeList", "scopes", found, _scope, with_total=params.total)


def _scope(scope: Scope) -> dict[str, Any]:
    return {
        "$id": scope.id,
        "description": scope.description,
        "category": scope.category,
        "deprecated": scope.is_deprecated,
    }


def console_routes(facts: ConsoleFacts, is_taken: IsTaken) -> list[Route]:
    """`is_taken` says whether a domain has a rule, in whatever project."""
    handlers = ConsoleHandlers(facts, is_taken)
    return [
        Route(
            name="console.variables",
            method="GET",
            paths=("/v1/console/variables",),
            scopes=("projects.read",),
            handler=handlers.variables,
            model="consoleVariables",
            group="console",
        ),
        Route(
            name="console.listProjectScopes",
            method="GET",
            paths=("/v1/console/scopes/project",),
            scopes=("public",),
            handler=handlers.project_scopes,
            params=ListScopes,
            model="consoleScopeList",
        ),
        Route(
            name="console.listOrganizationScopes",
            method="GET",
            paths=("/v1/console/scopes/organization",),
            scopes=("public",),
            handler=handlers.organization_scopes,
            params=ListScopes,
            model="consoleScopeList",
        ),
        Route(
            name="console.getResource",
            method="GET",
            paths=("/v1/console/resources",),
            scopes=("rules.read",),
            handler=handlers.resource,
            params=FindResource,
            status=204,
            group="console",
        ),
    ]
