"""Calls that are made twice: an `Idempotency-Key` gives the second one the first one's execution.

A key counts for one caller and one function, for a day. What is stored is who called what with
which key and what they sent, each as a keyed digest that tells nothing, and the id of the
execution that came of it. A response is never stored, so a repeat never gets one.

Whoever stores the key first makes the execution, in the same transaction.
"""

import asyncio
import hmac
from datetime import timedelta
from typing import Any, Final

import msgspec

from runwright.clock import Clock
from runwright.errors import InvalidParam
from runwright.executions.errors import KeyReused
from runwright.model.identity import CallerKind, Principal
from runwright.model.repeat import RepeatKey
from runwright.ports.storage import Storage, UnitOfWork

KEPT: Final = timedelta(hours=24)
MOST_CHARS: Final = 255
_LARGE_BYTES: Final = 1024 * 1024  # a digest of more than this would be felt by others


class Repeats:
    def __init__(self, storage: Storage, clock: Clock, secret: bytes) -> None:
        self._storage = storage
        self._clock = clock
        self._secret = secret

    async def key(
        self,
        principal: Principal,
        function_id: str,
        text: str,
        *,
        execution_id: str,
        client_ip: str,
        facts: tuple[Any, ...],
        body: bytes,
    ) -> RepeatKey:
        """What to store for a call; `facts` and `body` are all that the caller chose."""
        now = self._clock.now()
        if len(body) > _LARGE_BYTES:
            fingerprint = await asyncio.to_thread(self._digest, facts, body)
        else:
            fingerprint = self._digest(facts, body)
        return RepeatKey(
            id=self._digest(("call", function_id, *caller_of(principal, client_ip), text)),
            project_id=principal.project_id,
            created_at=now,
            updated_at=now,
            function_id=function_id,
            result_id=execution_id,
            fingerprint=fingerprint,
            expires_at=now + KEPT,
        )

    async def earlier(self, key: RepeatKey) -> str:
        """The execution that an earlier call made; "" when this is the first. Raises KeyReused."""
        return await self._storage.read(lambda uow: _known(uow, key))

    async def forget(self, key: RepeatKey) -> None:
        """The call came to nothing, so the next one is the first again."""
        await self._storage.write(lambda uow: uow.repeat_keys.remove(key.project_id, key.id))

    def _digest(self, facts: tuple[Any, ...], body: bytes = b"") -> str:
        made = hmac.new(self._secret, msgspec.json.encode(facts) + b"\0", "sha256")
        made.update(body)
        return made.hexdigest()


def checked_key(text: str) -> str:
    """Raises InvalidParam unless it is 1 to 255 characters of printable ASCII."""
    if not 1 <= len(text) <= MOST_CHARS or not (text.isascii() and text.isprintable()):
        raise InvalidParam(
            "Idempotency-Key",
            f"The header must hold 1 to {MOST_CHARS} printable ASCII characters.",
        )
    return text


def claim(uow: UnitOfWork, key: RepeatKey) -> str:
    """The execution that stands for this call: of an earlier one, or its own, now noted down.

    Raises KeyReused.
    """
    known = _known(uow, key)
    if known:
        return known
    uow.repeat_keys.remove(key.project_id, key.id)  # one that is over
    uow.repeat_keys.add(key)
    return key.result_id


def _known(uow: UnitOfWork, key: RepeatKey) -> str:
    known = uow.repeat_keys.get(key.project_id, key.id)
    if known is None or known.expires_at <= key.created_at:
        return ""
    if not hmac.compare_digest(known.fingerprint, key.fingerprint):
        raise KeyReused
    return known.result_id


def caller_of(principal: Principal, client_ip: str = "") -> tuple[str, ...]:
    """Guests are told apart by their address: one must not get another's record by its key."""
    kind = principal.kind.value
    if principal.kind is CallerKind.GUEST:
        return kind, client_ip
    if principal.kind is not CallerKind.KEY:
        return kind, principal.user_id
    # Keys of executions are not stored, so they have no id: the function is the caller.
    return kind, principal.key_id, *principal.lineage.functions[-1:]
