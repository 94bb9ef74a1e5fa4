"""Functions, the runtimes and sizes they may have, and templates to start from."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Final

from runwright.api.lists import SearchListing, cursor_errors, listed, listed_all
from runwright.api.params import Bool, CustomId, Id, ListOf, Named, OneOf, Range, Role, Text
from runwright.api.queries import Attributes
from runwright.api.retries import RetryRule
from runwright.api.routing import Answer, Call, Limit, Route, empty
from runwright.api.shapes import functions as shapes
from runwright.functions import templates
from runwright.functions.catalog import FunctionCatalog
from runwright.functions.runtimes import RUNTIME_IDS, ready
from runwright.functions.settings import (
    MAX_CONCURRENCY,
    MAX_INSTANCES,
    MAX_INTERVAL_MIN,
    MAX_MIN_INSTANCES,
    MAX_REQUEST_RETENTION_S,
    FunctionSettings,
)
from runwright.model.event import MAX_CHARS as EVENT_CHARS
from runwright.model.lineage import MAX_SAME_FUNCTION_RUNS
from runwright.model.network import Network
from runwright.model.query import Page
from runwright.model.retry import Retry
from runwright.model.schedule import MAX_CHARS as SCHEDULE_CHARS
from runwright.model.timer import CatchUp, Overlap
from runwright.values import dataclass

FILTERS: Final = Attributes(
    "name enabled runtime deploymentId schedule scheduleNext schedulePrevious timeout "
    "entrypoint commands installationId"
)
CREATIONS_PER_DAY: Final = 50
CATCH_UPS: Final = tuple(item.value for item in CatchUp)
OVERLAPS: Final = tuple(item.value for item in Overlap)
NETWORKS: Final = tuple(item.value for item in Network)
_LONGEST_TIMEOUT_S: Final = 86_400  # each server sets its own limit below this
_LONGEST_RETENTION_DAYS: Final = 36_500

_WordsOrNone = Annotated[tuple[str, ...] | None, ListOf(Text(128))]
_Short = Annotated[str, Text(128, least=0)]


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What creating and updating a function have in common."""

    name: Annotated[str, Text(128)]
    execute: Annotated[tuple[str, ...], ListOf(Role())] = ()
    events: Annotated[tuple[str, ...], ListOf(Text(EVENT_CHARS))] = ()
    schedule: Annotated[str, Text(SCHEDULE_CHARS, least=0)] = ""
    interval: Annotated[int | None, Range(0, MAX_INTERVAL_MIN)] = None
    timezone: Annotated[str | None, Text(64, least=0)] = None
    schedule_catch_up: Annotated[str | None, OneOf(CATCH_UPS)] = None
    schedule_overlap: Annotated[str | None, OneOf(OVERLAPS)] = None
    timeout: Annotated[int, Range(1, _LONGEST_TIMEOUT_S)] = 15
    concurrency: Annotated[int | None, Range(0, MAX_CONCURRENCY)] = None
    retry: Annotated[Retry | None, RetryRule()] = None
    request_retention: Annotated[int | None, Range(0, MAX_REQUEST_RETENTION_S)] = None
    loop_limit: Annotated[int | None, Range(0, MAX_SAME_FUNCTION_RUNS)] = None
    min_instances: Annotated[int | None, Range(0, MAX_MIN_INSTANCES)] = None
    max_instances: Annotated[int | None, Range(0, MAX_INSTANCES)] = None
    network: Annotated[str | None, OneOf(NETWORKS)] = None
    enabled: Annotated[bool, Bool()] = True
    logging: Annotated[bool, Bool()] = True
    entrypoint: Annotated[str, Text(1028, least=0)] = ""
    commands: Annotated[str, Text(8192, least=0)] = ""
    scopes: Annotated[tuple[str, ...], ListOf(Text(64), 200)] = ()
    installation_id: _Short = ""
    provider_repository_id: Annotated[str | None, Text(128, least=0)] = None
    provider_branch: _Short = ""
    provider_silent_mode: Annotated[bool, Bool()] = False
    provider_root_directory: _Short = ""
    provider_branches: _WordsOrNone = None
    provider_paths: _WordsOrNone = None
    build_specification: Annotated[str | None, Text(128)] = None
    runtime_specification: Annotated[str | None, Text(128)] = None
    deployment_retention: Annotated[int, Range(0, _LONGEST_RETENTION_DAYS)] = 0
    description: Annotated[str | None, Text(2048, least=0)] = None
    email_enabled: Annotated[bool | None, Bool()] = None

    def settings(self, runtime: str) -> FunctionSettings:
        return FunctionSettings(
            name=self.name,
            runtime=runtime,
            execute=self.execute,
            events=self.events,
            schedule=self.schedule,
            interval_min=self.interval,
            time_zone=self.timezone,
            catch_up=CatchUp(self.schedule_catch_up) if self.schedule_catch_up else None,
            overlap=Overlap(self.schedule_overlap) if self.schedule_overlap else None,
            timeout_s=self.timeout,
            concurrency=self.concurrency,
            retry=self.retry,
            request_retention_s=self.request_retention,
            loop_limit=self.loop_limit,
            min_instances=self.min_instances,
            max_instances=self.max_instances,
            network=Network(self.network) if self.network else None,
            is_enabled=self.enabled,
            is_logging=self.logging,
            entrypoint=self.entrypoint,
            commands=self.commands,
            scopes=self.scopes,
            deployment_retention_days=self.deployment_retention,
            installation_id=self.installation_id,
            provider_repository_id=self.provider_repository_id,
            provider_branch=self.provider_branch,
            provider_root_directory=self.provider_root_directory,
            is_provider_silent=self.provider_silent_mode,
            provider_branches=self.provider_branches,
            provider_paths=self.provider_paths,
            build_specification=self.build_specification,
            runtime_specification=self.runtime_specification,
            description=self.description,
            is_email_enabled=self.email_enabled,
        )


