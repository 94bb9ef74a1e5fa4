"""A project from inside: keys, platforms, switches and rules."""

from tests.acceptance.sdk.world import World


def the_project_itself(world: World) -> None:
    key = world.key
    assert key("project.get")["$id"] == world.project_id
    assert key("project.updateLabels", labels=["a", "b"])["labels"] == ["a", "b"]
    off = key("project.updateService", serviceId="vcs", enabled=False)
    assert {"$id": "vcs", "enabled": False} in off["services"]
    off = key("project.updateProtocol", protocolId="graphql", enabled=False)
    assert {"$id": "graphql", "enabled": False} in off["protocols"]
    off = key("project.updateAuthMethod", methodId="phone", enabled=False)
    assert {"$id": "phone", "enabled": False} in off["authMethods"]
    key("project.delete")
    key.refused("project.get", 404, "project_not_found")


def keys_of_a_project(world: World) -> None:
    key = world.key
    made = key("project.createEphemeralKey", scopes=["users.read"], duration=60)
    assert world.by_key(made["secret"])("users.list")["total"] == 0
    listed = key("project.listKeys")["keys"]
    assert len(listed) == 1
    one = {"keyId": listed[0]["$id"]}
    assert key("project.getKey", **one)["name"] == "Key"
    scopes = [scope for scope in listed[0]["scopes"] if scope != "users.read"]
    assert key("project.updateKey", **one, name="New", scopes=scopes)["name"] == "New"
    key.refused("users.list", 401, "general_unauthorized_scope")
    if world.has("project.createKey"):
        other = world.admin("project.createKey", keyId="other", name="O", scopes=["users.read"])
        assert world.by_key(other["secret"])("users.list")["total"] == 0
    key("project.deleteKey", **one)
    key.refused("project.get", 401, "user_unauthorized")


def platforms_of_a_project(world: World) -> None:
    key = world.key
    made = {
        "web": ("project.createWebPlatform", "project.updateWebPlatform", "hostname"),
        "android": (
            "project.createAndroidPlatform",
            "project.updateAndroidPlatform",
            "applicationId",
        ),
        "apple": ("project.createApplePlatform", "project.updateApplePlatform", "bundleIdentifier"),
        "linux": ("project.createLinuxPlatform", "project.updateLinuxPlatform", "packageName"),
        "windows": (
            "project.createWindowsPlatform",
            "project.updateWindowsPlatform",
            "packageIdentifierName",
        ),
    }
    for kind, (create, update, field) in made.items():
        key(create, platformId=kind, name="App", **{field: "example.com"})
        changed = key(update, platformId=kind, name="New", **{field: "example.org"})
        assert (changed["type"], changed["name"], changed[field]) == (kind, "New", "example.org")
        assert key("project.getPlatform", platformId=kind)["$id"] == kind
    assert key("project.listPlatforms")["total"] == 5
    key("project.deletePlatform", platformId="web")
    key.refused("project.getPlatform", 404, "platform_not_found", platformId="web")


def policies_of_a_project(world: World) -> None:
    key = world.key
    key("project.updateSessionDurationPolicy", duration=3600)
    key("project.updateSessionLimitPolicy", total=5)
    key("project.updateUserLimitPolicy", total=100)
    key("project.updateSessionInvalidationPolicy", enabled=False)
    key("project.updateSessionAlertPolicy", enabled=False)
    key("project.updateMembershipPrivacyPolicy", userName=True)
    key("project.updatePasswordDictionaryPolicy", enabled=True)
    key("project.updatePasswordHistoryPolicy", total=3)
    key("project.updatePasswordPersonalDataPolicy", enabled=True)
    key("project.updatePasswordStrengthPolicy", min=10)
    found = {policy["$id"]: policy for policy in key("project.listPolicies")["policies"]}
    assert found["session-duration"]["duration"] == 3600
    assert found["user-limit"]["total"] == 100
    assert found["membership-privacy"]["userName"] is True
    assert key("project.getPolicy", policyId="session-limit")["total"] == 5


def the_mail_server_of_a_project(world: World) -> None:
    changed = world.key(
        "project.updateSMTP", host="mail", port=25, senderEmail="a@example.com", enabled=False
    )
    assert changed["smtpHost"] == "mail"


def variables_of_a_project(world: World) -> None:
    key, one = world.key, {"variableId": "v"}
    key("project.createVariable", **one, key="GREETING", value="hello", secret=False)
    assert key("project.listVariables")["total"] == 1
    assert key("project.getVariable", **one)["value"] == "hello"
    assert key("project.updateVariable", **one, key="GREETING", value="hi")["value"] == "hi"
    key("project.deleteVariable", **one)
    key.refused("project.getVariable", 404, "variable_not_found", **one)


def environments_of_a_project(world: World) -> None:
    if not world.has("project.createEnvironment"):
        return
    key, one = world.key, {"environmentId": f"{world.project_id}-stage"}
    made = key("project.createEnvironment", **one, name="Staging")
    assert made["parentId"] == world.project_id
    assert key("project.listEnvironments")["total"] == 1
    assert key("project.updateEnvironment", **one, name="Stage")["name"] == "Stage"
    assert key("project.getEnvironment", **one)["name"] == "Stage"
    key("project.deleteEnvironment", **one)
    key.refused("project.getEnvironment", 404, "project_not_found", **one)
