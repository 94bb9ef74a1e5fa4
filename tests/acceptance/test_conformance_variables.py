"""Variables that no environment can hold harm neither a build nor a run nor its sandbox."""

import pytest

from tests.acceptance.deploying import create, redeploy
from tests.acceptance.running import Running

SHOWS = {
    "node": "export default ({ res }) => res.json(Object.keys(process.env));",
    "python": "import os\n\ndef main(context):\n    return context.res.json(list(os.environ))\n",
}


@pytest.mark.parametrize("language", ["node", "python"])
def test_a_key_that_holds_an_equals_sign_is_kept_but_not_passed_on(
    server: Running, language: str
) -> None:
    function_id = f"odd-keys-{language}"
    with server.client() as api:
        create(api, function_id, language, commands="true")
        for key in ("A=B", "ODD KEY", "PLAIN"):
            variable = {"variableId": "unique()", "key": key, "value": "x"}
            api.post(f"/functions/{function_id}/variables", json=variable).raise_for_status()
        redeploy(api, function_id, language, SHOWS[language])  # the build has them too
        ran = api.post(f"/functions/{function_id}/executions", json={}).json()
        assert ran["status"] == "completed", ran["errors"]
        assert '"PLAIN"' in ran["responseBody"]
        assert "A=B" not in ran["responseBody"]
        keys = api.get(f"/functions/{function_id}/variables").json()["variables"]
        assert [item["key"] for item in keys] == ["A=B", "ODD KEY", "PLAIN"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/functions/nulls/variables", {"variableId": "unique()", "key": "A", "value": "x\0y"}),
        ("/functions/nulls/variables", {"variableId": "unique()", "key": "A\0B", "value": "x"}),
        ("/functions", {"functionId": "unique()", "name": "a\0b", "runtime": "node-22"}),
        ("/functions/nulls/executions", {"path": "/a\0b"}),
    ],
)
def test_texts_with_null_characters_are_refused(
    server: Running, path: str, body: dict[str, str]
) -> None:
    with server.client() as api:
        answer = api.post(path, json=body)
        assert answer.status_code == 400
        assert answer.json()["type"] == "general_argument_invalid"