@dataclass(frozen=True, kw_only=True)
class CreateFunction(_Settings):
    function_id: Annotated[str, CustomId()]
    runtime: Annotated[str, OneOf(RUNTIME_IDS)]


@dataclass(frozen=True, kw_only=True)
class UpdateFunction(_Settings):
    function_id: Annotated[str, Id()]
    runtime: Annotated[str, OneOf(("", *RUNTIME_IDS))] = ""


@dataclass(frozen=True, kw_only=True)
class OneFunction:
    function_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class ActivateDeployment:
    function_id: Annotated[str, Id()]
    deployment_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class ListRuntimes:
    total: Annotated[bool, Bool(is_loose=True)] = True


@dataclass(frozen=True, kw_only=True)
class ListSpecifications:
    kind: Annotated[str, OneOf(("runtimes", "builds")), Named("type")] = "runtimes"
    total: Annotated[bool, Bool(is_loose=True)] = True


@dataclass(frozen=True, kw_only=True)
class ListTemplates:
    runtimes: Annotated[tuple[str, ...], ListOf(OneOf(RUNTIME_IDS))] = ()
    use_cases: Annotated[tuple[str, ...], ListOf(OneOf(templates.USE_CASES))] = ()
    limit: Annotated[int, Range(1, 5000)] = 25
    offset: Annotated[int, Range(0, 5000)] = 0
    total: Annotated[bool, Bool(is_loose=True)] = True


@dataclass(frozen=True, kw_only=True)
class OneTemplate:
    template_id: Annotated[str, Text(128)]


