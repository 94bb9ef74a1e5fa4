"""Links in letters: the address that a client gave, with what it needs to go on."""

from urllib.parse import parse_qsl, urlencode


def with_query(url: str, **values: str) -> str:
    """The URL with values in its query; those that it has of the same names are replaced.

    Schemes of apps are not all known to URL libraries, so the parts are told apart by hand.
    """
    rest, hash_mark, fragment = url.partition("#")
    base, _, query = rest.partition("?")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in values]
    return f"{base}?{urlencode([*kept, *values.items()])}{hash_mark}{fragment}"
