"""Deployments over the API: shapes, statuses, aliases, errors, and who may do what."""

import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from appwrite.models.deployment import Deployment as DeploymentModel
from appwrite.models.deployment_list import DeploymentList

from runwright.api.app import ApiOptions, build_app
from runwright.api.limits import Limiter
from runwright.api.routes.deployments import deployment_routes
from runwright.api.routing import Route
from runwright.functions.downloads import DownloadTokens, FileKind
from runwright.functions.uploads import CHUNK_BYTES
from runwright.identity.authentication import Authenticator
from runwright.identity.scopes import KEY_SCOPES
from runwright.identity.tokens import hash_secret
from runwright.model.function import DeploymentStatus
from runwright.model.identity import ApiKey, User
from runwright.ports.storage import UnitOfWork
from tests.fakes.archives import source
from tests.fakes.clock import START
from tests.fakes.declared import as_declared
from tests.unit.functions.yard import PROJECT, Yard, building, open_yard

pytestmark = pytest.mark.anyio

SECRET = "standard_" + "a" * 64
READER = "standard_" + "b" * 64  # a key that may only read functions
OUTSIDER = "standard_" + "c" * 64  # a key that may do nothing with functions
EVERY = "/functions/f1/deployments"


@dataclass
class Front:
    yard: Yard
    client: httpx.AsyncClient
    downloads: DownloadTokens
    routes: list[Route]

    async def send(
        self,
        method: str,
        path: str,
        *,
        auth: str = "key",
        headers: dict[str, str] | None = None,
        **body: Any,
    ) -> httpx.Response:
        """`auth`: key, reader, outsider, user or guest."""
        sent = {"x-appwrite-project": PROJECT, **(headers or {})}
        keys = {"key": SECRET, "reader": READER, "outsider": OUTSIDER}
        if auth in keys:
            sent["x-appwrite-key"] = keys[auth]
        elif auth == "user":
            jwt = self.yard.tokens.user_jwt("u1", "", 900, project_id=PROJECT)
            sent["x-appwrite-jwt"] = jwt
        return await self.client.request(method, f"/v1{path}", headers=sent, **body)

    async def upload(
        self,
        data: bytes | None = None,
        *,
        name: str = "code.tar.gz",
        headers: dict[str, str] | None = None,
        auth: str = "key",
        form: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        return await self.send(
            "POST",
            EVERY,
            auth=auth,
            headers=headers,
            data={"activate": "true", **(form or {})},
            files={"code": (name, source() if data is None else data)},
        )

    async def deploy(self) -> str:
        """A deployment that is ready; the builder must be at work."""
        made = (await self.upload()).json()
        await self.yard.until(made["$id"], DeploymentStatus.READY)
        return str(made["$id"])


@asynccontextmanager
async def open_front(folder: Path) -> AsyncIterator[Front]:
    async with open_yard(folder) as yard:
        await yard.database.write(_add_people)
        await yard.create_function(commands="npm install")
        downloads = DownloadTokens(b"d" * 32, yard.clock, build_timeout_s=900)
        routes = deployment_routes(yard.deployments, downloads)
        async with Authenticator(
            yard.database, yard.signals, yard.tokens, yard.clock
        ) as authenticator:
            app = build_app(
                routes, authenticator, Limiter(yard.clock), ApiOptions(upload_dir=str(folder))
            )
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport,
                base_url="http://localhost",
                event_hooks={"response": [as_declared(routes)]},
            ) as client:
                yield Front(yard, client, downloads, routes)


def _add_people(uow: UnitOfWork) -> None:
    for key_id, secret, scopes in (
        ("full", SECRET, tuple(sorted(KEY_SCOPES))),
        ("reader", READER, ("functions.read",)),
        ("outsider", OUTSIDER, ("users.read",)),
    ):
        key = ApiKey(
            id=key_id,
            project_id=PROJECT,
            created_at=START,
            updated_at=START,
            name=key_id,
            scopes=scopes,
            secret_hash=hash_secret(secret),
            accessed_at=START,
        )
        uow.keys.add(key)
    uow.users.add(User(id="u1", project_id=PROJECT, created_at=START, updated_at=START))


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path) as opened:
        yield opened


