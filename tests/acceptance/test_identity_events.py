"""Every event of people and teams, as a function that listens to them gets it.

One story is told call by call; beside each call stands what the function receives for it: the
header `x-appwrite-event`, the whole name, the user who acted, and the payload. Nothing else comes.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest

from tests.acceptance.console import Console
from tests.acceptance.deploying import deploy
from tests.acceptance.mailbox import Mailbox
from tests.acceptance.running import Running
from tests.acceptance.test_changes_heard import PASSWORD, WITNESS, Project

WAIT_S: Final = 120.0
BACK: Final = "http://localhost/back"
# No function needs the digest of a password, so none is told.
NO_PASSWORD: Final[dict[str, None]] = {"password": None, "hash": None, "hashOptions": None}
KEY, GUEST, ANN = "", "", "ann"  # whom the function is told: keys and guests are nobody

Check = Callable[[Any], object]  # of the payload; what it returns must be true


@dataclass
class Expected:
    event: str  # x-appwrite-event
    name: str  # x-appwrite-event-name
    user: str
    check: Check


@dataclass
class Story:
    project: Project
    mailbox: Mailbox
    key: httpx.Client
    guest: httpx.Client
    own: httpx.Client  # ann, once she has signed in
    expected: list[Expected] = field(default_factory=list)

    def tells(self, name: str, check: Check, *, user: str = "", event: str | None = None) -> None:
        """Of an update of one thing with one id the first name leaves out which part it was."""
        parts = name.split(".")
        short = ".".join(parts[:3]) if len(parts) == 4 else name
        self.expected.append(Expected(event or short, name, user, check))

    def done(self, client: httpx.Client, method: str, path: str, body: Any = None) -> Any:
        answer = client.request(method, path, json=body if body is not None else {})
        assert answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None


def same(answer: Any) -> Check:
    """The payload is what the caller was answered, field by field."""

    def check(payload: Any) -> bool:
        differing = {
            name: (payload.get(name), answer.get(name))
            for name in payload.keys() | answer.keys()
            if payload.get(name) != answer.get(name)
        }
        assert differing == {}
        return True

    return check


def has(**wanted: Any) -> Check:
    def check(payload: Any) -> bool:
        found = {name: payload.get(name) for name in wanted}
        assert found == wanted
        return True

    return check


@pytest.fixture(scope="module")
def story(server: Running) -> Iterator[Story]:
    console = Console(server)
    project_id = console.new_project()
    known = console.api.get("/console/scopes/project").json()["scopes"]
    secret = console.new_key(project_id, [scope["$id"] for scope in known])
    console.api.close()
    project = Project(server, project_id, secret)
    with project.by_key() as key, project.client() as guest, project.client() as own:
        deploy(key, f"witness-{project_id}", "node", WITNESS, events=["users.*", "teams.*"])
        yield Story(project, Mailbox(server.data_dir, project_id), key, guest, own)


def test_what_a_listening_function_gets(story: Story) -> None:
    sign_up_and_in(story)
    own_changes(story)
    letters(story)
    as_a_server(story)
    sessions_and_tokens(story)
    teams(story)
    last_words(story)
    found = collected(story)
    names = [(told["headers"]["x-appwrite-event"], name_of(told)) for told in found]
    assert names == [(item.event, item.name) for item in story.expected]
    for told, item in zip(found, story.expected, strict=True):
        headers = told["headers"]
        assert headers["x-appwrite-user-id"] == item.user, item.name
        assert headers["x-appwrite-trigger"] == "event"
        assert headers["content-type"] == "application/json"
        assert (told["method"], told["path"]) == ("POST", "/")
        assert item.check(told["body"]), item.name


def name_of(told: dict[str, Any]) -> str:
    return str(told["headers"]["x-appwrite-event-name"])


def collected(story: Story) -> list[dict[str, Any]]:
    """What came, in the order in which it happened, once as much has come as is expected."""
    function_id = f"witness-{story.project.id}"
    deadline = time.monotonic() + WAIT_S
    while True:
        found = story.project.runs(function_id)
        if len(found) >= len(story.expected):
            return found
        assert time.monotonic() < deadline, sorted(
            {item.name for item in story.expected} - {name_of(told) for told in found}
        )
        time.sleep(0.1)


def sign_up_and_in(story: Story) -> None:
    body = {"userId": "ann", "email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
    made = story.done(story.guest, "POST", "/account", body)
    story.tells("users.ann.create", has(**{"$id": "ann", "email": made["email"]}), user=GUEST)
    sign_in(story, "ann@example.com", PASSWORD)


def sign_in(story: Story, email: str, password: str) -> None:
    login = {"email": email, "password": password}
    answer = story.guest.post("/account/sessions/email", json=login)
    session = answer.json()
    cookie = f"a_session_{story.project.id}"
    story.own.headers["cookie"] = f"{cookie}={answer.cookies[cookie]}"
    story.guest.cookies.clear()
    check = has(**{"$id": session["$id"], "userId": "ann", "secret": ""})
    story.tells(f"users.ann.sessions.{session['$id']}.create", check, user=GUEST)


def own_changes(story: Story) -> None:
    for path, body, attribute in (
        ("name", {"name": "Anna"}, "name"),
        ("prefs", {"prefs": {"a": [1, {"b": None}]}}, "prefs"),
        ("email", {"email": "anna@example.com", "password": PASSWORD}, "email"),
        ("phone", {"phone": "+14155550101", "password": PASSWORD}, "phone"),
        ("password", {"password": "another one", "oldPassword": PASSWORD}, "password"),
    ):
        answer = story.done(story.own, "PATCH", f"/account/{path}", body)
        story.tells(f"users.ann.update.{attribute}", same(answer), user=ANN)
    session = story.done(story.own, "PATCH", "/account/sessions/current")
    check = has(**{"$id": session["$id"], "expire": session["expire"]})
    story.tells(f"users.ann.sessions.{session['$id']}.update", check, user=ANN)


def letters(story: Story) -> None:
    """The secrets of letters are for functions of the project to use."""
    for kind, body in (
        ("verification", {"url": BACK}),
        ("recovery", {"url": BACK, "email": "anna@example.com"}),
    ):
        is_own = kind == "verification"
        path = "/account/verifications/email" if is_own else "/account/recovery"
        story.mailbox.skip()
        asked = story.done(story.own if is_own else story.guest, "POST", path, body)
        secret = story.mailbox.next().link["secret"]
        stem = f"users.ann.{kind}.{asked['$id']}"
        check = has(**{"$id": asked["$id"], "userId": "ann", "secret": secret})
        story.tells(f"{stem}.create", check, user=ANN if is_own else GUEST)
        proof = {"userId": "ann", "secret": secret}
        proof |= {} if is_own else {"password": "a third one"}
        story.done(story.guest, "PUT", path, proof)
        story.tells(f"{stem}.update", has(**{"$id": asked["$id"], "userId": "ann"}), user=GUEST)


def as_a_server(story: Story) -> None:
    body = {"userId": "bob", "email": "bob@example.com", "phone": "+14155550102"}
    made = story.done(story.key, "POST", "/users", body)
    story.tells("users.bob.create", same(made), user=KEY)
    for method, path, sent, attribute in (
        ("PATCH", "name", {"name": "Bob"}, "name"),
        ("PATCH", "email", {"email": "bobby@example.com"}, "email"),
        ("PATCH", "phone", {"number": "+14155550103"}, "phone"),
        ("PATCH", "password", {"password": PASSWORD}, "password"),
        ("PATCH", "status", {"status": True}, "status"),
        ("PUT", "labels", {"labels": ["vip"]}, "labels"),
        ("PATCH", "verification", {"emailVerification": True}, "verification"),
        ("PATCH", "verification/phone", {"phoneVerification": True}, "verification"),
        ("PATCH", "mfa", {"mfa": False}, "mfa"),
        ("PATCH", "impersonator", {"impersonator": False}, "impersonator"),
    ):
        answer = story.done(story.key, method, f"/users/bob/{path}", sent)
        story.tells(f"users.bob.update.{attribute}", same(answer | NO_PASSWORD), user=KEY)
    story.done(story.key, "PATCH", "/users/bob/prefs", {"prefs": {"a": 1}})
    story.tells("users.bob.update.prefs", has(**{"$id": "bob", "prefs": {"a": 1}}), user=KEY)
    target = {
        "targetId": "other",
        "providerType": "email",
        "identifier": "other@example.com",
    }
    made = story.done(story.key, "POST", "/users/bob/targets", target)
    story.tells("users.bob.targets.other.create", same(made), user=KEY)
    changed = story.done(story.key, "PATCH", "/users/bob/targets/other", {"name": "Work"})
    story.tells("users.bob.targets.other.update", same(changed), user=KEY)
    story.done(story.key, "DELETE", "/users/bob/targets/other")
    story.tells("users.bob.targets.other.delete", same(changed), user=KEY)


def sessions_and_tokens(story: Story) -> None:
    """The secret of what a key has made is told: the key's holder has it anyway."""
    made = story.done(story.key, "POST", "/users/bob/sessions")
    stem = f"users.bob.sessions.{made['$id']}"
    check = has(**{"$id": made["$id"], "secret": made["secret"], "provider": "server"})
    story.tells(f"{stem}.create", check, user=KEY)
    story.done(story.key, "DELETE", f"/users/bob/sessions/{made['$id']}")
    story.tells(f"{stem}.delete", has(**{"$id": made["$id"], "secret": ""}), user=KEY)
    token = story.done(story.key, "POST", "/users/bob/tokens")
    story.tells(f"users.bob.tokens.{token['$id']}.create", same(token), user=KEY)
    proof = {"userId": "bob", "secret": token["secret"]}
    session = story.done(story.guest, "POST", "/account/sessions/token", proof)
    story.guest.cookies.clear()
    name = f"users.bob.sessions.{session['$id']}.create"
    story.tells(name, has(**{"provider": "token", "secret": ""}), user=GUEST)
    story.done(story.key, "DELETE", "/users/bob/sessions")
    story.tells("users.bob.sessions.delete", has(**{"$id": "bob"}), event="users.bob.sessions")


