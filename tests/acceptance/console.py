"""The console's side of a server: projects and lasting keys."""

import secrets

import httpx

from tests.acceptance.running import Running


class Console:
    """The operator's console session, opened the way the console opens it."""

    def __init__(self, server: Running) -> None:
        self.api = httpx.Client(
            base_url=server.endpoint,
            timeout=60,
            headers={"origin": "http://localhost", "x-appwrite-project": "console"},
        )
        known = server.credentials
        login = {"email": known["consoleEmail"], "password": known["consolePassword"]}
        answer = self.api.post("/account/sessions/email", json=login)
        assert answer.status_code == 201, answer.text
        raw = next(
            value.split(";")[0]
            for value in answer.headers.get_list("set-cookie")
            if value.startswith("a_session_console=")
        )
        self.api.cookies.clear()
        self.api.headers["cookie"] = raw  # sent again exactly as it came

    def new_project(self) -> str:
        project_id = f"p{secrets.token_hex(6)}"
        team = self.api.post("/teams", json={"teamId": project_id, "name": "Team"})
        assert team.status_code == 201, team.text
        body = {"projectId": project_id, "name": "Project", "teamId": project_id, "url": "ignored"}
        made = self.api.post("/projects", json={**body, "region": "default"})
        assert made.status_code == 201, made.text
        return project_id

    def new_key(self, project_id: str, scopes: list[str]) -> str:
        body = {"keyId": "unique()", "name": "Key", "scopes": scopes}
        made = self.api.post(f"/projects/{project_id}/keys", json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["secret"])
