"""Run by tests, in an interpreter that sees one generation of the official SDK.

    people.py ENDPOINT PROJECT KEY PREFIX

Calls every method of the SDK's account, users, teams, project and webhooks services that this
server offers, on people whose ids begin with PREFIX. Prints JSON: name of the call -> "" or what
went wrong. A call that the generation does not have is left out.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from appwrite.client import Client
from appwrite.enums.messaging_provider_type import MessagingProviderType
from appwrite.enums.project_auth_method_id import ProjectAuthMethodId
from appwrite.enums.project_policy_id import ProjectPolicyId
from appwrite.enums.project_protocol_id import ProjectProtocolId
from appwrite.enums.project_service_id import ProjectServiceId
from appwrite.exception import AppwriteException
from appwrite.query import Query
from appwrite.services.account import Account
from appwrite.services.project import Project
from appwrite.services.teams import Teams
from appwrite.services.users import Users
from appwrite.services.webhooks import Webhooks

ENDPOINT, PROJECT, KEY, PREFIX = sys.argv[1:5]
PASSWORD, SECOND, THIRD = "first password", "second password", "third password"
seen: dict[str, str] = {}


def client() -> Any:
    return Client().set_endpoint(ENDPOINT).set_project(PROJECT)


def call(service: Any, method: str, *given: Any, **named: Any) -> Any:
    """The answer, or None when the call failed or the SDK does not have it."""
    name = f"{type(service).__name__.lower()}.{method}"
    found: Callable[..., Any] | None = getattr(service, method, None)
    if found is None:
        return None
    try:
        answer = found(*given, **named)
    except AppwriteException as exc:
        seen[name] = f"{exc.code} {exc.type} {exc.message}"
        return None
    seen.setdefault(name, "")
    return answer


def expect(name: str, is_right: bool) -> None:
    seen[name] = "" if is_right else "not as expected"


def of(name: str) -> str:
    return f"{PREFIX}{name}"


def mail(name: str) -> str:
    return f"{PREFIX}{name}@example.com"


def phone(last: int) -> str:
    return f"+1415{sum(map(ord, PREFIX)) % 1000:03}{last:04}"


def people() -> None:
    users, user = Users(client().set_key(KEY)), of("ann")
    call(users, "create", user, email=mail("ann"), password=PASSWORD, name="Ann")
    found = call(users, "list", [Query.equal("email", [mail("ann")])], user)
    expect("the list finds the user", found is not None and found.users[0].id == user)
    call(users, "update_name", user, "Anna")
    call(users, "update_email", user, mail("anna"))
    call(users, "update_phone", user, phone(1))
    call(users, "update_password", user, SECOND)
    call(users, "update_status", user, True)
    call(users, "update_labels", user, ["vip"])
    call(users, "update_prefs", user, {"theme": "dark"})
    call(users, "get_prefs", user)
    call(users, "update_email_verification", user, True)
    call(users, "update_phone_verification", user, True)
    shown = call(users, "get", user)
    expect("the user is as set", shown.name == "Anna" and shown.labels == ["vip"])
    call(users, "create_target", user, of("t"), MessagingProviderType.EMAIL, mail("other"))
    call(users, "list_targets", user)
    call(users, "get_target", user, of("t"))
    call(users, "update_target", user, of("t"), name="Work")
    call(users, "delete_target", user, of("t"))
    session = call(users, "create_session", user)
    call(users, "list_sessions", user)
    token = call(users, "create_token", user)
    jwt = call(users, "create_jwt", user)
    as_jwt = Account(client().set_jwt(jwt.jwt)).get()
    expect("the JWT is its user", as_jwt.id == user)
    account(Account(client().set_session(session.secret)))
    call(users, "update_status", user, True)
    opened = call(Account(client().set_key(KEY)), "create_session", user, token.secret)
    expect("the token bought a session", opened.factors == ["token"] and opened.secret != "")
    call(users, "delete_session", user, opened.id)
    call(users, "delete_sessions", user)
    teams(Teams(client().set_key(KEY)), user)
    call(users, "list_memberships", user)
    call(users, "delete", user)


def account(own: Any) -> None:
    expect("the session is its user", call(own, "get").id == of("ann"))
    call(own, "list_sessions")
    call(own, "get_session", "current")
    call(own, "update_session", "current")
    call(own, "create_jwt")
    call(own, "update_prefs", {"a": 1})
    call(own, "get_prefs")
    call(own, "update_name", "Anne")
    call(own, "update_email", mail("anne"), SECOND)
    call(own, "update_phone", phone(2), SECOND)
    call(own, "update_password", THIRD, SECOND)
    server = Account(client().set_key(KEY))
    call(server, "create", of("bob"), mail("bob"), PASSWORD, "Bob")
    signed = call(server, "create_email_password_session", mail("bob"), PASSWORD)
    bob = Account(client().set_session(signed.secret))
    call(bob, "delete_session", "current")
    nobody = call(server, "create_anonymous_session")
    call(Account(client().set_session(nobody.secret)), "delete_sessions")
    blocked = call(own, "update_status")
    expect("one's own account is closed", blocked.status is False)


def teams(service: Any, user: str) -> None:
    team = of("crew")
    call(service, "create", team, "Crew")
    call(service, "list", [Query.equal("$id", [team])])
    call(service, "get", team)
    call(service, "update_name", team, "New crew")
    call(service, "update_prefs", team, {"a": 1})
    call(service, "get_prefs", team)
    member = call(service, "create_membership", team, ["dev"], user_id=user)
    call(service, "list_memberships", team)
    call(service, "get_membership", team, member.id)
    changed = call(service, "update_membership", team, member.id, ["qa"])
    expect("the roles are as set", changed.roles == ["qa"])
    call(service, "delete_membership", team, member.id)
    call(service, "delete", team)


def project() -> None:
    own = Project(client().set_key(KEY))
    call(own, "get")
    call(own, "update_labels", ["a", "b"])
    call(own, "update_service", ProjectServiceId.VCS, False)
    call(own, "update_protocol", ProjectProtocolId.GRAPHQL, True)
    call(own, "update_auth_method", ProjectAuthMethodId.PHONE, False)
    call(own, "list_keys")
    made = call(own, "create_ephemeral_key", ["users.read"], 60)
    expect("the ephemeral key opens", Users(client().set_key(made.secret)).list().total >= 0)
    policies(own)
    call(own, "update_smtp", host="mail", port=25, sender_email="a@example.com", enabled=True)
    webhooks()
    for kind, value in (
        ("web", "example.com"),
        ("android", "com.example"),
        ("apple", "com.example"),
        ("linux", "example"),
        ("windows", "Example"),
    ):
        platform = of(kind)
        call(own, f"create_{kind}_platform", platform, "App", value)
        call(own, f"update_{kind}_platform", platform, "New", value)
        call(own, "get_platform", platform)
        call(own, "delete_platform", platform)
    call(own, "list_platforms")


def webhooks() -> None:
    own, webhook = Webhooks(client().set_key(KEY)), of("hook")
    address, events = "https://hooks.example.com/in", ["custom.never"]
    made = call(own, "create", webhook, address, "Hook", events, auth_username="ann")
    expect("the secret of a webhook is shown", len(made.secret) == 128)
    call(own, "list", [Query.equal("tls", False)])
    call(own, "get", webhook)
    call(own, "update", webhook, "New", address, events, enabled=False, tls=True)
    changed = call(own, "update_secret", webhook, "a new secret")
    expect("the secret of a webhook can be chosen", changed.secret == "a new secret")
    call(own, "delete", webhook)


def policies(own: Any) -> None:
    call(own, "update_session_duration_policy", 31_536_000)
    call(own, "update_session_limit_policy", 10)
    call(own, "update_user_limit_policy", None)
    call(own, "update_session_invalidation_policy", False)
    call(own, "update_session_alert_policy", False)
    call(own, "update_membership_privacy_policy", user_name=True)
    call(own, "update_password_dictionary_policy", False)
    call(own, "update_password_history_policy", 3)
    call(own, "update_password_personal_data_policy", False)
    call(own, "update_password_strength_policy", min=8)
    call(own, "list_policies")
    for policy in (ProjectPolicyId.SESSION_LIMIT, ProjectPolicyId.MEMBERSHIP_PRIVACY):
        call(own, "get_policy", policy)


project()
people()
print(json.dumps(seen))