def problem(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["code"] == answer.status_code
    return answer.status_code, body["type"]


def query(method: str, attribute: str, *values: object) -> str:
    return json.dumps({"method": method, "attribute": attribute, "values": list(values)})


# Shapes


def fields(model: type[Any]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


async def test_a_deployment_has_every_field_that_the_sdk_knows(front: Front) -> None:
    answer = await front.upload()
    assert answer.status_code == 202
    made = answer.json()
    assert sorted(made) == sorted(fields(DeploymentModel))
    assert DeploymentModel.from_dict(made) is not None
    assert made["status"] == "waiting"
    assert made["sourceSize"] == made["totalSize"] == len(source())
    assert (made["resourceId"], made["resourceType"]) == ("f1", "functions")
    assert (made["type"], made["activate"], made["buildId"]) == ("manual", True, "")
    assert made["entrypoint"] == "main.js"
    assert made["$createdAt"] == "2026-10-05T08:00:00.000+00:00"
    async with building(front.yard):
        await front.yard.until(made["$id"], DeploymentStatus.READY)
    ready = (await front.send("GET", f"{EVERY}/{made['$id']}")).json()
    assert DeploymentModel.from_dict(ready) is not None
    assert ready["totalSize"] == ready["sourceSize"] + ready["buildSize"]
    assert ready["buildSize"] > 0
    assert "Deployment finished." in ready["buildLogs"]
    assert set(ready) == set(made)


async def test_older_formats_get_the_names_they_know(front: Front) -> None:
    answer = await front.upload(headers={"x-appwrite-response-format": "1.6.0"})
    made = answer.json()
    assert made["size"] == len(source())
    assert made["buildTime"] == 0
    assert "sourceSize" not in made
    assert "totalSize" not in made


async def test_the_cli_leaves_its_name(front: Front) -> None:
    answer = await front.upload(headers={"x-sdk-language": "cli"})
    assert answer.json()["type"] == "cli"
    copy = await front.send(
        "POST",
        f"{EVERY}/duplicate",
        headers={"x-sdk-language": "cli"},
        json={"deploymentId": answer.json()["$id"]},
    )
    assert copy.json()["type"] == "cli"


# Uploads


@pytest.mark.parametrize(
    ("sent", "shown"), [("true", True), ("1", True), ("false", False), ("0", False)]
)
async def test_activate_takes_texts_and_means_what_it_says(
    front: Front, sent: str, shown: bool
) -> None:
    assert (await front.upload(form={"activate": sent})).json()["activate"] is shown


async def test_parameters_are_checked_before_the_handler(front: Front) -> None:
    without = await front.send("POST", EVERY, files={"code": ("code.tar.gz", source())})
    assert problem(without) == (400, "general_argument_invalid")
    assert "activate" in without.json()["message"]
    for form in ({"activate": "maybe"}, {"entrypoint": ""}, {"commands": "x" * 8193}):
        assert problem(await front.upload(form=form)) == (400, "general_argument_invalid")


async def test_every_refusal_of_an_upload_has_its_name(front: Front) -> None:
    files = {"code": ("code.tar.gz", source())}
    form = {"activate": "true"}
    nobody = await front.send("POST", "/functions/nobody/deployments", data=form, files=files)
    assert problem(nobody) == (404, "function_not_found")
    await front.yard.create_function("bare", entrypoint="")
    bare = await front.send("POST", "/functions/bare/deployments", data=form, files=files)
    assert problem(bare) == (404, "function_entrypoint_missing")
    other_field = await front.send("POST", EVERY, data=form, files={"file": ("a.gz", b"x")})
    assert problem(other_field) == (400, "storage_file_empty")
    assert problem(await front.send("POST", EVERY, json={"activate": True})) == (
        400,
        "storage_file_empty",
    )
    assert problem(await front.upload(name="code.zip")) == (400, "storage_file_type_unsupported")
    for header in ("bytes 0-1", "bytes 5-1/10", f"bytes 0-9/{len(source())}"):
        answer = await front.upload(headers={"content-range": header})
        assert problem(answer) == (400, "storage_invalid_content_range")
    large = await front.upload(
        b"x" * CHUNK_BYTES, headers={"content-range": f"bytes 0-{CHUNK_BYTES - 1}/30000001"}
    )
    assert problem(large) == (400, "deployment_invalid_file_size")
    assert (await front.send("GET", EVERY)).json()["total"] == 0


async def test_a_chunked_upload_as_the_sdks_do_it(front: Front) -> None:
    data = source({"main.js": b"x"}) + bytes(CHUNK_BYTES)  # the size counts, not the content
    first = await front.upload(
        data[:CHUNK_BYTES],
        headers={"content-range": f"bytes 0-{CHUNK_BYTES - 1}/{len(data)}"},
    )
    assert first.status_code == 202
    deployment_id = first.json()["$id"]
    assert first.json()["status"] == "waiting"
    last = await front.upload(
        data[CHUNK_BYTES:],
        headers={
            "content-range": f"bytes {CHUNK_BYTES}-{len(data) - 1}/{len(data)}",
            "x-appwrite-id": deployment_id,
        },
    )
    assert last.status_code == 202
    assert last.json()["$id"] == deployment_id
    assert last.json()["sourceSize"] == len(data)
    assert (await front.send("GET", EVERY)).json()["total"] == 1
    assert not list(front.yard.folder.glob("upload-*"))  # nothing received is left


async def test_a_busy_upload_says_when_to_come_back(tmp_path: Path) -> None:
    async with open_front(tmp_path) as front:
        front.yard.uploads._lock_wait_s = 0.05
        async with front.yard.uploads.alone(PROJECT, "mine"):
            answer = await front.upload(
                b"x", headers={"content-range": "bytes 0-0/1", "x-appwrite-id": "mine"}
            )
    assert problem(answer) == (429, "general_rate_limit_exceeded")
    assert answer.headers["retry-after"] == "5"


# Lists


async def test_lists_filter_order_page_and_select(front: Front) -> None:
    ids = []
    for number in range(4):
        front.yard.clock.advance(1)
        data = source({"main.js": random.Random(1).randbytes(1000 * number)})
        ids.append((await front.upload(data, form={"activate": "false"})).json()["$id"])
    await front.send("PATCH", f"{EVERY}/{ids[0]}/status")

    async def shown(*queries: str) -> list[str]:
        answer = await front.send("GET", EVERY, params={"queries[]": list(queries)})
        assert answer.status_code == 200, answer.text
        assert DeploymentList.from_dict(answer.json()) is not None
        return [item["$id"] for item in answer.json()["deployments"]]

    assert await shown() == ids
    assert await shown(query("orderDesc", "$createdAt")) == ids[::-1]
    assert await shown(query("equal", "status", "canceled")) == ids[:1]
    assert await shown(query("equal", "type", "manual"), query("limit", "", 2)) == ids[:2]
    assert await shown(query("equal", "activate", True)) == []
    assert await shown(query("cursorAfter", "", ids[1])) == ids[2:]
    sizes = [(await front.yard.row(item)).total_bytes for item in ids]
    assert await shown(query("greaterThan", "totalSize", sizes[2])) == ids[3:]
    assert await shown(query("lessThan", "sourceSize", sizes[1])) == ids[:1]
    assert await shown(query("equal", "buildSize", 0)) == ids
    assert await shown(query("equal", "buildDuration", 0)) == ids
    selected = await front.send(
        "GET", EVERY, params={"queries[]": query("select", "", "status", "sourceSize")}
    )
    assert set(selected.json()["deployments"][0]) == {
        "$id",
        "$createdAt",
        "$updatedAt",
        "status",
        "sourceSize",
    }
    uncounted = await front.send("GET", EVERY, params={"total": "false"})
    assert uncounted.json()["total"] == 0


async def test_lists_refuse_what_they_cannot_do(front: Front) -> None:
    searched = await front.send("GET", EVERY, params={"search": "x"})
    assert problem(searched) == (400, "general_query_invalid")
    unsearched = await front.send("GET", EVERY, params={"search": ""})
    assert unsearched.status_code == 200
    unknown = await front.send("GET", EVERY, params={"queries[]": query("equal", "commands", "x")})
    assert problem(unknown) == (400, "general_argument_invalid")
    cursor = await front.send("GET", EVERY, params={"queries[]": query("cursorAfter", "", "gone")})
    assert problem(cursor) == (400, "general_cursor_not_found")
    assert problem(await front.send("GET", "/functions/nobody/deployments")) == (
        404,
        "function_not_found",
    )


# One deployment


async def test_a_missing_deployment_is_not_found_anywhere(front: Front) -> None:
    one = f"{EVERY}/nothing"
    answers = [
        await front.send("GET", one),
        await front.send("DELETE", one),
        await front.send("PATCH", f"{one}/status"),
        await front.send("PATCH", f"{one}/build"),
        await front.send("GET", f"{one}/download"),
        await front.send("POST", f"{one}/build", json={}),
        await front.send("POST", f"{EVERY}/duplicate", json={"deploymentId": "nothing"}),
    ]
    assert {problem(answer) for answer in answers} == {(404, "deployment_not_found")}


async def test_delete_answers_without_a_body_but_with_a_type(front: Front) -> None:
    made = (await front.upload()).json()
    answer = await front.send("DELETE", f"{EVERY}/{made['$id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "json" not in answer.headers["content-type"]
    assert (await front.send("GET", f"{EVERY}/{made['$id']}")).status_code == 404


@pytest.mark.parametrize("path", ["status", "build"])
async def test_a_build_is_cancelled_by_either_path(front: Front, path: str) -> None:
    made = (await front.upload()).json()
    answer = await front.send("PATCH", f"{EVERY}/{made['$id']}/{path}")
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert DeploymentModel.from_dict(answer.json()) is not None


async def test_a_finished_build_is_not_cancelled(front: Front) -> None:
    async with building(front.yard):
        ready = await front.deploy()
    answer = await front.send("PATCH", f"{EVERY}/{ready}/status")
    assert problem(answer) == (400, "build_already_completed")


async def test_a_copy_is_made_by_each_path(front: Front) -> None:
    old = (await front.upload(form={"activate": "false"})).json()["$id"]
    answers = [
        await front.send("POST", f"{EVERY}/duplicate", json={"deploymentId": old, "buildId": "b"}),
        await front.send("POST", f"{EVERY}/{old}/build"),
        await front.send("POST", f"{EVERY}/{old}/builds/any"),
    ]
    for answer in answers:
        assert answer.status_code == 202
        assert answer.json()["activate"] is True
        assert answer.json()["$id"] != old
    missing = await front.send("POST", f"{EVERY}/duplicate", json={})
    assert problem(missing) == (400, "general_argument_invalid")


TEMPLATE = {
    "repository": "templates",
    "owner": "runwright",
    "rootDirectory": "starter/node",
    "type": "tag",
    "reference": "0.1.*",
}


async def test_a_template_is_deployed(front: Front) -> None:
    answer = await front.send("POST", f"{EVERY}/template", json={**TEMPLATE, "activate": True})
    assert answer.status_code == 202
    made = answer.json()
    assert (made["type"], made["providerRepositoryName"]) == ("vcs", "templates")
    assert DeploymentModel.from_dict(made) is not None


async def test_templates_refuse_what_they_do_not_have(front: Front) -> None:
    path = f"{EVERY}/template"
    other = await front.send("POST", path, json={**TEMPLATE, "owner": "somebody"})
    assert problem(other) == (404, "provider_repository_not_found")
    for name in TEMPLATE:
        sent = {key: value for key, value in TEMPLATE.items() if key != name}
        assert problem(await front.send("POST", path, json=sent)) == (
            400,
            "general_argument_invalid",
        )
    for wrong in ({"type": "release"}, {"activate": "yes"}, {"owner": "x" * 129}):
        answer = await front.send("POST", path, json={**TEMPLATE, **wrong})
        assert problem(answer) == (400, "general_argument_invalid")


async def test_version_control_answers_as_documented(front: Front) -> None:
    sent = {"type": "branch", "reference": "main"}
    answer = await front.send("POST", f"{EVERY}/vcs", json=sent)
    assert problem(answer) == (404, "installation_not_found")
    connected = replace(await front.yard.function(), installation_id="i1")
    await front.yard.database.write(lambda uow: uow.functions.put(connected))
    answer = await front.send("POST", f"{EVERY}/vcs", json=sent)
    assert problem(answer) == (404, "provider_repository_not_found")
    wrong = await front.send("POST", f"{EVERY}/vcs", json={**sent, "type": "tag"})
    assert problem(wrong) == (400, "general_argument_invalid")


# Downloads


async def test_the_source_is_downloaded_whole_and_in_ranges(front: Front) -> None:
    data = source()
    made = (await front.upload(data)).json()["$id"]
    whole = await front.send("GET", f"{EVERY}/{made}/download")
    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["content-type"] == "application/gzip"
    assert whole.headers["content-length"] == str(len(data))
    assert whole.headers["cache-control"] == "private, max-age=3888000"
    assert whole.headers["content-disposition"] == (f'attachment; filename="{made}-source.tar.gz"')
    part = await front.send("GET", f"{EVERY}/{made}/download", headers={"range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, data[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(data)}"
    assert part.headers["content-length"] == "5"
    assert part.headers["accept-ranges"] == "bytes"
    rest = await front.send("GET", f"{EVERY}/{made}/download", headers={"range": "bytes=9-"})
    assert (rest.status_code, rest.content) == (206, data[9:])
    beyond = await front.send(
        "GET", f"{EVERY}/{made}/download", headers={"range": f"bytes=0-{len(data)}"}
    )
    assert problem(beyond) == (416, "storage_invalid_range")


async def test_the_output_is_downloaded_by_either_path(front: Front) -> None:
    async with building(front.yard):
        ready = await front.deploy()
    for path in ("download", "build/download"):
        answer = await front.send("GET", f"{EVERY}/{ready}/{path}", params={"type": "output"})
        assert answer.status_code == 200
        assert answer.content[:2] == b"\x1f\x8b"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == (
            f'attachment; filename="{ready}-output-code.tar.gz"'
        )
    wrong = await front.send("GET", f"{EVERY}/{ready}/download", params={"type": "logs"})
    assert problem(wrong) == (400, "general_argument_invalid")


async def test_a_token_opens_a_download_for_anyone_and_nothing_else(front: Front) -> None:
    made = (await front.upload()).json()["$id"]
    other = (await front.upload()).json()["$id"]
    token = front.downloads.mint(PROJECT, made, FileKind.SOURCE)
    for person in ("guest", "user", "outsider"):
        opened = await front.send(
            "GET", f"{EVERY}/{made}/download", auth=person, params={"token": token}
        )
        assert opened.status_code == 200
        refused = [
            await front.send("GET", f"{EVERY}/{made}/download", auth=person),
            await front.send(
                "GET", f"{EVERY}/{other}/download", auth=person, params={"token": token}
            ),
            await front.send(
                "GET",
                f"{EVERY}/{made}/download",
                auth=person,
                params={"token": token, "type": "output"},
            ),
        ]
        assert {problem(answer) for answer in refused} == {(401, "user_unauthorized")}
    front.yard.clock.advance(3600)
    late = await front.send(
        "GET", f"{EVERY}/{made}/download", auth="guest", params={"token": token}
    )
    assert problem(late) == (401, "user_unauthorized")


# People


def calls(deployment_id: str) -> list[tuple[str, str, dict[str, Any]]]:
    one = f"{EVERY}/{deployment_id}"
    return [
        ("POST", EVERY, {"json": {"activate": True}}),
        ("POST", f"{EVERY}/duplicate", {"json": {"deploymentId": deployment_id}}),
        ("POST", f"{EVERY}/template", {"json": TEMPLATE}),
        ("POST", f"{EVERY}/vcs", {"json": {"type": "branch", "reference": "main"}}),
        ("GET", EVERY, {}),
        ("GET", one, {}),
        ("PATCH", f"{one}/status", {}),
        ("DELETE", one, {}),
    ]


@pytest.mark.parametrize("person", ["guest", "user", "outsider"])
async def test_only_holders_of_the_scopes_get_through(front: Front, person: str) -> None:
    made = (await front.upload()).json()["$id"]
    for method, path, body in calls(made):
        answer = await front.send(method, path, auth=person, **body)
        assert problem(answer) == (401, "general_unauthorized_scope"), (method, path)
    assert (await front.upload(auth=person)).status_code == 401


async def test_who_may_read_may_not_write(front: Front) -> None:
    made = (await front.upload()).json()["$id"]
    for method, path, body in calls(made):
        answer = await front.send(method, path, auth="reader", **body)
        expected = 200 if method == "GET" else 401
        assert answer.status_code == expected, (method, path)
    assert (await front.send("GET", f"{EVERY}/{made}/download", auth="reader")).status_code == 200


async def test_every_call_of_the_sdk_has_a_route(front: Front) -> None:
    names = {route.name for route in front.routes}
    assert names == {
        f"functions.{name}"
        for name in (
            "createDeployment",
            "createDuplicateDeployment",
            "createTemplateDeployment",
            "createVcsDeployment",
            "listDeployments",
            "getDeployment",
            "deleteDeployment",
            "getDeploymentDownload",
            "updateDeploymentStatus",
        )
    }
