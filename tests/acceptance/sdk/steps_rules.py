"""Rules of a project for the passwords and addresses of its people."""

from tests.acceptance.sdk.world import World

PASSWORD = "first password"


def _policy(world: World, name: str) -> object:
    return world.key("project.getPolicy", policyId=name)


def words_that_are_denied_in_passwords(world: World) -> None:
    lists: dict[str, list[str]] = {}
    if world.sdk == "python-27":  # the others know no lists
        lists = {"dictionary": ["Acme Rocket"], "personal": ["coyote"]}
    dictionary = {"denyList": lists["dictionary"]} if lists else {}
    world.key("project.updatePasswordDictionaryPolicy", enabled=True, **dictionary)
    personal = {"denyList": lists["personal"]} if lists else {}
    world.key("project.updatePasswordPersonalDataPolicy", enabled=True, **personal)

    def refused(password: str, type_: str) -> None:
        who = {"userId": "unique()", "email": "some.body@example.com", "password": password}
        world.guest.refused("account.create", 400, type_, **who)

    refused("password123", "general_argument_invalid")
    refused("SOME.BODY was here", "password_personal_data")
    for word in lists.get("dictionary", ()):
        refused(word, "general_argument_invalid")
    for word in lists.get("personal", ()):
        refused(f"my {word.upper()} runs", "password_personal_data")


def addresses_that_are_denied(world: World) -> None:
    if not world.has("project.updateDenyFreeEmailPolicy"):
        return

    def refused(email: str, type_: str) -> None:
        who = {"userId": "unique()", "email": email, "password": PASSWORD}
        world.guest.refused("account.create", 400, type_, **who)

    world.key("project.updateDenyAliasedEmailPolicy", enabled=True)
    refused("ann+news@example.com", "user_email_not_canonical")
    world.key("project.updateDenyDisposableEmailPolicy", enabled=True)
    refused("ann@mailinator.com", "user_email_disposable")
    world.key("project.updateDenyFreeEmailPolicy", enabled=True)
    refused("ann@gmail.com", "user_email_free")
    world.key("project.updateDenyFreeEmailPolicy", enabled=False)
    world.key("project.updateDenyCorporateEmailPolicy", enabled=True)
    refused("ann@gmail.com", "user_email_not_corporate")
    assert _policy(world, "deny-corporate-email") == {
        "$id": "deny-corporate-email",
        "enabled": True,
    }
    who = {"userId": "ann", "email": "ann@example.com", "password": PASSWORD}
    assert world.guest("account.create", **who)["emailIsCorporate"] is True


def passwords_that_grow_old_or_were_seen_elsewhere(world: World) -> None:
    if not world.has("project.updatePasswordRotationPolicy"):
        return
    world.key("project.updatePasswordRotationPolicy", enabled=True, maxAge=86_400)
    assert _policy(world, "password-rotation") == {
        "$id": "password-rotation",
        "enabled": True,
        "maxAge": 86_400,
    }
    world.key("project.updatePasswordPwnedPolicy", enabled=False, users=True)
    assert _policy(world, "password-pwned") == {
        "$id": "password-pwned",
        "enabled": False,
        "sessions": False,
        "users": True,
    }
