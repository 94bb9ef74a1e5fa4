"""What changes in a project reaches the functions that listen, as the reference says."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from appwrite.client import Client
from appwrite.id import ID
from appwrite.services.users import Users

from tests.acceptance.console import Console
from tests.acceptance.deploying import deploy
from tests.acceptance.running import Running

WAIT_S: Final = 120.0
PASSWORD: Final = "correct horse"
SCOPES: Final = [
    "users.read",
    "users.write",
    "sessions.write",
    "teams.read",
    "teams.write",
    "functions.read",
    "functions.write",
    "executions.read",
    "executions.write",
    "rules.read",
]
WITNESS: Final = """
export default async ({ req, res, log }) => {
  const { method, path, headers } = req;
  log(JSON.stringify({ method, path, headers, body: req.bodyJson }));
  return res.empty();
};
"""


@dataclass
class Project:
    server: Running
    id: str
    key: str

    def client(self, **headers: str) -> httpx.Client:
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Client(
            base_url=self.server.endpoint,
            headers={"x-appwrite-project": self.id, **own},
            timeout=60,
        )

    def by_key(self) -> httpx.Client:
        return self.client(x_appwrite_key=self.key)

    def runs(self, function_id: str) -> list[dict[str, Any]]:
        """What a witness was told so far, each with its run, in the order of the events."""
        queries = [{"method": "limit", "values": [100]}, {"method": "orderAsc"}]
        params = {f"queries[{at}]": json.dumps(query) for at, query in enumerate(queries)}
        path = f"/functions/{function_id}/executions"
        with self.by_key() as api:
            found = api.get(path, params=params).json()["executions"]
        ended = [run for run in found if run["status"] in ("completed", "failed")]
        assert [run for run in ended if run["status"] == "failed"] == []
        return [json.loads(run["logs"]) | {"run": run} for run in ended]

    def names(self, function_id: str) -> list[str]:
        return [told["headers"]["x-appwrite-event-name"] for told in self.runs(function_id)]

    def witnessed(self, event_name: str, function_id: str = "witness") -> dict[str, Any]:
        """What the witness got with an event, by the event's full name."""
        deadline = time.monotonic() + WAIT_S
        while True:
            for told in self.runs(function_id):
                if told["headers"]["x-appwrite-event-name"] == event_name:
                    return told
            assert time.monotonic() < deadline, f"{event_name} has not come"
            time.sleep(0.05)

    def sign_up(self, user_id: str) -> None:
        body = {"userId": user_id, "email": f"{user_id}@example.com", "password": PASSWORD}
        with self.client() as guest:
            answer = guest.post("/account", json=body)
        assert answer.status_code == 201, answer.text

    def sign_in(self, user_id: str) -> tuple[str, httpx.Client]:
        """The id of a new session, and a client that has it."""
        body = {"email": f"{user_id}@example.com", "password": PASSWORD}
        with self.client() as guest:
            answer = guest.post("/account/sessions/email", json=body)
        assert answer.status_code == 201, answer.text
        cookie = next(
            value.partition(";")[0]
            for value in answer.headers.get_list("set-cookie")
            if value.startswith(f"a_session_{self.id}=")
        )
        return str(answer.json()["$id"]), self.client(cookie=cookie)


@pytest.fixture(scope="module")
def project(server: Running) -> Iterator[Project]:
    """Two functions listen; a third one does too and is switched off."""
    console = Console(server)
    project_id = console.new_project()
    made = Project(server, project_id, console.new_key(project_id, SCOPES))
    with made.by_key() as api:
        # The user's token that it is given lives no longer than a run may last, and some time.
        deploy(api, "witness", "node", WITNESS, events=["users.*", "teams.*"], timeout=900)
        deploy(api, "second", "node", WITNESS, events=["users.*.create", "users.*"])
        deploy(api, "off", "node", WITNESS, events=["users.*"], enabled=False)
    yield made
    console.api.close()


