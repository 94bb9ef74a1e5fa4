"""Projects: who makes, sees, changes and deletes them; their switches and policies."""

import pytest
from appwrite.models.project import Project as ProjectModel

from runwright.model.identity import Membership
from tests.fakes.identity import PROJECT_ID, Person, World, open_world, query

pytestmark = pytest.mark.anyio


async def organization(person: Person) -> str:
    return str((await person.get("/teams")).body["teams"][0]["$id"])


async def another_account(world: World, name: str = "eve") -> Person:
    """A console account with an organization of its own, `<name>-org`."""
    email = f"{name}@example.com"
    signup = {"userId": name, "email": email, "password": "password", "name": name}
    made = await world.console_guest.post("/account", signup)
    assert made.status == 201, made.body
    person = await world.signed_in(world.console_guest, email, "password")
    await person.post("/teams", {"teamId": f"{name}-org", "name": name})
    return person


async def test_an_owner_makes_and_finds_projects(world: World) -> None:
    owner = await world.owner()
    team_id = await organization(owner)
    made = await owner.post(
        "/projects", {"projectId": "shop", "name": "Shop", "teamId": team_id, "region": "default"}
    )
    assert made.status == 201
    assert (made.body["$id"], made.body["teamId"], made.body["region"]) == (
        "shop",
        team_id,
        "default",
    )
    assert (await owner.get("/projects/shop")).body["name"] == "Shop"
    queries = [query("equal", "teamId", team_id), query("orderDesc", "$id")]
    listed = await owner.get("/projects", {"queries": queries})
    assert [item["$id"] for item in listed.body["projects"]] == ["shop", PROJECT_ID]
    assert (await owner.get("/projects", {"search": "shop"})).body["total"] == 1


@pytest.mark.parametrize(
    ("changed", "status", "kind"),
    [
        ({"teamId": "nothing"}, 404, "team_not_found"),
        ({"projectId": "console"}, 400, "project_reserved_project"),
        ({"projectId": PROJECT_ID}, 409, "project_already_exists"),
        ({"projectId": "Upper"}, 400, "general_argument_invalid"),
        ({"region": "mars"}, 400, "project_region_unsupported"),
        ({"name": ""}, 400, "general_argument_invalid"),
    ],
)
async def test_projects_that_cannot_be_made(
    world: World, changed: dict[str, object], status: int, kind: str
) -> None:
    owner = await world.owner()
    wanted = {"projectId": "shop", "name": "Shop", "teamId": await organization(owner)}
    refused = await owner.post("/projects", wanted | changed)
    assert (refused.status, refused.type) == (status, kind)


async def test_strangers_make_see_and_change_nothing_of_others() -> None:
    async with open_world(console_signup="open") as world:
        eve, owner = await another_account(world), await world.owner()
        theirs = await organization(owner)
        refused = await eve.post(
            "/projects", {"projectId": "mine", "name": "Mine", "teamId": theirs}
        )
        assert (refused.status, refused.type) == (401, "user_unauthorized")
        assert (await eve.get("/projects")).body == {"total": 0, "projects": []}
        for call in (
            eve.get(f"/projects/{PROJECT_ID}"),
            eve.delete(f"/projects/{PROJECT_ID}"),
            eve.patch(f"/projects/{PROJECT_ID}", {"name": "Mine"}),
            eve.post(f"/projects/{PROJECT_ID}/keys", {"keyId": "k", "name": "k", "scopes": []}),
            eve.get("/users", x_appwrite_project=PROJECT_ID, x_appwrite_mode="admin"),
            eve.patch(f"/projects/{PROJECT_ID}/team", {"teamId": "eve-org"}),
        ):
            reply = await call
            assert (reply.status, reply.type) == (401, "user_unauthorized")
        assert (await owner.get(f"/projects/{PROJECT_ID}")).status == 200


async def test_guests_and_ordinary_users_reach_no_console_route(world: World) -> None:
    ann = await world.user("ann")
    assert (await world.console_guest.get("/projects")).type == "general_unauthorized_scope"
    assert (await ann.get("/projects")).type == "general_access_forbidden"
    refused = await ann.post("/projects", {"projectId": "x", "name": "x", "teamId": "x"})
    assert refused.type == "general_unauthorized_scope"
    assert (await ann.get("/project")).type == "general_unauthorized_scope"


async def test_a_key_reads_and_changes_its_own_project_by_both_paths(world: World) -> None:
    assert (await world.server.get("/project")).body["$id"] == PROJECT_ID
    assert (await world.server.get(f"/projects/{PROJECT_ID}")).body["$id"] == PROJECT_ID
    reader = await world.key("project.read")
    assert (await reader.get("/project")).status == 200
    refused = await reader.patch("/project", {"name": "New"})
    assert refused.type == "general_unauthorized_scope"
    changed = await world.server.patch("/project", {"name": "New"})
    assert (changed.status, changed.body["name"]) == (200, "New")


