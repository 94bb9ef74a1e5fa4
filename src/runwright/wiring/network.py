"""What the operator's settings open to functions and close to them."""

from runwright.executor.checks import Finding
from runwright.executor.egress import Opening
from runwright.executor.host import parse_endpoint
from runwright.settings import BadSetting, Settings


def check_network(settings: Settings) -> None:
    """Raises BadSetting: a wrong entry would otherwise open or close nothing, silently."""
    for name, parse in (
        ("network_allow", Opening.parse),
        ("network_refuse", Opening.parse),
        ("network_dns", parse_endpoint),
    ):
        for text in getattr(settings, name):
            try:
                parse(text)
            except ValueError as exc:
                raise BadSetting(f"RUNWRIGHT_{name.upper()}: {exc}") from exc


def open_networks(settings: Settings) -> Finding:
    """For the doctor. Raises BadSetting."""
    check_network(settings)
    text = "Private networks and this machine's addresses are closed to functions"
    if settings.network_allow:
        text += f", but for {', '.join(settings.network_allow)} (RUNWRIGHT_NETWORK_ALLOW)"
    if settings.network_host == "on":
        return Finding(
            "private networks",
            "weaker",
            f"{text}. Functions that ask for `host` reach every service of this machine "
            "(RUNWRIGHT_NETWORK_HOST).",
        )
    return Finding("private networks", "ok", f"{text}.")
