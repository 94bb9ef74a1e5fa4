"""What a connection is told when something is wrong; codes are those of the protocol."""

from typing import ClassVar


class SocketError(Exception):
    """The message is shown to the client."""

    code: ClassVar[int] = 1011


class BadMessage(SocketError):
    """The client sent something that cannot be followed. The connection goes on."""

    code = 1003


class AgainstPolicy(SocketError):
    """The connection may not be, or not like this."""

    code = 1008


class TooMuch(SocketError):
    """The client asks for more than its share."""

    code = 1013