async def test_a_deleted_project_is_gone_with_everything_in_it(world: World) -> None:
    ann = await world.user("ann")
    owner = await world.owner()
    assert (await owner.delete(f"/projects/{PROJECT_ID}")).status == 204
    for person in (ann, world.server, world.guest):
        reply = await person.get("/account")
        assert (reply.status, reply.type) == (404, "project_not_found")
    await owner.post(
        "/projects",
        {"projectId": PROJECT_ID, "name": "Again", "teamId": await organization(owner)},
    )
    assert (await ann.get("/account")).type == "general_unauthorized_scope"
    assert (await world.server.get("/users")).type == "user_unauthorized"
    admin = await world.admin()
    assert (await admin.get("/users")).body == {"total": 0, "users": []}


async def test_a_deleted_organization_takes_its_projects_along() -> None:
    async with open_world(console_signup="open") as world:
        eve = await another_account(world)
        await eve.post("/projects", {"projectId": "evil", "name": "Evil", "teamId": "eve-org"})
        assert (await eve.delete("/teams/eve-org")).status == 204
        reply = await world.guest.get("/account", x_appwrite_project="evil")
        assert (reply.status, reply.type) == (404, "project_not_found")


async def test_the_organization_endpoints_are_about_the_one_in_the_header() -> None:
    async with open_world(console_signup="open") as world:
        eve, owner = await another_account(world), await world.owner()
        here = eve.also(x_appwrite_organization="eve-org")
        path = "/organization/projects"
        made = await here.post(path, {"projectId": "one", "name": "One"})
        assert (made.status, made.body["teamId"]) == (201, "eve-org")
        assert (await here.get(path)).body["total"] == 1
        assert (await here.get(f"{path}/one")).body["name"] == "One"
        assert (await here.patch(f"{path}/one", {"name": "Uno"})).body["name"] == "Uno"
        foreign = await here.get(f"{path}/{PROJECT_ID}")
        assert (foreign.status, foreign.type) == (404, "project_not_found")
        nowhere = await eve.get(path)
        assert (nowhere.status, nowhere.type) == (404, "team_not_found")
        unknown = await eve.get(path, x_appwrite_organization="nothing")
        assert (unknown.status, unknown.type) == (404, "team_not_found")
        outsider = await owner.get(path, x_appwrite_organization="eve-org")
        assert (outsider.status, outsider.type) == (401, "user_unauthorized")
        assert (await here.delete(f"{path}/one")).status == 204
        assert (await here.get(path)).body["total"] == 0


async def test_a_project_moves_between_organizations_of_one_owner(world: World) -> None:
    owner = await world.owner()
    await owner.post("/teams", {"teamId": "second", "name": "Second"})
    moved = await owner.patch(f"/projects/{PROJECT_ID}/team", {"teamId": "second"})
    assert (moved.status, moved.body["teamId"]) == (200, "second")
    missing = await owner.patch(f"/projects/{PROJECT_ID}/team", {"teamId": "third"})
    assert (missing.status, missing.type) == (404, "team_not_found")


@pytest.mark.parametrize(
    ("path", "older", "group", "item"),
    [
        ("/project/services/teams", ("/service", {"service": "teams"}), "services", "teams"),
        ("/project/protocols/graphql", ("/api", {"api": "graphql"}), "protocols", "graphql"),
        ("/project/auth-methods/jwt", ("/auth/jwt", {}), "authMethods", "jwt"),
    ],
)
async def test_switches_turn_off_and_on_by_both_paths(
    world: World, path: str, older: tuple[str, dict[str, object]], group: str, item: str
) -> None:
    def state(body: dict[str, list[dict[str, object]]]) -> object:
        return next(entry["enabled"] for entry in body[group] if entry["$id"] == item)

    owner, admin = await world.owner(), await world.admin()
    off = await admin.patch(path, {"enabled": False})
    assert (off.status, state(off.body)) == (200, False)
    suffix, named = older
    on = await owner.patch(f"/projects/{PROJECT_ID}{suffix}", {**named, "enabled": True})
    assert (on.status, state(on.body)) == (200, True)


async def test_the_command_line_of_the_official_tools_pushes_its_settings(world: World) -> None:
    """It asks for an older format: other names, a flat project."""
    owner = (await world.owner()).also(x_appwrite_response_format="1.8.0")
    base = f"/projects/{PROJECT_ID}"
    for path, body in (
        ("", {"name": "Pushed"}),
        ("/service", {"service": "functions", "status": True}),
        ("/auth/duration", {"duration": 7200}),
        ("/auth/limit", {"limit": 100}),
        ("/auth/max-sessions", {"limit": 5}),
        ("/auth/password-history", {"limit": 3}),
        ("/auth/personal-data", {"enabled": True}),
        ("/auth/password-dictionary", {"enabled": True}),
        ("/auth/session-alerts", {"alerts": True}),
        ("/auth/mock-numbers", {"numbers": []}),
        ("/auth/email-otp", {"status": False}),
    ):
        changed = await owner.patch(f"{base}{path}", body)
        assert changed.status == 200, (path, changed.body)
    shown = (await owner.get(base)).body
    assert (shown["name"], shown["authDuration"], shown["authLimit"]) == ("Pushed", 7200, 100)
    assert (shown["authSessionsLimit"], shown["authPasswordHistory"]) == (5, 3)
    assert (shown["authPasswordDictionary"], shown["authSessionAlerts"]) == (True, True)
    assert (shown["authPersonalDataCheck"], shown["authEmailOtp"]) == (True, False)
    assert shown["serviceStatusForFunctions"] is True


