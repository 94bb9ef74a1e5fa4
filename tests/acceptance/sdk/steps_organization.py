"""Organizations: who belongs to them, and their projects."""

from tests.acceptance.sdk.world import World


def projects_of_an_organization(world: World) -> None:
    """The organization of the world's project has the project's id."""
    own = world.console.having(x_appwrite_organization=world.project_id)
    name = f"{world.project_id}-b"
    made = own("organization.createProject", projectId=name, name="Second")
    assert (made["$id"], made["teamId"]) == (name, world.project_id)
    assert own("organization.listProjects")["total"] == 2
    assert own("organization.updateProject", projectId=name, name="New")["name"] == "New"
    assert own("organization.getProject", projectId=name)["name"] == "New"
    own("organization.deleteProject", projectId=name)
    own.refused("organization.getProject", 404, "project_not_found", projectId=name)


def an_organization_and_its_members(world: World) -> None:
    own = world.console.having(x_appwrite_organization=world.project_id)
    shown = own("organization.get")
    assert (shown["$id"], shown["total"]) == (world.project_id, 1)
    assert own("organization.update", name="New")["name"] == "New"
    (member,) = own("organization.listMemberships")["memberships"]
    one = {"membershipId": member["$id"]}
    assert own("organization.getMembership", **one)["roles"] == ["owner"]
    changed = own("organization.updateMembership", **one, roles=["owner", "developer"])
    assert changed["roles"] == ["owner", "developer"]
    own.refused("organization.deleteMembership", 400, "membership_deletion_prohibited", **one)
    asked = {"email": f"bob@{world.project_id}.example.com", "url": "http://localhost/join"}
    invited = own("organization.createMembership", roles=["developer"], **asked)
    assert (invited["confirm"], invited["roles"]) == (False, ["developer"])
    own("organization.deleteMembership", membershipId=invited["$id"])
    assert own("organization.listMemberships")["total"] == 1
    own("organization.delete")
    own.refused("organization.get", 404, "team_not_found")


def keys_of_the_projects_of_an_organization(world: World) -> None:
    if not world.has("organization.listProjectKeys"):
        return
    own = world.console.having(x_appwrite_organization=world.project_id)
    of = {"projectId": world.project_id}
    made = own("organization.createEphemeralProjectKey", **of, scopes=["users.read"], duration=60)
    assert world.by_key(made["secret"])("users.list")["total"] == 0
    (key,) = own("organization.listProjectKeys", **of)["keys"]
    one = {**of, "keyId": key["$id"]}
    assert own("organization.getProjectKey", **one)["name"] == "Key"
    assert own("organization.updateProjectKey", **one, name="New", scopes=[])["name"] == "New"
    own("organization.deleteProjectKey", **one)
    world.key.refused("project.get", 401, "user_unauthorized")


def keys_of_an_organization(world: World) -> None:
    if not world.has("organization.createKey"):
        return
    own = world.console.having(x_appwrite_organization=world.project_id)
    one = {"keyId": f"{world.project_id}-k"}
    made = own("organization.createKey", **one, name="Key", scopes=["projects.read"])
    key = world.guest_of_the_console.having(
        x_appwrite_organization=world.project_id, x_appwrite_key=made["secret"]
    )
    assert key("organization.listProjects")["total"] == 1
    assert own("organization.listKeys")["total"] >= 1
    assert own("organization.getKey", **one)["secret"] == ""
    changed = own("organization.updateKey", **one, name="New", scopes=["organization.read"])
    assert changed["name"] == "New"
    key.refused("organization.listProjects", 401, "general_unauthorized_scope")
    own("organization.deleteKey", **one)
    key.refused("organization.listProjects", 401, "user_unauthorized")