def test_a_user_made_by_the_sdk_reaches_every_function_that_listens(project: Project) -> None:
    client = Client().set_endpoint(project.server.endpoint).set_project(project.id)
    users = Users(client.set_key(project.key))
    user = users.create(ID.unique(), email="ann@example.com", password=PASSWORD, name="Ann")
    name = f"users.{user.id}.create"
    first, second = project.witnessed(name), project.witnessed(name, "second")
    assert first["run"]["$id"] != second["run"]["$id"]
    assert (first["method"], first["path"]) == ("POST", "/")
    headers = first["headers"]
    assert headers["x-appwrite-event"] == headers["x-appwrite-event-name"] == name
    assert (headers["x-appwrite-user-id"], headers["x-appwrite-user-jwt"]) == ("", "")
    assert headers["content-type"] == "application/json"
    assert headers["x-appwrite-trigger"] == first["run"]["trigger"] == "event"
    assert headers["x-appwrite-execution-id"] == first["run"]["$id"]
    assert headers["x-appwrite-event-depth"] == "1"
    assert headers["x-appwrite-chain-id"] == second["headers"]["x-appwrite-chain-id"] != ""
    body = first["body"]
    assert (body["$id"], body["name"], body["email"]) == (user.id, "Ann", "ann@example.com")
    assert (body["password"], body["hash"], body["hashOptions"]) == (None, None, None)
    assert body["prefs"] == {}
    assert [target["identifier"] for target in body["targets"]] == ["ann@example.com"]
    # Two patterns of the second one match, and yet it ran once.
    assert [project.names(item).count(name) for item in ("witness", "second")] == [1, 1]
    assert project.runs("off") == []


def test_who_signs_up_is_in_the_payload_and_not_in_the_headers(project: Project) -> None:
    project.sign_up("bea")
    told = project.witnessed("users.bea.create")
    assert told["headers"]["x-appwrite-user-id"] == told["headers"]["x-appwrite-user-jwt"] == ""
    assert told["body"]["$id"] == "bea"
    assert "password" not in told["body"]
    session_id, client = project.sign_in("bea")
    client.close()
    told = project.witnessed(f"users.bea.sessions.{session_id}.create")
    assert told["headers"]["x-appwrite-user-id"] == ""
    assert (told["body"]["userId"], told["body"]["secret"]) == ("bea", "")


def test_the_function_may_act_as_the_user_who_made_the_change(project: Project) -> None:
    project.sign_up("cleo")
    session_id, cleo = project.sign_in("cleo")
    with cleo:
        assert cleo.patch("/account/prefs", json={"prefs": {"a": 1}}).status_code == 200
        told = project.witnessed("users.cleo.update.prefs")
        assert told["headers"]["x-appwrite-event"] == "users.cleo.update"
        assert told["headers"]["x-appwrite-user-id"] == "cleo"
        assert told["body"]["prefs"] == {"a": 1}
        with project.client(x_appwrite_jwt=told["headers"]["x-appwrite-user-jwt"]) as as_cleo:
            assert as_cleo.get("/account").json()["$id"] == "cleo"
        assert cleo.delete("/account/sessions/current").status_code == 204
    told = project.witnessed(f"users.cleo.sessions.{session_id}.delete")
    assert told["body"]["$id"] == session_id


def test_teams_and_their_members_are_announced(project: Project) -> None:
    with project.by_key() as api:
        assert api.post("/users", json={"userId": "dan"}).status_code == 201
        assert api.post("/teams", json={"teamId": "crew", "name": "Crew"}).status_code == 201
        answer = api.put("/teams/crew/prefs", json={"prefs": {"color": "red"}})
        assert answer.status_code == 200
        body = {"userId": "dan", "roles": ["cook"]}
        member = api.post("/teams/crew/memberships", json=body).json()
        path = f"/teams/crew/memberships/{member['$id']}"
        assert api.patch(path, json={"roles": []}).status_code == 200
        assert api.delete(path).status_code == 204
        assert api.delete("/teams/crew").status_code == 204
    assert project.witnessed("teams.crew.create")["body"]["name"] == "Crew"
    prefs = project.witnessed("teams.crew.update.prefs")
    assert prefs["headers"]["x-appwrite-event"] == "teams.crew.update"
    assert prefs["body"] == {"color": "red"}
    stem = f"teams.crew.memberships.{member['$id']}"
    assert project.witnessed(f"{stem}.create")["body"] == member
    assert project.witnessed(f"{stem}.update")["body"]["roles"] == []
    assert project.witnessed(f"{stem}.delete")["body"]["userId"] == "dan"
    assert project.witnessed("teams.crew.delete")["body"]["total"] == 0


def test_what_was_refused_is_not_announced(project: Project) -> None:
    with project.by_key() as api:
        body = {"userId": "eve", "email": "eve@example.com"}
        assert api.post("/users", json=body).status_code == 201
        assert api.post("/users", json=body).status_code == 409
        assert api.patch("/users/eve/email", json={"email": "no address"}).status_code == 400
        assert api.delete("/users/eve").status_code == 204
    project.witnessed("users.eve.create")
    # Events are handed on in their order, so a wrong one would have started before this one.
    project.witnessed("users.eve.delete")
    names = [name for name in project.names("witness") if ".eve." in name]
    assert sorted(names) == ["users.eve.create", "users.eve.delete"]
