"""Nothing that passes through a function stays on disk."""

from pathlib import Path

from tests.acceptance.deploying import deploy, execute, on_domain
from tests.acceptance.running import Running

MARKER = "mArKeR-7c1e5f0a94"
SOURCE = f"""
export default async ({{ req, res }}) => {{
  const secret = Buffer.from("{MARKER[::-1]}").toString().split("").reverse().join("");
  return res.text(secret + req.bodyText, 200, {{ "x-secret": secret }});
}};
"""


def holding(folder: Path, marker: str) -> list[Path]:
    """Files below `folder` that hold the marker, in the clear or as UTF-16."""
    needles = (marker.encode(), marker.encode("utf-16-le"))
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if any(needle in content for needle in needles):
                found.append(path)
    return found


def test_bodies_and_response_headers_are_stored_nowhere(tmp_path: Path) -> None:
    server = Running(tmp_path / "data").start()
    try:
        with server.client() as api:
            host = deploy(api, "private", "node", SOURCE)
            done = execute(api, "private", body=MARKER, headers={"x-mine": MARKER})
            assert done["responseBody"] == MARKER * 2
            with on_domain(server, host) as web:
                answer = web.post("/", content=MARKER, headers={"x-mine": MARKER})
                assert answer.headers["x-secret"] == MARKER
            listed = api.get("/functions/private/executions").json()["executions"]
            assert len(listed) == 2
        assert holding(server.data_dir, MARKER) == []
    finally:
        assert server.stop() == 0
    assert holding(server.data_dir, MARKER) == []
    assert holding(server.log.parent, MARKER) == []


def test_variables_and_keys_are_not_on_disk_in_the_clear(tmp_path: Path) -> None:
    server = Running(tmp_path / "data").start()
    try:
        with server.client() as api:
            deploy(api, "sealed", "node", "export default ({res}) => res.text(process.env.S);")
            made = {"variableId": "unique()", "key": "S", "value": MARKER, "secret": True}
            assert api.post("/functions/sealed/variables", json=made).status_code == 201
            assert execute(api, "sealed")["responseBody"] == MARKER
    finally:
        server.stop()
    assert holding(server.data_dir, MARKER) == []
    keyed = holding(server.data_dir, server.api_key)
    assert [path.name for path in keyed] == ["credentials.json"]
