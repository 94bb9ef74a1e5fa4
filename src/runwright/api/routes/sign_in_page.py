"""Where a link to sign in leads when the client has no page for it.

Programs that look through mail open its links, so opening this one does nothing yet: the person
presses a button, and then the secret is used up.
"""

import secrets
from typing import Final

from runwright.api.routing import Answer, Call, Nothing, Route

PATH: Final = "/v1/account/tokens/magic-url"
_TYPE: Final = "text/html; charset=UTF-8"

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in</title>
<style nonce="NONCE">
body { font-family: system-ui, sans-serif; max-width: 30rem; margin: 4rem auto; padding: 0 1rem; }
button { font: inherit; padding: 0.5rem 1.5rem; }
</style>
</head>
<body>
<h1>Sign in</h1>
<p id="told" role="status">Press the button to sign in on this device.</p>
<button id="go" type="button">Sign in</button>
<noscript>This page needs JavaScript.</noscript>
<script nonce="NONCE">
const given = new URLSearchParams(location.search);
const go = document.getElementById("go"), told = document.getElementById("told");
go.onclick = async () => {
  go.disabled = true;
  try {
    const answer = await fetch("/v1/account/sessions/token", {
      method: "POST",
      credentials: "include",
      headers: {
        "content-type": "application/json",
        "x-appwrite-project": given.get("project") || "console",
      },
      body: JSON.stringify({ userId: given.get("userId"), secret: given.get("secret") }),
    });
    told.textContent = answer.ok
      ? "You are signed in. You can close this page."
      : (await answer.json()).message;
    go.hidden = true;
  } catch {
    told.textContent = "The server could not be reached. Try again.";
    go.disabled = false;
  }
};
</script>
</body>
</html>
"""


async def page(call: Call, params: Nothing) -> Answer:
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = (
        ("content-security-policy", policy),
        ("referrer-policy", "no-referrer"),  # the address of this page has the secret in it
        ("cache-control", "no-store"),
    )
    content = _PAGE.replace("NONCE", nonce).encode()
    return Answer(content=content, headers=headers, media_type=_TYPE)


def sign_in_page(call: Call) -> str:
    """The address of the page, as the caller reaches this server."""
    named = call.headers.get("host", "")
    host = named if named.rpartition(":")[0] == call.host else call.host
    return f"{call.scheme}://{host}{PATH}"


def sign_in_page_route() -> Route:
    return Route(
        name="account.getMagicURLPage",
        method="GET",
        paths=(PATH,),
        scopes=("public",),
        handler=page,
        media_types=(_TYPE,),
        service="account",
    )