def teams(story: Story) -> None:
    sign_in(story, "anna@example.com", "a third one")  # the recovery has ended all sessions
    made = story.done(story.own, "POST", "/teams", {"teamId": "crew", "name": "Crew"})
    story.tells("teams.crew.create", same(made), user=ANN)
    changed = story.done(story.own, "PUT", "/teams/crew", {"name": "New crew"})
    story.tells("teams.crew.update", same(changed), user=ANN)
    prefs = story.done(story.own, "PUT", "/teams/crew/prefs", {"prefs": {"color": "red"}})
    story.tells("teams.crew.update.prefs", same(prefs), user=ANN)
    wanted = {"userId": "bob", "roles": ["cook"]}
    member = story.done(story.key, "POST", "/teams/crew/memberships", wanted)
    stem = f"teams.crew.memberships.{member['$id']}"
    story.tells(f"{stem}.create", same(member), user=KEY)
    path = f"/teams/crew/memberships/{member['$id']}"
    changed = story.done(story.key, "PATCH", path, {"roles": ["boss"]})
    story.tells(f"{stem}.update", same(changed), user=KEY)
    story.done(story.key, "DELETE", path)
    story.tells(f"{stem}.delete", has(**{"$id": member["$id"], "userId": "bob"}), user=KEY)
    invitation(story)
    story.done(story.own, "DELETE", "/teams/crew")
    story.tells("teams.crew.delete", has(**{"$id": "crew", "name": "New crew"}), user=ANN)