async def test_the_newest_shape_is_what_the_official_client_reads(world: World) -> None:
    shown = (await world.server.get("/project", x_appwrite_response_format="2.5.0")).body
    assert ProjectModel.model_validate(shown).name == "Default project"
    assert "authDuration" not in shown


@pytest.mark.parametrize(
    ("path", "body", "shown"),
    [
        ("session-duration", {"duration": 60}, {"duration": 60}),
        ("session-limit", {"total": 100}, {"total": 100}),
        ("user-limit", {"total": 10000}, {"total": 10000}),
        ("session-invalidation", {"enabled": False}, {"enabled": False}),
        ("password-history", {"total": 20}, {"total": 20}),
        ("password-dictionary", {"enabled": True}, {"enabled": True}),
        ("session-alert", {"enabled": True}, {"enabled": True}),
        ("password-personal-data", {"enabled": True}, {"enabled": True}),
        ("password-strength", {"min": 12}, {"min": 12, "uppercase": False}),
        ("membership-privacy", {"userMFA": True}, {"userMFA": True, "userId": False}),
        ("passkey", {"rpId": "example.com"}, {"rpId": "example.com"}),
        ("mfa-factors", {"phone": False}, {"totp": True, "phone": False, "custom": False}),
    ],
)
async def test_policies_are_set_and_shown(
    world: World, path: str, body: dict[str, object], shown: dict[str, object]
) -> None:
    changed = await world.server.patch(f"/project/policies/{path}", body)
    assert changed.status == 200
    policy = (await world.server.get(f"/project/policies/{path}")).body
    assert policy["$id"] == path
    assert policy.items() >= shown.items()
    listed = (await world.server.get("/project/policies")).body
    assert listed["total"] == len(listed["policies"])
    assert policy in listed["policies"]


async def test_password_strength_answers_with_itself(world: World) -> None:
    changed = await world.server.patch("/project/policies/password-strength", {"symbols": True})
    assert changed.body == {
        "$id": "password-strength",
        "min": 8,
        "uppercase": False,
        "lowercase": False,
        "number": False,
        "symbols": True,
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("session-duration", {"duration": 59}),
        ("session-duration", {}),
        ("session-limit", {"total": 0}),
        ("session-limit", {"total": 101}),
        ("user-limit", {"total": 10001}),
        ("password-history", {"total": 21}),
        ("session-invalidation", {"enabled": "yes"}),
    ],
)
async def test_policies_out_of_range_are_refused(
    world: World, path: str, body: dict[str, object]
) -> None:
    refused = await world.server.patch(f"/project/policies/{path}", body)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_project_labels_are_replaced(world: World) -> None:
    changed = await world.server.put("/project/labels", {"labels": ["a", "a", "b"]})
    assert changed.body["labels"] == ["a", "b"]


async def test_roles_on_one_project_show_that_project_alone() -> None:
    async with open_world(console_signup="open") as world:
        owner = await world.owner()
        team_id = await organization(owner)
        await owner.post("/projects", {"projectId": "shop", "name": "Shop", "teamId": team_id})
        eve = await another_account(world)
        invited = Membership(
            id="m",
            project_id="console",
            created_at=world.clock.now(),
            updated_at=world.clock.now(),
            team_id=team_id,
            user_id=eve.id,
            roles=("project-shop-developer",),
            invited_at=world.clock.now(),
            is_confirmed=True,
        )
        await world.bench.storage.write(lambda uow: uow.memberships.add(invited))
        eve = await world.signed_in(world.console_guest, "eve@example.com", "password")
        listed = (await eve.get("/projects")).body["projects"]
        assert [item["$id"] for item in listed] == ["shop"]
        assert (await eve.get("/projects/shop")).status == 200
        refused = await eve.get(f"/projects/{PROJECT_ID}")
        assert (refused.status, refused.type) == (404, "project_not_found")
        elsewhere = await eve.get(
            f"/organization/projects/{PROJECT_ID}", x_appwrite_organization=team_id
        )
        assert (elsewhere.status, elsewhere.type) == (404, "project_not_found")
        # Who looks after one project of an organization must not take it away from there.
        await eve.post("/teams", {"teamId": "eve-org", "name": "Eve"})
        taken = await eve.patch("/projects/shop/team", {"teamId": "eve-org"})
        assert (taken.status, taken.type) == (401, "user_unauthorized")
        assert (await owner.get("/projects/shop")).body["teamId"] == team_id
