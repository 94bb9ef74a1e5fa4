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
