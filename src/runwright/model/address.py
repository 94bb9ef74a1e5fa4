"""Where a request of ours goes: an http address in its parts. Pure."""

from typing import Final, Self
from urllib.parse import urlsplit

from runwright.values import dataclass

MAX_CHARS: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAddress:
    scheme: str  # http or https
    host: str  # a name or an IP address, lower case, an IPv6 one without its brackets
    port: int
    target: str  # path and query, as they were written

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with what is wrong.

        Written out in ASCII, so that nobody reads another host in it than we do.
        """
        if len(text) > MAX_CHARS or not all("!" <= char <= "~" for char in text):
            raise ValueError(
                f"Value must be a URL of at most {MAX_CHARS} ASCII characters without spaces; "
                "international names in their xn-- form"
            )
        if "\\" in text:
            raise ValueError("Value must be a URL without a backslash")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as exc:
            raise ValueError("Value must be a valid URL") from exc
        scheme = parts.scheme.lower()
        if scheme not in _PORTS or not parts.hostname or port == 0:
            raise ValueError("Value must be a valid URL that starts with http:// or https://")
        if "@" in parts.netloc:
            raise ValueError(
                "Value must be a URL without user and password; they have parameters of their own"
            )
        path = parts.path or "/"
        return cls(
            scheme=scheme,
            host=parts.hostname.lower(),
            port=port or _PORTS[scheme],
            target=f"{path}?{parts.query}" if parts.query else path,
        )

    @property
    def authority(self) -> str:
        """What the header `host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"
