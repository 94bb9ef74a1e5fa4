import os
from pathlib import Path

from .markdown import escape, render

PAGE = Path(__file__).with_name("page.md")
STYLE = (
    "body{font:1.05rem/1.6 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}"
    "pre{background:#f4f4f5;padding:1rem;overflow:auto}code{font-family:ui-monospace,monospace}"
    "blockquote{border-left:4px solid #ddd;margin-left:0;padding-left:1rem}"
)


def page(text):
    html, heading = render(text)
    title = escape(os.environ.get("PAGE_TITLE") or heading or "Page")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>\n{html}\n</body></html>\n"
    )


def main(context):
    req, res = context.req, context.res
    if req.method not in ("GET", "HEAD", "POST"):
        return res.text("Use GET to read the page, POST to try Markdown.\n", 405)
    text = req.body_text if req.method == "POST" else PAGE.read_text(encoding="utf-8")
    headers = {
        "content-type": "text/html; charset=utf-8",
        # Rendered text can hold no script; this keeps one out even if that were wrong.
        "content-security-policy": (
            "default-src 'none'; style-src 'unsafe-inline'; img-src https:"
        ),
    }
    return res.text(page(text), 200, headers)
