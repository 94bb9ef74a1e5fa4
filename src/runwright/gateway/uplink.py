"""A request body on its way to the function that reads it as it comes."""

import sys

from runwright.errors import RunwrightError
from runwright.gateway.errors import RequestTooLarge, RequestTooSlow
from runwright.gateway.messages import BodyTooSlow, Channel


class Uplink:
    """Answers the `RequestSource` port. `most` bytes, or the messages of a web socket."""

    def __init__(self, channel: Channel, most: int = sys.maxsize) -> None:
        # Messages have no end that an answer would wait for.
        self.is_over = channel.is_socket
        self.refusal: RunwrightError | None = None  # why it was broken off here
        self._channel = channel
        self._most = most
        self._size = 0

    async def read(self) -> bytes:
        if self.refusal is not None:
            raise ConnectionError("the body was broken off")
        try:
            part = await self._channel.read_part()
        except BodyTooSlow as exc:
            self.refusal = RequestTooSlow()
            raise ConnectionError("the body did not arrive in time") from exc
        self.is_over = self.is_over or not part
        self._size += len(part)
        if self._size > self._most:
            self.refusal = RequestTooLarge(self._most)
            raise ConnectionError("the body is too large")
        return part