class FunctionHandlers:
    def __init__(self, catalog: FunctionCatalog) -> None:
        self._catalog = catalog

    async def create(self, call: Call, params: CreateFunction) -> Answer:
        settings = params.settings(params.runtime)
        shown = await self._catalog.create(call.project_id, params.function_id, settings)
        return Answer(content=shapes.function(shown))

    async def list(self, call: Call, params: SearchListing) -> Answer:
        with cursor_errors("Function"):
            page = await self._catalog.list(call.project_id, params.query(FILTERS))
        return listed("functionList", "functions", page, shapes.function)

    async def get(self, call: Call, params: OneFunction) -> Answer:
        shown = await self._catalog.get(call.project_id, params.function_id)
        return Answer(content=shapes.function(shown))

    async def update(self, call: Call, params: UpdateFunction) -> Answer:
        settings = params.settings(params.runtime)
        shown = await self._catalog.update(call.project_id, params.function_id, settings)
        return Answer(content=shapes.function(shown))

    async def delete(self, call: Call, params: OneFunction) -> Answer:
        await self._catalog.delete(call.project_id, params.function_id)
        return empty()

    async def activate(self, call: Call, params: ActivateDeployment) -> Answer:
        shown = await self._catalog.activate(
            call.project_id, params.function_id, params.deployment_id
        )
        return Answer(content=shapes.function(shown))

    async def list_runtimes(self, call: Call, params: ListRuntimes) -> Answer:
        found = ready(self._catalog.installed())
        return listed_all("runtimeList", "runtimes", found, shapes.runtime, with_total=params.total)

    async def list_specifications(self, call: Call, params: ListSpecifications) -> Answer:
        # Builds and runs may have the same sizes here, so the kind makes no difference.
        found = self._catalog.limits.specifications
        return listed_all(
            "specificationList",
            "specifications",
            found,
            shapes.specification,
            with_total=params.total,
        )

    async def list_templates(self, call: Call, params: ListTemplates) -> Answer:
        found = templates.search(
            self._catalog.installed(), runtimes=params.runtimes, use_cases=params.use_cases
        )
        chosen = found[params.offset : params.offset + params.limit]
        page = Page(tuple(chosen), len(found) if params.total else 0)
        return listed("templateFunctionList", "templates", page, shapes.template_function)

    async def get_template(self, call: Call, params: OneTemplate) -> Answer:
        found = templates.get(params.template_id, self._catalog.installed())
        return Answer(content=shapes.template_function(found))


def function_routes(catalog: FunctionCatalog, per_day: int = CREATIONS_PER_DAY) -> list[Route]:
    """`per_day` bounds the functions that a project may create; 0 = no limit."""
    handlers = FunctionHandlers(catalog)
    one = "/functions/{functionId}"
    create = _route("create", "POST", ("/functions",), handlers.create, CreateFunction, "function")
    return [
        replace(
            create,
            status=201,
            limit=Limit(
                calls=per_day,
                window_s=86_400,
                keys=("functions.create,projectId:{projectId}",),
                for_everyone=True,
            ),
        ),
        _route("list", "GET", ("/functions",), handlers.list, SearchListing, "functionList"),
        _route(
            "listRuntimes",
            "GET",
            ("/functions/runtimes",),
            handlers.list_runtimes,
            ListRuntimes,
            "runtimeList",
            scope="public",
        ),
        _route(
            "listSpecifications",
            "GET",
            ("/functions/specifications",),
            handlers.list_specifications,
            ListSpecifications,
            "specificationList",
        ),
        _route(
            "listTemplates",
            "GET",
            ("/functions/templates",),
            handlers.list_templates,
            ListTemplates,
            "templateFunctionList",
            scope="public",
        ),
        _route(
            "getTemplate",
            "GET",
            ("/functions/templates/{templateId}",),
            handlers.get_template,
            OneTemplate,
            "templateFunction",
            scope="public",
        ),
        _route("get", "GET", (one,), handlers.get, OneFunction, "function"),
        _route("update", "PUT", (one,), handlers.update, UpdateFunction, "function"),
        replace(_route("delete", "DELETE", (one,), handlers.delete, OneFunction), status=204),
        _route(
            "updateFunctionDeployment",
            "PATCH",
            (f"{one}/deployment", f"{one}/deployments/{{deploymentId}}"),
            handlers.activate,
            ActivateDeployment,
            "function",
        ),
    ]


def _route(
    name: str,
    method: str,
    paths: tuple[str, ...],
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    model: str = "",
    *,
    scope: str = "",
) -> Route:
    return Route(
        name=f"functions.{name}",
        method=method,
        paths=tuple(f"/v1{path}" for path in paths),
        scopes=(scope or ("functions.read" if method == "GET" else "functions.write"),),
        handler=handler,
        params=params,
        model=model,
        group="functions",
        service="functions",
    )
