"""The calls with which a client's end-to-end suite sets itself up."""

import json

import httpx
import pytest

from runwright.identity.scopes import PROJECT_SCOPES
from tests.fakes.identity import open_world

pytestmark = pytest.mark.anyio

ORIGIN = {"origin": "http://localhost", "content-type": "application/json"}
CONSOLE = {**ORIGIN, "x-appwrite-project": "console"}


async def post(
    client: httpx.AsyncClient, path: str, body: dict[str, object], headers: dict[str, str]
) -> httpx.Response:
    return await client.post(path, content=json.dumps(body), headers=headers)


async def test_the_console_sets_up_a_project_with_a_key_that_works() -> None:
    async with open_world(console_signup="open", allows_private=True) as world:
        client = world.client
        login: dict[str, object] = {"email": "First@localhost.test", "password": "password"}

        account = await post(
            client,
            "/v1/account",
            {"userId": "5f1ebc0d1b2c3d4e5f6a", **login, "name": "User Name"},
            CONSOLE,
        )
        assert account.status_code == 201
        assert account.json()["$id"] == "5f1ebc0d1b2c3d4e5f6a"
        assert account.json()["name"] == "User Name"
        assert account.json()["email"] == "first@localhost.test"

        session = await post(client, "/v1/account/sessions/email", login, CONSOLE)
        assert session.status_code == 201
        lines = session.headers.get_list("set-cookie")
        (value,) = [
            line.partition(";")[0].partition("=")[2]
            for line in lines
            if line.startswith("a_session_console=")
        ]
        client.cookies.clear()
        cookie = {"cookie": f"a_session_console={value}"}

        assert (await client.get("/v1/account", headers=CONSOLE | cookie)).status_code == 200

        team = await post(
            client, "/v1/teams", {"teamId": "team1", "name": "Demo Project Team"}, CONSOLE | cookie
        )
        assert team.status_code == 201
        assert (team.json()["$id"], team.json()["name"]) == ("team1", "Demo Project Team")

        project = await post(
            client,
            "/v1/projects",
            {
                "projectId": "demo",
                "region": "default",
                "name": "Demo Project",
                "teamId": "team1",
                "description": "Demo Project Description",
                "url": "https://appwrite.io",
            },
            CONSOLE | cookie,
        )
        assert project.status_code == 201
        assert project.json()["$id"] == "demo"

        key = await post(
            client,
            "/v1/projects/demo/keys",
            {
                "keyId": "unique()",
                "name": "Demo Project Key",
                "scopes": [scope.id for scope in PROJECT_SCOPES],
            },
            CONSOLE | cookie,
        )
        assert key.status_code == 201
        assert key.json()["secret"]

        server = {"x-appwrite-project": "demo", "x-appwrite-key": key.json()["secret"]}
        users = await client.get("/v1/users", headers=server)
        assert (users.status_code, users.json()) == (200, {"total": 0, "users": []})

        as_admin = {**ORIGIN, **cookie, "x-appwrite-mode": "admin", "x-appwrite-project": "demo"}
        assert (await client.get("/v1/users", headers=as_admin)).status_code == 200

        webhook = await post(
            client,
            "/v1/webhooks",
            {
                "webhookId": "unique()",
                "name": "Webhook Test",
                "events": ["databases.*", "functions.*", "buckets.*", "teams.*", "users.*"],
                "url": "http://request-catcher-webhook:5000/",
                "tls": False,
            },
            as_admin,
        )
        assert webhook.status_code == 201
        assert len(webhook.json()["secret"]) == 128

        mail = await client.patch(
            "/v1/projects/demo/smtp",
            content=json.dumps(
                {
                    "enabled": True,
                    "senderEmail": "mailer@appwrite.io",
                    "senderName": "Mailer",
                    "host": "maildev",
                    "port": 1025,
                    "username": "user",
                    "password": "password",
                }
            ),
            headers=CONSOLE | cookie,
        )
        assert mail.status_code == 200
        assert mail.json()["smtpEnabled"] is True

        switched = await client.patch(
            "/v1/projects/demo/auth/session-invalidation",
            content=json.dumps({"enabled": False}),
            headers=CONSOLE | cookie,
        )
        assert switched.status_code == 200


async def test_the_console_takes_no_second_sign_up_by_default() -> None:
    async with open_world() as world:
        refused = await world.console_guest.post(
            "/account",
            {"userId": "unique()", "email": "late@example.com", "password": "password"},
        )
        assert (refused.status, refused.type) == (501, "user_console_count_exceeded")
