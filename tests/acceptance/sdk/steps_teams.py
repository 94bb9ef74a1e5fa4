"""Teams and who belongs to them."""

from tests.acceptance.mailbox import Mailbox
from tests.acceptance.sdk.world import World


def teams_and_their_members(world: World) -> None:
    key = world.key
    key("users.create", userId="ann", email="ann@example.com")
    assert key("teams.create", teamId="crew", name="Crew")["total"] == 0
    assert key("teams.list", search="crew")["total"] == 1
    assert key("teams.updateName", teamId="crew", name="New crew")["name"] == "New crew"
    assert key("teams.get", teamId="crew")["name"] == "New crew"
    assert key("teams.updatePrefs", teamId="crew", prefs={"a": 1}) == {"a": 1}
    assert key("teams.getPrefs", teamId="crew") == {"a": 1}
    made = key("teams.createMembership", teamId="crew", roles=["dev"], userId="ann")
    one = {"teamId": "crew", "membershipId": made["$id"]}
    assert key("teams.listMemberships", teamId="crew")["total"] == 1
    assert key("teams.getMembership", **one)["userEmail"] == "ann@example.com"
    assert key("teams.updateMembership", **one, roles=["qa"])["roles"] == ["qa"]
    key("teams.deleteMembership", **one)
    key("teams.delete", teamId="crew")
    key.refused("teams.get", 404, "team_not_found", teamId="crew")


def teams_of_their_owner_alone(world: World) -> None:
    ann, bob = world.signed_in("ann"), world.signed_in("bob")
    assert ann("teams.create", teamId="crew", name="Crew")["total"] == 1
    assert ann("teams.get", teamId="crew")["$id"] == "crew"
    bob.refused("teams.get", 404, "team_not_found", teamId="crew")


def ones_own_memberships(world: World) -> None:
    ann = world.signed_in("ann")
    ann("teams.create", teamId="crew", name="Crew")
    if world.has("account.listMemberships"):
        (member,) = ann("account.listMemberships")["memberships"]
        assert (member["teamName"], member["userId"]) == ("Crew", "ann")


def an_invitation_by_mail(world: World) -> None:
    ann = world.signed_in("ann")
    ann("teams.create", teamId="crew", name="Crew")
    asked = {"roles": ["dev"], "email": "bob@example.com", "url": "http://localhost/join"}
    made = ann("teams.createMembership", teamId="crew", **asked)
    assert made["confirm"] is False
    link = Mailbox(world.server.data_dir, world.project_id).next().link
    given = {name: link[name] for name in ("teamId", "membershipId", "userId", "secret")}
    joined = world.guest("teams.updateMembershipStatus", **given)
    assert (joined["confirm"], joined["$id"]) == (True, made["$id"])
    assert world.key("teams.get", teamId="crew")["total"] == 2
