"""What the code of a function may connect to."""

from enum import StrEnum


class Network(StrEnum):
    EGRESS = "egress"  # the internet and the server's API; no private network
    NONE = "none"  # the server's API alone
    HOST = "host"  # everything that the host reaches, the host itself included
