"""A key for sealing that is at hand on the storage's thread, where nothing can be awaited.

It is changed for a new one soon after its first use, and given back when everybody who may have
sealed with it has committed; from then on it lives only as long as a row needs it.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from runwright.epochs import Epochs
from runwright.sealing import Sealer

_Lent = AbstractAsyncContextManager[tuple[str, Sealer]]


class StandingKey:
    """`start` before the first use, `rotate` every few seconds, `stop` after the last."""

    def __init__(self, epochs: Epochs, settle: Callable[[], Awaitable[None]]) -> None:
        """`settle` returns when every unit of work that had begun has ended."""
        self._epochs = epochs
        self._settle = settle
        self._lent: _Lent | None = None
        self._retiring: list[_Lent] = []  # works that are not committed may hold these
        self._sealing: tuple[str, Sealer] | None = None
        self._is_used = False

    async def start(self) -> None:
        self._lent = self._epochs.lend()
        self._sealing = await self._lent.__aenter__()

    async def stop(self) -> None:
        lent, self._lent, self._sealing = self._lent, None, None
        if lent is not None:
            self._retiring.append(lent)
        await self._give_back()

    async def rotate(self) -> None:
        """Take a new key if the present one was used.

        What this raises leaves a key in use that can seal, and the next turn makes up for it.
        """
        if self._is_used and self._lent is not None:
            await self._epochs.turn()
            new = self._epochs.lend()
            sealing = await new.__aenter__()
            self._retiring.append(self._lent)
            self._lent, self._sealing, self._is_used = new, sealing, False
        if self._retiring:
            await self._settle()
            await self._give_back()

    async def _give_back(self) -> None:
        while self._retiring:
            await self._retiring.pop().__aexit__(None, None, None)

    def use(self) -> tuple[str, Sealer]:
        """The present epoch, within a unit of work."""
        assert self._sealing is not None, "the key has not been started"
        sealing = self._sealing
        self._is_used = True
        return sealing
