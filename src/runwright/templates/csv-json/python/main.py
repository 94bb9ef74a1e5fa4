import csv
import io
import json
import re
from urllib.parse import parse_qs

NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?")


class BadInput(Exception):
    """Text that cannot be converted; the message is for whoever sent it."""


def parse(text, delimiter):
    """Rows of RFC 4180 text: quoted fields may hold the delimiter, line breaks and quotes."""
    csv.field_size_limit(max(len(text), 1))
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
        found = [row for row in rows if row and row != [""]]
    except csv.Error as failure:
        raise BadInput("The CSV could not be read.") from failure
    if is_open(text, delimiter):
        raise BadInput("A quoted field is not closed.")
    return found


def is_open(text, delimiter):
    """Whether the text ends inside quotes, which the csv module lets pass."""
    quoted, at_start = False, True
    for char in text:
        if char == '"' and (quoted or at_start):
            quoted, at_start = not quoted, True  # doubled quotes close and open again
        elif not quoted:
            at_start = char == delimiter or char in "\r\n"
    return quoted


def typed(field):
    if NUMBER.fullmatch(field):
        return float(field) if "." in field else int(field)
    if field in ("true", "false"):
        return field == "true"
    return None if field == "" else field


def to_json(text, delimiter, has_types):
    rows = parse(text.removeprefix("\ufeff"), delimiter)
    names = rows[0] if rows else []
    if len(set(names)) != len(names):
        raise BadInput("Two columns have the same name.")
    items = []
    for index, row in enumerate(rows[1:]):
        if len(row) > len(names):
            raise BadInput(f"Row {index + 1} has more fields than names.")
        full = row + [""] * (len(names) - len(row))
        values = [typed(field) for field in full] if has_types else full
        items.append(dict(zip(names, values)))
    return items


def field_of(value):
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def to_csv(items, delimiter):
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadInput("Send a list of objects.")
    names = list(dict.fromkeys(name for item in items for name in item))
    special = (delimiter, '"', "\n", "\r")

    def quoted(text):
        if any(char in text for char in special):
            return '"' + text.replace('"', '""') + '"'
        return text

    rows = [names] + [[field_of(item.get(name)) for name in names] for item in items]
    return "".join(delimiter.join(map(quoted, row)) + "\r\n" for row in rows)


def main(context):
    req, res = context.req, context.res
    query = parse_qs(req.query_string, keep_blank_values=True)
    delimiter = query.get("delimiter", [","])[0]
    is_json = req.headers.get("content-type", "").startswith("application/json")
    try:
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise BadInput("delimiter is one character.")
        if is_json:
            text = to_csv(json.loads(req.body_text), delimiter)
            return res.text(text, 200, {"content-type": "text/csv; charset=utf-8"})
        items = to_json(req.body_text, delimiter, query.get("types") == ["1"])
    except json.JSONDecodeError:
        return res.json({"error": "The body is not JSON."}, 400)
    except BadInput as failure:
        return res.json({"error": str(failure)}, 400)
    context.log(f"{len(items)} rows")
    return res.json(items)
