"""What every other part stands on: database, signals, tokens, who is calling."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from runwright.clock import SystemClock
from runwright.identity.authentication import Authenticator
from runwright.identity.passwords import Passwords
from runwright.identity.tokens import Tokens
from runwright.outgoing.breaches import DEADLINE_S, PwnedRanges
from runwright.outgoing.trust import web_authorities
from runwright.sealing import Sealer, derive, master_key
from runwright.settings import Settings
from runwright.signals.local import LocalSignals
from runwright.storage.database import Database, open_database
from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    storage: Database
    signals: LocalSignals
    clock: SystemClock
    tokens: Tokens
    token_key: bytes
    passwords: Passwords
    authenticator: Authenticator
    sealer: Sealer


async def open_core(settings: Settings, data_dir: Path, stack: AsyncExitStack) -> Core:
    master = await asyncio.to_thread(master_key, data_dir / "master.key")
    clock, signals = SystemClock(), LocalSignals()
    storage = await stack.enter_async_context(open_database(data_dir / "runwright.db"))
    storage.listen(signals.announce)
    token_key = derive(master, "tokens")
    tokens = Tokens(token_key, clock)
    authenticator = Authenticator(storage, signals, tokens, clock)
    await stack.enter_async_context(authenticator)
    return Core(
        storage=storage,
        signals=signals,
        clock=clock,
        tokens=tokens,
        token_key=token_key,
        passwords=Passwords(breaches=await _breaches(settings, clock, stack)),
        authenticator=authenticator,
        sealer=Sealer(derive(master, "variables")),
    )


async def _breaches(
    settings: Settings, clock: SystemClock, stack: AsyncExitStack
) -> PwnedRanges | None:
    if not settings.pwned_url:
        return None
    client = httpx.AsyncClient(follow_redirects=False, timeout=DEADLINE_S, verify=web_authorities())
    return PwnedRanges(await stack.enter_async_context(client), settings.pwned_url, clock)
