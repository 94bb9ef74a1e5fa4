"""Who a request is from: sessions, JWTs, keys, admins; and that changes apply at once."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from runwright.identity.authentication import Credentials
from runwright.identity.key_use import REFRESH_AFTER
from runwright.identity.refusals import UnknownKey
from runwright.identity.scopes import GUEST_SCOPES
from runwright.identity.tokens import Tokens, UserJwtInvalid, encode_session
from runwright.model.identity import CONSOLE, CallerKind, Principal, Team
from runwright.model.lineage import Lineage
from tests.unit.api.world import (
    KEY,
    OTHER_PROJECT,
    PROJECT,
    START,
    TEAM,
    World,
    a_key,
    a_membership,
    a_project,
    a_route,
    a_session,
    a_user,
    about,
    as_admin,
    cookie,
    problem,
    session_value,
)

pytestmark = pytest.mark.anyio


async def _ask(world: World, headers: dict[str, str]) -> httpx.Response:
    async with world.client() as client:
        return await client.get("/v1/things", headers=headers)


async def _caller(world: World, headers: dict[str, str]) -> Principal:
    response = await _ask(world, headers)
    assert response.status_code == 200, response.text
    return world.seen.last.principal


async def test_nobody_is_a_guest(world: World) -> None:
    caller = await _caller(world, about())
    assert (caller.kind, caller.user, caller.project_id) == (CallerKind.GUEST, None, PROJECT)
    assert caller.roles == {"any", "guests"}
    assert caller.scopes == GUEST_SCOPES
    assert "executions.write" in caller.scopes
    assert "executions.read" not in caller.scopes


async def test_a_session_is_a_user_with_roles_of_teams_and_labels(world: World) -> None:
    await world.put(
        a_user("ann", labels=("vip",), is_phone_verified=True),
        a_session("ann"),
        a_membership("ann", PROJECT, "bakers", "oven"),
    )
    caller = await _caller(world, about() | cookie("ann"))
    assert caller.kind is CallerKind.USER
    assert caller.session is not None
    assert caller.session.id == "session-ann"
    assert caller.roles == {
        "any",
        "users",
        "users/verified",
        "user:ann",
        "user:ann/verified",
        "team:bakers",
        "team:bakers/oven",
        "member:member-ann",
        "label:vip",
    }


@pytest.mark.parametrize(
    "value",
    [
        "",
        "%%%",
        "bm90IGpzb24=",
        encode_session("ann", "wrong secret"),
        encode_session("nobody", "x"),
        encode_session("../ann", "x"),
        encode_session("ann\x00", "x"),
        "x" * 20_000,
    ],
)
async def test_a_session_that_is_none_is_a_guest_without_an_error(world: World, value: str) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    caller = await _caller(world, about(x_appwrite_session=value))
    assert caller.kind is CallerKind.GUEST


async def test_a_session_of_another_project_is_a_guest(world: World) -> None:
    await world.put(a_user("ann", OTHER_PROJECT), a_session("ann", OTHER_PROJECT))
    caller = await _caller(world, about(x_appwrite_session=session_value("ann")))
    assert caller.kind is CallerKind.GUEST


async def test_a_session_ends_when_its_time_is_over(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann", expires_at=START + timedelta(seconds=10)))
    assert (await _caller(world, about() | cookie("ann"))).kind is CallerKind.USER
    world.clock.move(10)
    assert (await _caller(world, about() | cookie("ann"))).kind is CallerKind.USER
    world.clock.move(0.001)
    assert (await _caller(world, about() | cookie("ann"))).kind is CallerKind.GUEST


async def test_the_first_session_value_that_can_be_read_counts(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"), a_user("bob"), a_session("bob"))
    headers = about(x_appwrite_session=session_value("bob"))
    broken = {"cookie": f"a_session_{PROJECT}=broken"}
    assert (await _caller(world, headers | broken)).user_id == "bob"
    assert (await _caller(world, headers | cookie("ann"))).user_id == "ann"
    wrong = {"cookie": f"a_session_{PROJECT}={encode_session('ann', 'wrong')}"}
    assert (await _caller(world, headers | wrong)).kind is CallerKind.GUEST


async def test_a_removed_session_is_a_guest_at_once(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    assert (await _caller(world, about() | cookie("ann"))).user_id == "ann"
    await world.remove(a_session("ann"))
    assert (await _caller(world, about() | cookie("ann"))).kind is CallerKind.GUEST


async def test_a_blocked_user_is_let_in_again_after_unblocking(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    assert (await _ask(world, about() | cookie("ann"))).status_code == 200
    await world.put(a_user("ann", is_active=False))
    assert problem(await _ask(world, about() | cookie("ann"))) == (403, "user_blocked")
    await world.put(a_user("ann"))
    assert (await _ask(world, about() | cookie("ann"))).status_code == 200


async def test_a_new_team_role_applies_to_the_next_request(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    assert "team:bakers" not in (await _caller(world, about() | cookie("ann"))).roles
    await world.put(a_membership("ann", PROJECT, "bakers"))
    assert "team:bakers" in (await _caller(world, about() | cookie("ann"))).roles


async def test_a_warm_request_reads_no_database(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"), a_key("users.read"))
    jwt = world.tokens.user_jwt("ann", "session-ann", 900, project_id=PROJECT)
    kinds = [
        about() | cookie("ann"),
        about(x_appwrite_jwt=jwt),
        about(x_appwrite_key=KEY),
        about(x_appwrite_key=world.tokens.execution_key(PROJECT, (), 60)),
        about(),
    ]
    for headers in kinds:
        await _caller(world, headers)
    reads = world.storage.reads
    for headers in kinds:
        await _caller(world, headers)
    assert world.storage.reads == reads


# JWT


async def test_a_jwt_acts_as_its_user(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    jwt = world.tokens.user_jwt("ann", "session-ann", 900, project_id=PROJECT)
    caller = await _caller(world, about(x_appwrite_jwt=jwt))
    assert (caller.kind, caller.user_id, caller.by_jwt) == (CallerKind.USER, "ann", True)
    assert caller.session is not None


async def test_a_jwt_bound_to_no_session_acts_without_one(world: World) -> None:
    await world.put(a_user("ann"))
    jwt = world.tokens.user_jwt("ann", "", 900, project_id=PROJECT)
    caller = await _caller(world, about(x_appwrite_jwt=jwt))
    assert (caller.user_id, caller.session) == ("ann", None)


async def test_a_jwt_whose_session_or_user_is_gone_is_a_guest(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann", expires_at=START + timedelta(seconds=5)))
    gone = world.tokens.user_jwt("ann", "session-other", 900, project_id=PROJECT)
    nobody = world.tokens.user_jwt("nobody", "", 900, project_id=PROJECT)
    bound = world.tokens.user_jwt("ann", "session-ann", 900, project_id=PROJECT)
    for jwt in (gone, nobody):
        assert (await _caller(world, about(x_appwrite_jwt=jwt))).kind is CallerKind.GUEST
    assert (await _caller(world, about(x_appwrite_jwt=bound))).kind is CallerKind.USER
    world.clock.move(6)
    assert (await _caller(world, about(x_appwrite_jwt=bound))).kind is CallerKind.GUEST


async def test_a_jwt_and_a_session_together_are_refused(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    jwt = world.tokens.user_jwt("ann", "session-ann", 900, project_id=PROJECT)
    both = await _ask(world, about(x_appwrite_jwt=jwt) | cookie("ann"))
    assert problem(both) == (403, "user_jwt_and_cookie_set")
    # A cookie that signs nobody in does not count as one.
    stale = {"cookie": f"a_session_{PROJECT}={encode_session('ann', 'wrong')}"}
    assert (await _caller(world, about(x_appwrite_jwt=jwt) | stale)).user_id == "ann"


async def test_a_jwt_is_refused_when_it_is_over_forged_or_for_another_project(
    world: World,
) -> None:
    await world.put(a_user("ann"), a_user("ann", OTHER_PROJECT))
    short = world.tokens.user_jwt("ann", "", 10, project_id=PROJECT)
    foreign = world.tokens.user_jwt("ann", "", 900, project_id=OTHER_PROJECT)
    key = world.tokens.execution_key(PROJECT, (), 900).removeprefix("ephemeral_")
    forged = Tokens(b"x" * 32, world.clock).user_jwt("ann", "", 900, project_id=PROJECT)
    for jwt, reason in (
        (foreign, "Made for another project"),
        (key, "Signature failed"),
        (forged, "Signature failed"),
        ("rubbish", "Incomplete segments"),
    ):
        response = await _ask(world, about(x_appwrite_jwt=jwt))
        assert problem(response) == (401, "user_jwt_invalid")
        assert response.json()["message"] == f"Failed to verify JWT. Invalid token: {reason}"
    assert (await _caller(world, about(x_appwrite_jwt=short))).user_id == "ann"
    world.clock.move(10)
    over = await _ask(world, about(x_appwrite_jwt=short))
    assert over.json()["message"] == "Failed to verify JWT. Invalid token: Expired"


async def test_a_jwt_of_a_blocked_user_is_told_so(world: World) -> None:
    await world.put(a_user("ann", is_active=False))
    jwt = world.tokens.user_jwt("ann", "", 900, project_id=PROJECT)
    assert problem(await _ask(world, about(x_appwrite_jwt=jwt))) == (403, "user_blocked")


async def test_on_domains_a_jwt_without_a_living_user_is_refused(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    bound = world.tokens.user_jwt("ann", "session-ann", 900, project_id=PROJECT)
    nobody = world.tokens.user_jwt("nobody", "", 900, project_id=PROJECT)
    found = await world.authenticator.user_for_jwt(PROJECT, bound)
    assert found.user_id == "ann"
    await world.remove(a_session("ann"))
    for jwt in (bound, nobody):
        with pytest.raises(UserJwtInvalid):
            await world.authenticator.user_for_jwt(PROJECT, jwt)


# Keys


async def test_a_key_holds_its_scopes_and_what_everybody_may(world: World) -> None:
    await world.put(a_key("users.read"))
    caller = await _caller(world, about(x_appwrite_key=KEY))
    assert (caller.kind, caller.key_id, caller.is_trusted) == (CallerKind.KEY, "key", True)
    assert caller.scopes == {"users.read", "global", "public", "graphql", "health.read"}
    assert caller.roles == {"any", "keys"}


async def test_a_key_beside_a_session_decides_and_the_user_is_still_known(world: World) -> None:
    await world.put(a_key(), a_user("ann"), a_session("ann"))
    caller = await _caller(world, about(x_appwrite_key=KEY) | cookie("ann"))
    assert (caller.kind, caller.user_id) == (CallerKind.KEY, "ann")
    assert "account" not in caller.scopes
    await world.put(a_user("ann", is_active=False))
    blocked = await _caller(world, about(x_appwrite_key=KEY) | cookie("ann"))
    assert blocked.kind is CallerKind.KEY


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("standard_unknown", (401, "user_unauthorized")),
        ("unknownwithoutprefix", (401, "user_unauthorized")),
        ("account_x", (403, "user_id_missing")),
        ("organization_x", (403, "organization_id_missing")),
    ],
)
async def test_a_key_that_is_none_is_refused(
    world: World, key: str, expected: tuple[int, str]
) -> None:
    assert problem(await _ask(world, about(x_appwrite_key=key))) == expected


async def test_keys_of_accounts_and_organizations_do_not_exist_here(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    account = about(x_appwrite_key="account_x", x_appwrite_user="ann")
    organization = about(x_appwrite_key="organization_x", x_appwrite_organization=TEAM)
    for headers in (account, organization):
        assert problem(await _ask(world, headers)) == (401, "user_unauthorized")
    both = await _ask(world, account | cookie("ann"))
    assert problem(both) == (403, "user_api_key_and_session_set")


@pytest.mark.parametrize("key", ["magic_x", "ephemeral_x", "ephemeral_a.b.c", "dynamic_", "_"])
async def test_a_key_of_an_unknown_kind_or_a_dead_execution_key_is_a_guest(
    world: World, key: str
) -> None:
    caller = await _caller(world, about(x_appwrite_key=key))
    assert (caller.kind, caller.user) == (CallerKind.GUEST, None)


async def test_a_key_needs_the_header_of_its_project(world: World) -> None:
    await world.put(a_key())
    async with world.client() as client:
        by_parameter = await client.get(
            "/v1/things", params={"project": PROJECT}, headers={"x-appwrite-key": KEY}
        )
    assert problem(by_parameter) == (403, "project_id_missing")
    elsewhere = await _ask(world, about(OTHER_PROJECT, x_appwrite_key=KEY))
    assert problem(elsewhere) == (401, "user_unauthorized")


async def test_a_key_past_its_end_is_told_so(world: World) -> None:
    await world.put(a_key(expires_at=START + timedelta(seconds=5)))
    assert (await _ask(world, about(x_appwrite_key=KEY))).status_code == 200
    world.clock.move(5)
    assert problem(await _ask(world, about(x_appwrite_key=KEY))) == (401, "project_key_expired")


async def test_a_changed_or_deleted_key_applies_to_the_next_request(world: World) -> None:
    await world.put(a_key("users.read"))
    assert "users.read" in (await _caller(world, about(x_appwrite_key=KEY))).scopes
    await world.put(a_key("teams.read"))
    assert "users.read" not in (await _caller(world, about(x_appwrite_key=KEY))).scopes
    await world.remove(a_key())
    assert problem(await _ask(world, about(x_appwrite_key=KEY))) == (401, "user_unauthorized")


async def test_a_key_of_a_project_made_again_does_not_come_back(world: World) -> None:
    await world.put(a_key())
    assert (await _ask(world, about(x_appwrite_key=KEY))).status_code == 200
    await world.remove(a_project(PROJECT))
    await world.database.write(lambda uow: uow.keys.remove(PROJECT, "key"))
    assert problem(await _ask(world, about(x_appwrite_key=KEY))) == (404, "project_not_found")
    await world.put(a_project(PROJECT))
    assert problem(await _ask(world, about(x_appwrite_key=KEY))) == (401, "user_unauthorized")


@pytest.mark.parametrize("prefix", ["ephemeral_", "dynamic_"])
async def test_an_execution_key_holds_its_scopes_and_its_lineage(world: World, prefix: str) -> None:
    made = world.tokens.execution_key(PROJECT, ("users.read",), 60, Lineage(("a", "b"), "c"))
    key = prefix + made.removeprefix("ephemeral_")
    caller = await _caller(world, about(x_appwrite_key=key))
    assert caller.kind is CallerKind.KEY
    assert "users.read" in caller.scopes
    assert caller.lineage == Lineage(("a", "b"), "c")
    world.clock.move(60)
    assert (await _caller(world, about(x_appwrite_key=key))).kind is CallerKind.GUEST


async def test_an_execution_key_of_another_project_is_a_guest(world: World) -> None:
    key = world.tokens.execution_key(OTHER_PROJECT, ("users.read",), 60)
    assert (await _caller(world, about(x_appwrite_key=key))).kind is CallerKind.GUEST


async def test_a_missing_scope_is_named_with_the_caller(world: World) -> None:
    await world.put(a_key(), a_user("ann"), a_session("ann"))
    route = a_route(world.seen, scopes=("users.read", "users.write"))
    async with world.client(route) as client:
        as_key = await client.get("/v1/things", headers=about(x_appwrite_key=KEY))
        as_guest = await client.get("/v1/things", headers=about())
        as_user = await client.get("/v1/things", headers=about() | cookie("ann"))
    missing = 'missing scopes (["users.read","users.write"])'
    assert [response.json()["message"] for response in (as_key, as_guest, as_user)] == [
        f"app.{PROJECT}@service.localhost (role: applications) {missing}",
        f"User (role: guests) {missing}",
        f"ann@example.com (role: users) {missing}",
    ]


async def test_the_use_of_a_key_is_stored_behind_the_request_once_a_day(world: World) -> None:
    await world.put(a_key(accessed_at=None))
    await _ask(world, about(x_appwrite_key=KEY, x_sdk_name="Python"))
    await world.authenticator.flush()
    key = await world.storage.read(lambda uow: uow.keys.get(PROJECT, "key"))
    assert key is not None
    assert (key.accessed_at, key.sdks) == (START, ("Python",))
    writes = world.storage.writes
    world.clock.move(REFRESH_AFTER.total_seconds() - 1)
    await _ask(world, about(x_appwrite_key=KEY, x_sdk_name="Python"))
    await _ask(world, about(x_appwrite_key=KEY, x_sdk_name="Some Browser"))
    await world.authenticator.flush()
    assert world.storage.writes == writes
    world.clock.move(1)
    await _ask(world, about(x_appwrite_key=KEY, x_sdk_name="Ruby"))
    await world.authenticator.flush()
    key = await world.storage.read(lambda uow: uow.keys.get(PROJECT, "key"))
    assert key is not None
    assert (key.accessed_at, key.sdks) == (world.clock.now(), ("Python", "Ruby"))


async def test_identify_raises_what_the_api_would_answer(world: World) -> None:
    with pytest.raises(UnknownKey):
        await world.authenticator.identify(
            Credentials(project_id=PROJECT, header_project_id=PROJECT, key="standard_no")
        )
    found = await world.authenticator.identify(Credentials(project_id=PROJECT))
    assert found.project is not None
    assert found.principal.kind is CallerKind.GUEST


# Three people: the owner of the organization, a member of it, a stranger


async def _three(world: World) -> None:
    for name in ("olivia", "max", "sam"):
        await world.put(a_user(name, CONSOLE), a_session(name, CONSOLE))
    await world.put(
        a_membership("olivia", CONSOLE, TEAM, "owner"),
        a_membership("max", CONSOLE, TEAM, "developer"),
        Team(id=TEAM, project_id=CONSOLE, created_at=START, updated_at=START, name="Org"),
    )


async def test_an_owner_a_member_and_a_stranger_come_to_a_project(world: World) -> None:
    await _three(world)
    owner = await _caller(world, as_admin("olivia"))
    member = await _caller(world, as_admin("max"))
    assert (owner.kind, member.kind) == (CallerKind.ADMIN, CallerKind.ADMIN)
    assert "account" in owner.scopes
    assert "account" not in member.scopes
    assert "functions.write" in member.scopes
    assert {"owner", f"team:{TEAM}/owner", "user:olivia"} <= owner.roles
    assert problem(await _ask(world, as_admin("sam"))) == (401, "user_unauthorized")


async def test_without_admin_mode_a_console_session_is_not_looked_at(world: World) -> None:
    await _three(world)
    caller = await _caller(world, about() | cookie("olivia", CONSOLE))
    assert caller.kind is CallerKind.GUEST


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (("project-shop-owner",), "owner"),
        (("project-shop-developer",), "developer"),
        (("project-shop2-owner",), None),
        (("project-bakery-owner",), None),
        (("auditor",), None),
        (("admin",), None),
    ],
)
async def test_a_member_sees_only_the_projects_its_roles_allow(
    world: World, roles: tuple[str, ...], expected: str | None
) -> None:
    await _three(world)
    await world.put(a_membership("max", CONSOLE, TEAM, *roles))
    response = await _ask(world, as_admin("max"))
    if expected is None:
        assert problem(response) == (404, "project_not_found")
    else:
        assert response.status_code == 200
        assert expected in world.seen.last.principal.roles


async def test_an_unconfirmed_member_is_a_stranger(world: World) -> None:
    await _three(world)
    invited = replace(a_membership("sam", CONSOLE, TEAM, "owner"), is_confirmed=False)
    await world.put(invited)
    assert problem(await _ask(world, as_admin("sam"))) == (401, "user_unauthorized")


async def test_an_old_path_with_the_console_header_is_admin_mode(world: World) -> None:
    await _three(world)
    route = a_route(
        world.seen,
        scopes=("keys.read",),
        paths=("/v1/project/keys", "/v1/projects/{projectId}/keys"),
        group="project",
    )
    path = f"/v1/projects/{PROJECT}/keys"
    async with world.client(route) as client:
        owner = await client.get(path, headers=about(CONSOLE) | cookie("olivia", CONSOLE))
        stranger = await client.get(path, headers=about(CONSOLE) | cookie("sam", CONSOLE))
        plain = await client.get(path, headers=cookie("olivia", CONSOLE))
    assert owner.status_code == 200
    assert world.seen.last.principal.kind is CallerKind.ADMIN
    assert world.seen.last.project_id == PROJECT
    assert problem(stranger) == (401, "user_unauthorized")
    assert problem(plain) == (401, "general_unauthorized_scope")


async def test_a_key_on_an_old_path_needs_the_header_of_that_project(world: World) -> None:
    await world.put(a_key("keys.read"))
    route = a_route(world.seen, paths=("/v1/project/keys", "/v1/projects/{projectId}/keys"))
    path = f"/v1/projects/{PROJECT}/keys"
    async with world.client(route) as client:
        named = await client.get(path, headers=about(x_appwrite_key=KEY))
        console = await client.get(path, headers=about(CONSOLE, x_appwrite_key=KEY))
    assert named.status_code == 200
    assert problem(console) == (403, "project_id_missing")


async def test_console_requests_have_the_rights_of_the_organization_they_name(
    world: World,
) -> None:
    await _three(world)
    create = a_route(
        world.seen,
        "/v1/projects",
        name="projects.create",
        method="POST",
        scopes=("projects.write",),
    )
    change = a_route(
        world.seen,
        "/v1/projects/{projectId}",
        name="projects.update",
        method="PATCH",
        scopes=("projects.write",),
    )
    async with world.client(create, change) as client:

        async def answers(method: str, path: str, body: dict[str, str]) -> list[int | str]:
            found: list[int | str] = []
            for name in ("olivia", "max", "sam"):
                headers = about(CONSOLE) | cookie(name, CONSOLE)
                response = await client.request(method, path, json=body, headers=headers)
                is_fine = response.status_code == 200
                found.append(200 if is_fine else response.json()["type"])
            return found

        may = [200, 200, "user_unauthorized"]
        assert await answers("POST", "/v1/projects", {"teamId": TEAM}) == may
        assert await answers("PATCH", f"/v1/projects/{PROJECT}", {}) == may
        assert await answers("POST", "/v1/projects", {"teamId": "none"}) == ["team_not_found"] * 3
        none = ["general_unauthorized_scope"] * 3
        assert await answers("POST", "/v1/projects", {}) == none


async def test_an_organization_gives_no_rights_over_accounts_and_other_organizations(
    world: World,
) -> None:
    await _three(world)
    routes = [
        a_route(world.seen, "/v1/users", name="users.list", scopes=("users.read",)),
        a_route(world.seen, "/v1/teams/{teamId}", name="teams.get", scopes=("teams.read",)),
        a_route(
            world.seen,
            "/v1/organization/projects",
            name="organization.listProjects",
            scopes=("projects.write",),
        ),
    ]
    headers = about(CONSOLE, x_appwrite_organization=TEAM)
    async with world.client(*routes) as client:
        owner = headers | cookie("olivia", CONSOLE)
        users = await client.get("/v1/users", headers=owner)
        assert problem(users) == (401, "general_unauthorized_scope")
        assert (await client.get("/v1/teams/other", headers=owner)).status_code == 200
        assert (await client.get("/v1/organization/projects", headers=owner)).status_code == 200
        kinds = [call.principal.kind for call in world.seen.calls]
        assert kinds == [CallerKind.USER, CallerKind.ADMIN]
        stranger = await client.get(
            "/v1/organization/projects", headers=headers | cookie("sam", CONSOLE)
        )
        assert problem(stranger) == (401, "user_unauthorized")


async def test_a_console_account_alone_is_a_plain_user(world: World) -> None:
    await _three(world)
    caller = await _caller(world, about(CONSOLE) | cookie("olivia", CONSOLE))
    assert (caller.kind, caller.project_id) == (CallerKind.USER, CONSOLE)
    assert "projects.read" in caller.scopes
    assert "projects.write" not in caller.scopes


async def test_a_server_with_a_key_may_say_which_user_agent_it_acts_for(world: World) -> None:
    await world.put(a_key())
    forwarded = {"x-forwarded-user-agent": "Phone/1.0", "user-agent": "Server/2.0"}
    await _caller(world, about(x_appwrite_key=KEY) | forwarded)
    assert world.seen.last.headers["user-agent"] == "Phone/1.0"
    await _caller(world, about() | forwarded)
    assert world.seen.last.headers["user-agent"] == "Server/2.0"
