"""Where people end up whose client named no address of its own.

Apps wait for an address of a scheme of theirs. The page leads there with what stands behind the
`#`, of which only known names are taken. Without such an app it just says how it went.
"""

import base64
import hashlib
from typing import Final

from runwright.api.routing import Answer
from runwright.model.execution import Headers

_SCRIPT: Final = """
const known = ['project', 'domain', 'key', 'secret', 'userId', 'state', 'error'];
const given = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, '', location.pathname);
const project = given.get('project') || '';
const told = new URLSearchParams(known.filter((k) => given.has(k)).map((k) => [k, given.get(k)]));
try {
  document.getElementById('why').textContent = JSON.parse(given.get('error')).message;
} catch { /* nothing went wrong, or nobody says what */ }
if (/^[a-z0-9][a-z0-9-]{0,35}$/.test(project)) {
  const app = `appwrite-callback-${project}:///?${told}`;
  const link = document.getElementById('app');
  link.href = app;
  link.hidden = false;
  location.href = app;
}
"""
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
<p id="why">{text}</p>
<p><a id="app" hidden>Back to the app</a></p>
<script>{script}</script>
</body>
</html>
"""


def _headers() -> Headers:
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"
    )
    return (
        ("content-security-policy", policy),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
    )


def _page(title: str, text: str) -> Answer:
    return Answer(
        content=_PAGE.format(title=title, text=text, script=_SCRIPT),
        headers=_headers(),
        media_type="text/html; charset=UTF-8",
    )


SUCCESS_PAGE: Final = _page("You are signed in", "You can close this page.")
FAILURE_PAGE: Final = _page("You are not signed in", "Go back and try again.")
