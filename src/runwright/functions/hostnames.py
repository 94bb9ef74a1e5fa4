"""Host names: what is one, which are ours, which nobody may take. Pure rules."""

import ipaddress
import re
import secrets
from typing import Final

from runwright.errors import InvalidParam
from runwright.values import dataclass

MAX_CHARS: Final = 253

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ACE: Final = re.compile(r"..--")  # such as xn--: the label means other characters


def is_label(text: str) -> bool:
    """Whether `text` is one lower-case DNS label."""
    return _LABEL.fullmatch(text) is not None


def is_hostname(text: str) -> bool:
    """Whether `text` is a lower-case host name, not an address."""
    if not 1 <= len(text) <= MAX_CHARS or not all(map(is_label, text.split("."))):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        # A last label of digits makes resolvers take the whole name for an address.
        return not text.rpartition(".")[2].isdigit()
    return False


def label_for(function_id: str) -> str | None:
    """The label that a function's id gives, if it is a legal one."""
    label = function_id.lower()
    return label if is_label(label) and not _ACE.match(label) else None


def random_label() -> str:
    return secrets.token_hex(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """The names that this installation answers on by itself, in any case."""

    functions_domain: str
    api_hosts: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "functions_domain", self.functions_domain.lower())
        object.__setattr__(self, "api_hosts", tuple(host.lower() for host in self.api_hosts))

    def generated(self, label: str) -> str:
        return f"{label}.{self.functions_domain}"

    def is_ours(self, domain: str) -> bool:
        """Whether `domain` stands below the functions domain; its DNS is then right already."""
        return domain.endswith(f".{self.functions_domain}")

    def checked(self, text: str) -> str:
        """The domain that a rule may have, lower-case. Raises InvalidParam."""
        domain = text.lower()
        if not is_hostname(domain):
            raise InvalidParam(
                "domain",
                "Value must be a host name such as app.example.com: no scheme, port, path, "
                "wildcard or final dot; international names in their xn-- form.",
            )
        if domain in self.api_hosts or domain == self.functions_domain:
            raise InvalidParam("domain", "This domain is used by the server itself.")
        if self.is_ours(domain) and "." in domain.removesuffix(f".{self.functions_domain}"):
            raise InvalidParam(
                "domain", f"Only one label may stand before {self.functions_domain}."
            )
        return domain
