"""An organization, its members and its keys: for an owner, a developer and a stranger."""

import pytest

from runwright.model.identity import CONSOLE, ApiKey
from tests.fakes.identity import PROJECT_ID, Person, World, open_world
from tests.integration.api.identity.test_projects_routes import another_account, organization

pytestmark = pytest.mark.anyio


async def of_owner(world: World) -> Person:
    owner = await world.owner()
    return owner.also(x_appwrite_organization=await organization(owner))


async def key_of(person: Person, *scopes: str, **fields: object) -> Person:
    """Somebody who holds a key of the person's organization."""
    wanted = {"keyId": "unique()", "name": "key", "scopes": list(scopes), **fields}
    made = await person.post("/organization/keys", wanted)
    assert made.status == 201, made.body
    assert made.body["secret"].startswith("organization_")
    team_id = person.headers["x-appwrite-organization"]
    return Person(
        person.client,
        {"x-appwrite-organization": team_id, "x-appwrite-key": made.body["secret"]},
    )


async def test_an_owner_sees_renames_and_ends_the_organization(world: World) -> None:
    owner = await of_owner(world)
    shown = (await owner.get("/organization")).body
    assert shown["$id"] == owner.headers["x-appwrite-organization"]
    assert (shown["total"], shown["status"]) == (1, "active")
    assert (await owner.put("/organization", {"name": "New"})).body["name"] == "New"
    assert (await owner.delete("/organization")).status == 204
    assert (await owner.get("/organization")).type == "team_not_found"
    assert (await world.server.get("/project")).type == "project_not_found"


async def test_who_names_no_organization_is_about_none(world: World) -> None:
    owner = await world.owner()
    assert (await owner.get("/organization")).type == "general_unauthorized_scope"
    nothing = owner.also(x_appwrite_organization="nothing")
    assert (await nothing.get("/organization")).type == "team_not_found"


async def test_strangers_and_members_without_a_role_change_nothing() -> None:
    async with open_world(console_signup="open") as world:
        owner, eve = await of_owner(world), await another_account(world)
        team_id = owner.headers["x-appwrite-organization"]
        stranger = eve.also(x_appwrite_organization=team_id)
        for call in (
            stranger.get("/organization"),
            stranger.put("/organization", {"name": "Mine"}),
            stranger.delete("/organization"),
            stranger.get("/organization/memberships"),
            stranger.get("/organization/keys"),
            stranger.get(f"/organization/projects/{PROJECT_ID}/keys"),
        ):
            assert (await call).type == "user_unauthorized"
        key = await key_of(owner, "organization.memberships.read", "organization.read")
        assert (await key.get("/organization/memberships")).body["total"] == 1
        assert (await key.get("/organization")).body["$id"] == team_id
        assert (await key.put("/organization", {"name": "x"})).type == "general_unauthorized_scope"


async def test_the_members_of_an_organization_keep_an_owner(world: World) -> None:
    owner = await of_owner(world)
    listed = (await owner.get("/organization/memberships")).body
    (member,) = listed["memberships"]
    path = f"/organization/memberships/{member['$id']}"
    assert (await owner.get(path)).body["roles"] == ["owner"]
    assert (await owner.patch(path, {"roles": ["owner", "developer"]})).body["roles"] == [
        "owner",
        "developer",
    ]
    refused = await owner.patch(path, {"roles": ["developer"]})
    assert refused.type == "membership_downgrade_prohibited"
    assert (await owner.delete(path)).type == "membership_deletion_prohibited"


async def test_keys_of_the_projects_of_an_organization(world: World) -> None:
    owner = await of_owner(world)
    path = f"/organization/projects/{PROJECT_ID}/keys"
    (listed,) = (await owner.get(path)).body["keys"]
    one = f"{path}/{listed['$id']}"
    assert (await owner.get(one)).body["secret"] == ""
    made = await owner.post(f"{path}/ephemeral", {"scopes": ["users.read"], "duration": 60})
    ephemeral = world.guest.also(x_appwrite_key=made.body["secret"])
    assert (await ephemeral.get("/users")).status == 200
    changed = await owner.put(one, {"name": "New", "scopes": ["teams.read"]})
    assert changed.body["scopes"] == ["teams.read"]
    assert (await world.server.get("/users")).type == "general_unauthorized_scope"
    assert (await owner.delete(one)).status == 204
    assert (await world.server.get("/teams")).type == "user_unauthorized"
    nowhere = await owner.get("/organization/projects/nothing/keys")
    assert nowhere.type == "project_not_found"


