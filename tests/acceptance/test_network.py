"""What a function may connect to: set over the API, felt by the next run."""

import json

from tests import decoys
from tests.acceptance.deploying import deploy, execute
from tests.acceptance.running import Running

OUTSIDE = "198.51.100.214"
PRIVATE = "10.213.8.2"
SOURCE = """
import json, os, socket, urllib.request

def main(context):
    endpoint = os.environ["APPWRITE_FUNCTION_API_ENDPOINT"]
    with urllib.request.urlopen(endpoint + "/health/version", timeout=20) as answer:
        api = answer.status
    try:
        with socket.create_connection(tuple(json.loads(context.req.body_text)), timeout=20) as link:
            outside = link.recv(64).decode()
    except OSError:
        outside = ""
    return context.res.json({"api": api, "outside": outside})
"""


def test_a_functions_network_changes_with_its_setting_and_the_api_stays_in_reach(
    server: Running,
) -> None:
    with decoys.a_network(OUTSIDE, PRIVATE) as network, server.client() as api:
        deploy(api, "reach", "python", SOURCE, timeout=30)

        def reached(decoy: decoys.Decoy) -> dict[str, object]:
            body = json.dumps([decoy.address, decoy.port])
            found: dict[str, object] = json.loads(execute(api, "reach", body=body)["responseBody"])
            return found

        with network.serve(OUTSIDE) as outside, network.serve(PRIVATE) as private:
            assert reached(outside) == {"api": 200, "outside": "decoy\n"}
            assert reached(private) == {"api": 200, "outside": ""}
            changed = api.put("/functions/reach", json={"name": "reach", "network": "none"})
            assert changed.json()["network"] == "none"
            assert reached(outside) == {"api": 200, "outside": ""}
            api.put("/functions/reach", json={"name": "reach", "network": "egress"})
            assert reached(outside) == {"api": 200, "outside": "decoy\n"}
            refused = api.put("/functions/reach", json={"name": "reach", "network": "host"})
            assert refused.json()["type"] == "general_argument_invalid"
        assert (outside.visits, private.visits) == (2, 0)
