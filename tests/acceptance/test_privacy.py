"""Nothing that passes through a function stays on disk."""

from pathlib import Path

from tests.acceptance.deploying import deploy, execute, on_domain
from tests.acceptance.running import Running
from tests.marker import Marker

TWICE = """
export default async ({ req, res }) =>
  res.text(req.bodyText + req.bodyText, 200, { "x-secret": req.bodyText });
"""


def test_bodies_and_response_headers_are_stored_nowhere(tmp_path: Path) -> None:
    marker = Marker()
    server = Running(tmp_path / "data").start()
    try:
        with server.client() as api:
            host = deploy(api, "private", "node", TWICE)
            done = execute(api, "private", body=marker.text, headers={"x-mine": marker.text})
            assert done["responseBody"] == marker.text * 2
            with on_domain(server, host) as web:
                answer = web.post("/", content=marker.text, headers={"x-mine": marker.text})
                assert answer.headers["x-secret"] == marker.text
            listed = api.get("/functions/private/executions").json()["executions"]
            assert len(listed) == 2
        assert marker.found_below(server.data_dir) == []
    finally:
        assert server.stop() == 0
    assert marker.found_below(server.data_dir) == []
    assert marker.found_below(server.log.parent) == []


def test_variables_and_keys_are_not_on_disk_in_the_clear(tmp_path: Path) -> None:
    marker = Marker()
    server = Running(tmp_path / "data").start()
    try:
        with server.client() as api:
            deploy(api, "sealed", "node", "export default ({res}) => res.text(process.env.S);")
            made = {"variableId": "unique()", "key": "S", "value": marker.text, "secret": True}
            assert api.post("/functions/sealed/variables", json=made).status_code == 201
            assert execute(api, "sealed")["responseBody"] == marker.text
    finally:
        server.stop()
    assert marker.found_below(server.data_dir) == []
    keyed = Marker(server.api_key).found_below(server.data_dir)
    assert [path.name for path in keyed] == ["credentials.json"]
