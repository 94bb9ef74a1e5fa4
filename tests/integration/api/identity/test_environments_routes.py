"""Environments: projects that belong to a project."""

import pytest

from tests.fakes.identity import PROJECT_ID, World
from tests.integration.api.identity.test_projects_routes import organization

pytestmark = pytest.mark.anyio

STAGING = {"environmentId": "staging", "name": "Staging"}


async def test_an_environment_is_a_project_of_the_same_organization(world: World) -> None:
    made = await world.server.post("/project/environments", STAGING)
    assert made.status == 201
    own = (await world.server.get("/project")).body
    assert (made.body["$id"], made.body["parentId"]) == ("staging", PROJECT_ID)
    assert (made.body["teamId"], own["parentId"]) == (own["teamId"], None)
    again = await world.server.post("/project/environments", STAGING)
    assert again.type == "project_already_exists"
    listed = (await world.server.get("/project/environments")).body
    assert [item["$id"] for item in listed["projects"]] == ["staging"]
    admin = (await world.admin()).also(x_appwrite_project="staging")
    assert (await admin.get("/project")).body["name"] == "Staging"
    renamed = await world.server.patch("/project/environments/staging", {"name": "Stage"})
    assert renamed.body["name"] == "Stage"
    assert (await world.server.get("/project/environments/staging")).body["name"] == "Stage"
    assert (await world.server.delete("/project/environments/staging")).status == 204
    assert (await admin.get("/project")).type == "project_not_found"


async def test_a_projects_key_opens_no_environment(world: World) -> None:
    await world.server.post("/project/environments", STAGING)
    inside = world.server.also(x_appwrite_project="staging")
    assert (await inside.get("/users")).type == "user_unauthorized"


async def test_an_environment_has_no_environments(world: World) -> None:
    await world.server.post("/project/environments", STAGING)
    admin = (await world.admin()).also(x_appwrite_project="staging")
    deeper = {"environmentId": "deeper", "name": "Deeper"}
    assert (await admin.post("/project/environments", deeper)).type == "general_bad_request"
    for call in (
        admin.get(f"/project/environments/{PROJECT_ID}"),
        admin.delete(f"/project/environments/{PROJECT_ID}"),
        world.server.get("/project/environments/nothing"),
        world.server.patch("/project/environments/nothing", {"name": "x"}),
    ):
        assert (await call).type == "project_not_found"


async def test_environments_go_where_their_project_goes(world: World) -> None:
    owner, server = await world.owner(), world.server
    await server.post("/project/environments", STAGING)
    team_id = await organization(owner)
    alone = await owner.patch("/projects/staging/team", {"teamId": team_id})
    assert alone.type == "general_bad_request"
    await owner.post("/teams", {"teamId": "other", "name": "Other"})
    moved = await owner.patch(f"/projects/{PROJECT_ID}/team", {"teamId": "other"})
    assert moved.status == 200, moved.body
    assert (await server.get("/project/environments/staging")).body["teamId"] == "other"
    assert (await server.delete("/project")).status == 204
    assert (await owner.get("/projects")).body["total"] == 0


async def test_only_those_who_may_change_the_project_may_make_environments(world: World) -> None:
    reader, ann = await world.key("project.read"), await world.user("ann")
    for person in (reader, ann, world.guest):
        refused = await person.post("/project/environments", STAGING)
        assert refused.type == "general_unauthorized_scope"
    assert (await reader.get("/project/environments")).body["total"] == 0