def invitation(story: Story) -> None:
    story.mailbox.skip()
    wanted = {"email": "bobby@example.com", "roles": ["cook"], "url": BACK}
    invited = story.done(story.own, "POST", "/teams/crew/memberships", wanted)
    stem = f"teams.crew.memberships.{invited['$id']}"
    check = has(**{"$id": invited["$id"], "confirm": False})
    story.tells(f"{stem}.create", check, user=ANN)
    link = story.mailbox.next().link
    proof = {"userId": "bob", "secret": link["secret"]}
    path = f"/teams/crew/memberships/{invited['$id']}/status"
    answer = story.guest.patch(path, json=proof)
    assert answer.status_code == 200, answer.text
    story.guest.cookies.clear()
    listed = story.done(story.key, "GET", "/users/bob/sessions")["sessions"]
    session = listed[-1]["$id"]  # who joins is signed in by it
    check = has(**{"$id": session, "provider": "email", "factors": ["email"], "secret": ""})
    story.tells(f"users.bob.sessions.{session}.create", check, user=GUEST)
    story.tells(f"{stem}.update.status", has(confirm=True, userId="bob"), user=GUEST)


def last_words(story: Story) -> None:
    blocked = story.done(story.own, "PATCH", "/account/status")
    story.tells("users.ann.update.status", has(**{"$id": "ann", "status": False}), user=ANN)
    assert blocked["status"] is False
    for name in ("ann", "bob"):
        story.done(story.key, "DELETE", f"/users/{name}")
        story.tells(f"users.{name}.delete", has(**{"$id": name}), user=KEY)
