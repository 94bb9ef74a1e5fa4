"""Deployments: uploaded, copied, made from templates; listed, cancelled, downloaded, deleted."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Final

from runwright.api.lists import SearchListing, cursor_errors
from runwright.api.params import Bool, Id, Named, OneOf, Text
from runwright.api.queries import Attributes
from runwright.api.routing import Answer, Call, Route, Upload, empty
from runwright.api.shapes import deployments as shapes
from runwright.errors import InvalidQuery, Unauthorized
from runwright.functions.deployments import Deployments, NewFromTemplate
from runwright.functions.downloads import DownloadTokens, FileKind
from runwright.functions.receiving import NewUpload, SourceFile
from runwright.values import dataclass

FILTERS: Final = Attributes(
    "buildSize sourceSize totalSize buildDuration status activate type", can_select=True
)
_CACHE_FOR_S: Final = 45 * 86_400
_MEDIA_TYPES: Final = {
    FileKind.SOURCE: "application/gzip",
    FileKind.OUTPUT: "application/octet-stream",
}
_KINDS: Final = tuple(kind.value for kind in FileKind)


@dataclass(frozen=True, kw_only=True)
class CreateDeployment:
    function_id: Annotated[str, Id()]
    activate: Annotated[bool, Bool(is_loose=True)]
    entrypoint: Annotated[str | None, Text(1028)] = None
    commands: Annotated[str | None, Text(8192, least=0)] = None


@dataclass(frozen=True, kw_only=True)
class ListDeployments(SearchListing):
    function_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class OneDeployment:
    function_id: Annotated[str, Id()]
    deployment_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class DuplicateDeployment(OneDeployment):
    build_id: Annotated[str, Text(36, least=0)] = ""  # of another time; nothing uses it


@dataclass(frozen=True, kw_only=True)
class CreateFromTemplate:
    function_id: Annotated[str, Id()]
    repository: Annotated[str, Text(128)]
    owner: Annotated[str, Text(128)]
    root_directory: Annotated[str, Text(128)]
    kind: Annotated[str, OneOf(("commit", "branch", "tag")), Named("type")]
    reference: Annotated[str, Text(128)]
    activate: Annotated[bool, Bool()] = False


@dataclass(frozen=True, kw_only=True)
class CreateFromVcs:
    function_id: Annotated[str, Id()]
    kind: Annotated[str, OneOf(("branch", "commit")), Named("type")]
    reference: Annotated[str, Text(255)]
    activate: Annotated[bool, Bool()] = False


@dataclass(frozen=True, kw_only=True)
class DownloadDeployment(OneDeployment):
    kind: Annotated[str, OneOf(_KINDS), Named("type")] = FileKind.SOURCE.value
    token: Annotated[str, Text(2048, least=0)] = ""


class DeploymentHandlers:
    def __init__(self, deployments: Deployments, tokens: DownloadTokens) -> None:
        self._deployments = deployments
        self._tokens = tokens

    async def create(self, call: Call, params: CreateDeployment) -> Answer:
        request = NewUpload(
            file=_source(call.uploads.get("code")),
            is_activating=params.activate,
            entrypoint=params.entrypoint,
            commands=params.commands,
            content_range=call.headers.get("content-range"),
            deployment_id=call.headers.get("x-appwrite-id"),
            is_from_cli=_is_cli(call),
        )
        made = await self._deployments.upload(call.project_id, params.function_id, request)
        return Answer(content=shapes.deployment(made))

    async def duplicate(self, call: Call, params: DuplicateDeployment) -> Answer:
        made = await self._deployments.duplicate(
            call.project_id, params.function_id, params.deployment_id, is_from_cli=_is_cli(call)
        )
        return Answer(content=shapes.deployment(made))

    async def create_from_template(self, call: Call, params: CreateFromTemplate) -> Answer:
        request = NewFromTemplate(
            owner=params.owner,
            repository=params.repository,
            root_directory=params.root_directory,
            reference=params.reference,
            is_activating=params.activate,
        )
        made = await self._deployments.from_template(call.project_id, params.function_id, request)
        return Answer(content=shapes.deployment(made))

    async def create_from_vcs(self, call: Call, params: CreateFromVcs) -> Answer:
        made = await self._deployments.from_vcs(call.project_id, params.function_id)
        return Answer(content=shapes.deployment(made))

    async def list(self, call: Call, params: ListDeployments) -> Answer:
        query = params.query(FILTERS)
        if params.search:
            raise InvalidQuery("Deployments have no text to search in. Leave out `search`.")
        with cursor_errors("Deployment"):
            page = await self._deployments.list(call.project_id, params.function_id, query)
        items = [shapes.trimmed(shapes.deployment(item), query.select) for item in page.items]
        return Answer(content={"total": page.total, "deployments": items})

    async def get(self, call: Call, params: OneDeployment) -> Answer:
        found = await self._deployments.get(
            call.project_id, params.function_id, params.deployment_id
        )
        return Answer(content=shapes.deployment(found))

    async def delete(self, call: Call, params: OneDeployment) -> Answer:
        await self._deployments.delete(call.project_id, params.function_id, params.deployment_id)
        return empty()

    async def cancel(self, call: Call, params: OneDeployment) -> Answer:
        canceled = await self._deployments.cancel(
            call.project_id, params.function_id, params.deployment_id
        )
        return Answer(content=shapes.deployment(canceled))

    async def download(self, call: Call, params: DownloadDeployment) -> Answer:
        kind = FileKind(params.kind)
        if not self._may_download(call, params, kind):
            raise Unauthorized
        found = await self._deployments.download(
            call.project_id,
            params.function_id,
            params.deployment_id,
            kind,
            call.headers.get("range"),
        )
        span = found.span
        headers = [
            ("content-disposition", f'attachment; filename="{found.name}"'),
            ("cache-control", f"private, max-age={_CACHE_FOR_S}"),
            ("accept-ranges", "bytes"),
            ("content-length", str(span.end - span.start)),
        ]
        if found.is_partial:
            content_range = f"bytes {span.start}-{span.end - 1}/{found.total_bytes}"
            headers.append(("content-range", content_range))
        return Answer(
            status=206 if found.is_partial else 200,
            headers=tuple(headers),
            media_type=_MEDIA_TYPES[kind],
            parts=found.parts,
        )

    def _may_download(self, call: Call, params: DownloadDeployment, kind: FileKind) -> bool:
        """Anyone gets past the scopes of the route, so that a token alone can open the file."""
        principal = call.principal
        if principal.is_trusted and "functions.read" in principal.scopes:
            return True
        return bool(params.token) and self._tokens.opens(
            params.token, call.project_id, params.deployment_id, kind
        )


def _source(upload: Upload | None) -> SourceFile | None:
    if upload is None:
        return None
    return SourceFile(name=upload.name, path=upload.path, size=upload.size)


def _is_cli(call: Call) -> bool:
    return call.headers.get("x-sdk-language", "").lower() == "cli"


def deployment_routes(deployments: Deployments, tokens: DownloadTokens) -> list[Route]:
    handlers = DeploymentHandlers(deployments, tokens)
    every = "/functions/{functionId}/deployments"
    one = f"{every}/{{deploymentId}}"
    return [
        replace(
            _route("createDeployment", "POST", (every,), handlers.create, CreateDeployment),
            files=("code",),
            headers=("Content-Range", "X-Appwrite-ID"),
        ),
        _route(
            "createDuplicateDeployment",
            "POST",
            (f"{every}/duplicate", f"{one}/build", f"{one}/builds/{{buildId}}"),
            handlers.duplicate,
            DuplicateDeployment,
        ),
        _route(
            "createTemplateDeployment",
            "POST",
            (f"{every}/template",),
            handlers.create_from_template,
            CreateFromTemplate,
        ),
        _route(
            "createVcsDeployment",
            "POST",
            (f"{every}/vcs",),
            handlers.create_from_vcs,
            CreateFromVcs,
        ),
        _route(
            "listDeployments",
            "GET",
            (every,),
            handlers.list,
            ListDeployments,
            model="deploymentList",
        ),
        _route("getDeployment", "GET", (one,), handlers.get, OneDeployment),
        _route("deleteDeployment", "DELETE", (one,), handlers.delete, OneDeployment, model=""),
        replace(
            _route(
                "getDeploymentDownload",
                "GET",
                (f"{one}/download", f"{one}/build/download"),
                handlers.download,
                DownloadDeployment,
                model="",
                scopes=("public", "functions.read"),
            ),
            other_statuses=(206,),
            media_types=tuple(_MEDIA_TYPES.values()),
            headers=("Range",),
        ),
        _route(
            "updateDeploymentStatus",
            "PATCH",
            (f"{one}/status", f"{one}/build"),
            handlers.cancel,
            OneDeployment,
        ),
    ]


_STATUS: Final = {"GET": 200, "POST": 202, "PATCH": 200, "DELETE": 204}


def _route(
    name: str,
    method: str,
    paths: tuple[str, ...],
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    *,
    model: str = "deployment",
    scopes: tuple[str, ...] = (),
) -> Route:
    return Route(
        name=f"functions.{name}",
        method=method,
        paths=tuple(f"/v1{path}" for path in paths),
        scopes=scopes or ("functions.read" if method == "GET" else "functions.write",),
        handler=handler,
        params=params,
        status=_STATUS[method],
        model=model,
        group="functions",
        service="functions",
    )
