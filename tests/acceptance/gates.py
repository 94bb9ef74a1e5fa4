"""Functions that wait for their test: what is held goes on when the test says so, never before.

A function that only takes some time may have ended before its test gets to look at it.
"""

from typing import Any, Final

import httpx

SCOPES: Final = ["users.read"]  # of the function
# In the source of a Node function: `await opened(name, req)`. A gate is a user of that name; with
# `true` behind it, it also opens when the server takes no more calls: for two seconds at least,
# since a single call may fail for other reasons.
OPENED: Final = """
const opened = async (gate, { headers }, orServerStops = false) => {
  const url = `${process.env.APPWRITE_FUNCTION_API_ENDPOINT}/users/${gate}`;
  const project = process.env.APPWRITE_FUNCTION_PROJECT_ID;
  const key = headers["x-appwrite-key"];
  const asked = { headers: { "x-appwrite-project": project, "x-appwrite-key": key } };
  const status = () =>
    fetch(url, asked).then((answer) => answer.arrayBuffer().then(() => answer.status));
  let failed = 0; // in a row
  for (;;) {
    const found = await status().catch(() => 0);
    failed = found === 0 ? failed + 1 : 0;
    if (found === 200 || (failed > 40 && orServerStops)) return;
    await new Promise((done) => setTimeout(done, 50));
  }
};
"""
HELD: Final[dict[str, Any]] = {"scopes": SCOPES, "timeout": 900}  # settings of such a function


def open_gate(api: httpx.Client, gate: str) -> None:
    api.post("/users", json={"userId": gate}).raise_for_status()
