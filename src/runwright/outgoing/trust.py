"""The authorities that the web is trusted by: read once, shared by whoever calls out."""

import ssl
from functools import cache

import httpx


@cache
def web_authorities() -> ssl.SSLContext:
    """Nobody may change it. Reading them takes some twenty milliseconds."""
    return httpx.create_ssl_context()
