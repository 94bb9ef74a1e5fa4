"""Users who may act as others."""

from tests.acceptance.sdk.world import World


def users_who_act_as_others(world: World) -> None:
    ann = world.signed_in("ann")
    world.key("users.create", userId="bob", email="bob@example.com")
    assert ann.having(x_appwrite_impersonate_user_id="bob")("account.get")["$id"] == "ann"
    changed = world.key("users.updateImpersonator", userId="ann", impersonator=True)
    assert changed["impersonator"] is True
    by_id = ann.having(x_appwrite_impersonate_user_id="bob")("account.get")
    by_email = ann.having(x_appwrite_impersonate_user_email="bob@example.com")("account.get")
    for seen in (by_id, by_email):
        assert (seen["$id"], seen["impersonatorUserId"]) == ("bob", "ann")
