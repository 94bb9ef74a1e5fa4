"""API keys: made once, stored hashed, effective and gone at once."""

import pytest

from runwright.model.identity import ApiKey
from tests.fakes.identity import PROJECT_ID, World, query

pytestmark = pytest.mark.anyio


async def test_the_secret_is_shown_once_and_stored_hashed(world: World) -> None:
    admin = await world.admin()
    made = await admin.post(
        "/project/keys",
        {"keyId": "k", "name": "Key", "scopes": ["users.read"], "description": "For tests"},
    )
    assert made.status == 201
    secret = made.body["secret"]
    assert secret.startswith("standard_")
    assert len(secret) == len("standard_") + 256
    assert (made.body["expire"], made.body["description"]) == ("", "For tests")
    shown = (await admin.get("/project/keys/k")).body
    assert shown == made.body | {"secret": ""}
    stored = await world.bench.storage.read(lambda uow: uow.keys.get(PROJECT_ID, "k"))
    assert isinstance(stored, ApiKey)
    assert secret not in repr(stored)


async def test_keys_are_made_by_admins_and_by_no_one_else(world: World) -> None:
    ann = await world.user("ann")
    wanted = {"keyId": "k", "name": "Key", "scopes": []}
    by_key = await world.server.post("/project/keys", wanted)
    assert (by_key.status, by_key.type) == (403, "key_creation_denied")
    for person in (ann, world.guest):
        refused = await person.post("/project/keys", wanted)
        assert refused.type == "general_unauthorized_scope"
    admin = await world.admin()
    assert (await admin.post("/project/keys", wanted)).status == 201
    again = await admin.post("/project/keys", wanted)
    assert (again.status, again.type) == (409, "key_already_exists")


@pytest.mark.parametrize(
    "changed",
    [
        {"scopes": ["users.fly"]},
        {"scopes": None},
        {"scopes": "users.read"},
        {"name": ""},
        {"expire": "tomorrow"},
    ],
)
async def test_malformed_keys_are_refused(world: World, changed: dict[str, object]) -> None:
    admin = await world.admin()
    wanted = {"keyId": "k", "name": "Key", "scopes": ["users.read"]}
    refused = await admin.post("/project/keys", wanted | changed)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_an_older_client_names_no_id(world: World) -> None:
    owner = (await world.owner()).also(x_appwrite_response_format="1.8.0")
    made = await owner.post(f"/projects/{PROJECT_ID}/keys", {"name": "Key", "scopes": []})
    assert (made.status, len(made.body["$id"])) == (201, 20)


async def test_changed_scopes_hold_for_the_next_request(world: World) -> None:
    admin = await world.admin()
    made = await admin.post("/project/keys", {"keyId": "k", "name": "K", "scopes": ["users.read"]})
    holder = world.guest.also(x_appwrite_key=made.body["secret"])
    assert (await holder.get("/users")).status == 200
    changed = await admin.put("/project/keys/k", {"name": "New", "scopes": ["teams.read"]})
    assert (changed.status, changed.body["name"], changed.body["secret"]) == (200, "New", "")
    assert (await holder.get("/users")).type == "general_unauthorized_scope"
    assert (await holder.get("/teams")).status == 200
    assert (await admin.delete("/project/keys/k")).status == 204
    gone = await holder.get("/teams")
    assert (gone.status, gone.type) == (401, "user_unauthorized")
    missing = await admin.get("/project/keys/k")
    assert (missing.status, missing.type) == (404, "key_not_found")


async def test_a_key_ends_when_it_says_and_an_update_without_an_end_lifts_it(
    world: World,
) -> None:
    admin = await world.admin()
    wanted = {"name": "K", "scopes": ["users.read"], "expire": "2026-08-21T14:00:00.000+00:00"}
    made = await admin.post("/project/keys", {"keyId": "k", **wanted})
    assert made.body["expire"] == "2026-08-21T14:00:00.000+00:00"
    holder = world.guest.also(x_appwrite_key=made.body["secret"])
    assert (await holder.get("/users")).status == 200
    world.clock.move(20 * 60)
    expired = await holder.get("/users")
    assert (expired.status, expired.type) == (401, "project_key_expired")
    lifted = await admin.put("/project/keys/k", {"name": "K", "scopes": ["users.read"]})
    assert lifted.body["expire"] == ""
    assert (await holder.get("/users")).status == 200


async def test_keys_are_listed_with_their_filters_and_without_secrets(world: World) -> None:
    admin = await world.admin()
    for number in range(30):
        await admin.post("/project/keys", {"keyId": f"k{number}", "name": "N", "scopes": []})
    listed = (await world.server.get("/project/keys")).body
    assert listed["total"] == len(listed["keys"]) == 31
    assert {item["secret"] for item in listed["keys"]} == {""}
    narrow = [query("contains", "scopes", "users.read")]
    assert (await world.server.get("/project/keys", {"queries": narrow})).body["total"] == 1


async def test_an_ephemeral_key_is_stored_nowhere_and_ends_by_itself(world: World) -> None:
    made = await world.server.post(
        "/project/keys/ephemeral", {"scopes": ["users.read"], "duration": 60}
    )
    assert made.status == 201
    assert made.body["secret"].startswith("ephemeral_")
    assert (made.body["name"], made.body["expire"]) == ("", "2026-08-21T13:43:57.000000Z")
    assert (await world.server.get("/project/keys")).body["total"] == 1
    holder = world.guest.also(x_appwrite_key=made.body["secret"])
    assert (await holder.get("/users")).status == 200
    assert (await holder.get("/teams")).type == "general_unauthorized_scope"
    world.clock.move(60)
    assert (await holder.get("/users")).type == "general_unauthorized_scope"


async def test_an_ephemeral_key_in_an_older_format(world: World) -> None:
    owner = (await world.owner()).also(x_appwrite_response_format="1.8.0")
    made = await owner.post(
        f"/projects/{PROJECT_ID}/jwts", {"scopes": ["users.read"], "duration": 60}
    )
    assert made.status == 201
    assert sorted(made.body) == ["jwt", "projectId", "scopes"]
    assert made.body["projectId"] == PROJECT_ID


@pytest.mark.parametrize("duration", [0, 3601, None])
async def test_ephemeral_keys_live_an_hour_at_most(world: World, duration: object) -> None:
    refused = await world.server.post(
        "/project/keys/ephemeral", {"scopes": [], "duration": duration}
    )
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_a_key_works_in_its_own_project_only(world: World) -> None:
    owner = await world.owner()
    team_id = (await owner.get("/teams")).body["teams"][0]["$id"]
    await owner.post("/projects", {"projectId": "other", "name": "Other", "teamId": team_id})
    refused = await world.server.get("/users", x_appwrite_project="other")
    assert (refused.status, refused.type) == (401, "user_unauthorized")
