"""The part of Markdown that pages are mostly made of.

Everything else is shown as it stands, HTML included, so no text can bring a script along.
"""

import re
from itertools import takewhile

ITEM = re.compile(r"(?:[-*+]|(\d+)\.)\s+(.*)")
HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*")
RULE = re.compile(r"(---+|\*\*\*+)\s*")
SPAN = re.compile(r"(`[^`]+`|!?\[[^\]]*\]\([^()\s]+\))")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^()\s]+)\)")
SAFE = re.compile(r"https?:|mailto:|/|#|\.", re.IGNORECASE)


def escape(text):
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return text


def styled(text):
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    return re.sub(r"\*(.+?)\*", r"<em>\1</em>", text)


def span(part):
    if len(part) > 2 and part[0] == part[-1] == "`":
        return f"<code>{escape(part[1:-1])}</code>"
    link = LINK.fullmatch(part)
    if not link or not SAFE.match(link[3]):
        return styled(escape(part))
    label, url = escape(link[2]), escape(link[3])
    if link[1]:
        return f'<img src="{url}" alt="{label}">'
    return f'<a href="{url}">{styled(label)}</a>'


def inline(text):
    """Code and links are taken out first: what they hold is no emphasis."""
    return "".join(span(part) for part in SPAN.split(text))


def starts_block(line):
    return HEADING.fullmatch(line) or ITEM.fullmatch(line) or line.startswith(("```", ">"))


def render(text):
    """The HTML, and the text of the first heading."""
    lines = text.replace("\r\n", "\n").split("\n")
    blocks, heading, at = [], "", 0
    while at < len(lines):
        line = lines[at]
        title = HEADING.fullmatch(line)
        if not line.strip():
            at += 1
        elif line.startswith("```"):
            code = list(takewhile(lambda next: not next.startswith("```"), lines[at + 1 :]))
            at += len(code) + 2
            blocks.append(f"<pre><code>{escape(chr(10).join(code))}\n</code></pre>")
        elif title:
            at += 1
            heading = heading or title[2]
            level = len(title[1])
            blocks.append(f"<h{level}>{inline(title[2])}</h{level}>")
        elif RULE.fullmatch(line):
            at += 1
            blocks.append("<hr>")
        elif line.startswith(">"):
            quoted = list(takewhile(lambda next: next.startswith(">"), lines[at:]))
            at += len(quoted)
            inner, _ = render("\n".join(re.sub("^> ?", "", each) for each in quoted))
            blocks.append(f"<blockquote>{inner}</blockquote>")
        elif ITEM.fullmatch(line):
            tag = "ol" if ITEM.fullmatch(line)[1] else "ul"
            items = list(takewhile(ITEM.fullmatch, lines[at:]))
            at += len(items)
            made = "".join(f"<li>{inline(ITEM.fullmatch(each)[2])}</li>" for each in items)
            blocks.append(f"<{tag}>{made}</{tag}>")
        else:
            rest = takewhile(lambda next: next.strip() and not starts_block(next), lines[at + 1 :])
            joined = [line, *rest]
            at += len(joined)
            blocks.append(f"<p>{inline(chr(10).join(each.strip() for each in joined))}</p>")
    return "\n".join(blocks), heading