async def test_an_organizations_key_manages_its_projects_and_no_others() -> None:
    async with open_world(console_signup="open") as world:
        owner, eve = await of_owner(world), await another_account(world)
        theirs = {"projectId": "theirs", "name": "Theirs", "teamId": "eve-org"}
        assert (await eve.post("/projects", theirs)).status == 201
        key = await key_of(owner, "projects.read", "projects.write", "keys.read")
        team_id = key.headers["x-appwrite-organization"]
        found = (await key.get("/organization/projects")).body["projects"]
        assert [project["$id"] for project in found] == [PROJECT_ID]
        assert (await key.get("/projects")).body["total"] == 1
        for call in (
            key.get("/organization/projects/theirs"),
            key.delete("/organization/projects/theirs"),
            key.get("/organization/projects/theirs/keys"),
            key.patch("/projects/theirs/team", {"teamId": team_id}),
        ):
            assert (await call).type == "project_not_found"
        not_there = await key.post("/projects", theirs | {"projectId": "more"})
        assert not_there.type == "user_unauthorized"
        for path in ("/projects/theirs/keys", f"/projects/{PROJECT_ID}/keys"):
            assert (await key.get(path)).type == "user_unauthorized"
        on_project = key.also(x_appwrite_project=PROJECT_ID)
        assert (await on_project.get("/project/keys")).type == "user_unauthorized"


async def test_an_organizations_key_gives_away_only_what_it_holds(world: World) -> None:
    key = await key_of(await of_owner(world), "organization.keys.write", "projects.read")
    more = {"keyId": "k", "name": "k", "scopes": ["projects.write"]}
    assert (await key.post("/organization/keys", more)).type == "key_creation_denied"
    less = more | {"scopes": ["projects.read"]}
    assert (await key.post("/organization/keys", less)).status == 201
    refused = await key.put("/organization/keys/k", {"name": "k", "scopes": ["projects.write"]})
    assert refused.type == "key_creation_denied"


async def test_keys_of_owners_are_stored_hashed_and_end_at_once(world: World) -> None:
    owner = await of_owner(world)
    key = await key_of(owner, "projects.read", keyId="k", expire="2026-08-22T00:00:00.000+00:00")
    assert (await owner.get("/organization/keys")).body["total"] == 1
    shown = (await owner.get("/organization/keys/k")).body
    assert (shown["secret"], shown["scopes"]) == ("", ["projects.read"])
    stored = await world.bench.storage.read(lambda uow: uow.keys.get(CONSOLE, "k"))
    assert isinstance(stored, ApiKey)
    assert key.headers["x-appwrite-key"] not in repr(stored)
    without = Person(key.client, {"x-appwrite-key": key.headers["x-appwrite-key"]})
    assert (await without.get("/organization/projects")).type == "organization_id_missing"
    other = key.also(x_appwrite_organization="other")
    assert (await other.get("/organization/projects")).type == "organization_id_missing"
    world.clock.move(86_400)
    assert (await key.get("/organization/projects")).type == "organization_key_expired"
    longer = {"name": "k", "scopes": ["projects.read"]}
    assert (await owner.put("/organization/keys/k", longer)).body["expire"] == ""
    assert (await key.get("/organization/projects")).status == 200
    assert (await owner.delete("/organization/keys/k")).status == 204
    assert (await key.get("/organization/projects")).type == "user_unauthorized"
    assert (await owner.get("/organization/keys/k")).type == "key_not_found"


async def test_an_organization_takes_its_keys_along(world: World) -> None:
    owner = await of_owner(world)
    key = await key_of(owner, "projects.read", keyId="k")
    await owner.delete("/organization")
    assert (await key.get("/projects")).type == "user_unauthorized"
    assert await world.bench.storage.read(lambda uow: uow.keys.find(CONSOLE)) == []


async def test_a_key_of_an_account_stands_for_its_owner(world: World) -> None:
    owner = await world.owner()
    wanted = {"keyId": "k", "name": "k", "scopes": ["account", "teams.read"]}
    made = await owner.post("/account/keys", wanted)
    assert made.body["secret"].startswith("account_")
    holder = Person(
        owner.client, {"x-appwrite-user": owner.id, "x-appwrite-key": made.body["secret"]}
    )
    assert (await holder.get("/account")).body["$id"] == owner.id
    assert (await holder.get("/teams")).body["total"] == 1
    assert (await holder.get("/projects")).type == "general_unauthorized_scope"
    assert (await holder.post("/account/keys", wanted)).type == "key_creation_denied"
    with_session = holder.also(cookie=owner.headers["cookie"])
    assert (await with_session.get("/account")).type == "user_api_key_and_session_set"
    for named in ("", "somebody"):
        other = holder.also(x_appwrite_user=named)
        assert (await other.get("/account")).type == "user_id_missing"
    on_project = holder.also(x_appwrite_project=PROJECT_ID)
    assert (await on_project.get("/account")).type == "user_unauthorized"
    expired = {"name": "k", "scopes": ["account"], "expire": "2020-01-01T00:00:00.000+00:00"}
    assert (await owner.put("/account/keys/k", expired)).status == 200
    assert (await holder.get("/account")).type == "account_key_expired"
    assert (await owner.get("/account/keys")).body["total"] == 1
    assert (await owner.delete("/account/keys/k")).status == 204
    assert (await owner.get("/account/keys/k")).type == "key_not_found"


async def test_users_of_projects_have_no_keys(world: World) -> None:
    ann = await world.user("ann")
    wanted = {"keyId": "k", "name": "k", "scopes": ["account"]}
    assert (await ann.post("/account/keys", wanted)).type == "general_access_forbidden"
