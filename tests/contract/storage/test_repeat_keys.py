"""Idempotency keys go when they are over."""

from datetime import timedelta

import pytest

from runwright.ports.storage import Storage, UnitOfWork
from tests.contract.storage.rows import NOW, a_repeat_key

pytestmark = pytest.mark.anyio


async def test_expired_keys_are_deleted_oldest_first_and_bounded(storage: Storage) -> None:
    keys = [a_repeat_key(f"k{at}", expires_at=NOW + timedelta(hours=at)) for at in (3, 2, 1)]
    keys.append(a_repeat_key("k0", "other", expires_at=NOW))

    def add(uow: UnitOfWork) -> None:
        for key in keys:
            uow.repeat_keys.add(key)

    await storage.write(add)
    moment = NOW + timedelta(hours=2)

    async def remove() -> int:
        return await storage.write(lambda uow: uow.repeat_keys.remove_expired(moment, limit=2))

    assert await remove() == 2
    assert await remove() == 1
    assert await remove() == 0
    left = await storage.read(lambda uow: uow.repeat_keys.find())
    assert [key.id for key in left] == ["k3"]
