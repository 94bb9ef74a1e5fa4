"""Placeholders in the words of a letter, filled for text and for HTML."""

import html
import re
from collections.abc import Mapping
from typing import Final

PLACEHOLDER: Final = re.compile(r"\{\{\s{0,8}(\w{1,64})\s{0,8}\}\}")
_TAG: Final = re.compile(r"</?[A-Za-z!][^<>]*>")
_BREAK: Final = re.compile(r"(?i)<\s*(br|/p|/div|/tr|/h[1-6]|/li)\b[^<>]*>")
_UNSEEN: Final = re.compile(r"(?i)<(style|script|head|title)\b")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

Values = Mapping[str, str]

_STYLE: Final = "font-family: sans-serif; line-height: 1.5; max-width: 36em; margin: 2em auto"
_LARGE: Final = "font-size: 1.8em; letter-spacing: 0.15em"


def needs(text: str) -> set[str]:
    """The names of the values that a text shows."""
    return set(PLACEHOLDER.findall(text))


def as_text(template: str, values: Values) -> str:
    return PLACEHOLDER.sub(lambda found: values.get(found[1], ""), template)


def as_html(template: str, values: Values) -> str:
    """Values are no HTML, whatever stands in them."""
    return PLACEHOLDER.sub(lambda found: html.escape(values.get(found[1], "")), template)


def as_line(template: str, values: Values) -> str:
    """For a header: one line, without what could begin another."""
    return _CONTROL.sub(" ", as_text(template, values)).strip()


def is_html(template: str) -> bool:
    return _TAG.search(template) is not None


def text_of(page: str) -> str:
    """What a reader without HTML sees of a page."""
    broken = _BREAK.sub("\n", _seen(page))
    lines = (line.strip() for line in html.unescape(_TAG.sub("", broken)).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _seen(page: str) -> str:
    """Without styles, scripts and the head. One pass: pages may be large and malformed."""
    parts, at = [], 0
    while (opened := _UNSEEN.search(page, at)) is not None:
        parts.append(page[at : opened.start()])
        closed = re.compile(rf"(?i)</{opened[1]}[^<>]*>").search(page, opened.end())
        if closed is None:
            return "".join(parts)
        at = closed.end()
    return "".join((*parts, page[at:]))


def page(paragraphs: tuple[str, ...]) -> str:
    """Paragraphs, with placeholders, as a template in HTML."""
    return (
        f'<!doctype html>\n<html>\n<body style="{_STYLE}">\n'
        + "\n".join(_paragraph(text) for text in paragraphs)
        + "\n</body>\n</html>\n"
    )


def _paragraph(text: str) -> str:
    if text == "{{redirect}}":
        return '<p><a href="{{redirect}}">{{redirect}}</a></p>'
    if text == "{{otp}}":
        return f'<p style="{_LARGE}"><strong>{{{{otp}}}}</strong></p>'
    return f"<p>{html.escape(text, quote=False)}</p>"
