"""One round: a server, its load, its faults, and the evidence of all three."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import httpx

from tests.acceptance.deploying import deploy
from tests.chaos import plan, reading
from tests.chaos.checker import MINUTE_S
from tests.chaos.disk import Disk
from tests.chaos.evidence import CRASHES, Evidence, Fault, Kind, Start
from tests.chaos.functions import sources
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.tearing import Torn
from tests.chaos.victim import Victim
from tests.chaos.witness import Witness
from tests.ports import reserved_port

START_S: Final = 300.0
LISTENERS: Final = {
    Kind.USER: ("hears-users-node", "hears-users-python"),
    Kind.EVENT: ("hears-events-node", "hears-events-python"),
}
PATTERNS: Final = {Kind.USER: "users.*.create", Kind.EVENT: "custom.chaos.*"}
CRONS: Final = ("ticks-node", "ticks-python")
RETRY: Final = {"attempts": 10, "backoff": 1, "factor": 1}
EVERY_MINUTE: Final = "* * * * *"
_TICK_S: Final = 0.02
_SOON_S: Final = 0.5
_AFTER_DUE_S: Final = 200.0
_UNDONE: Final = ("scheduled", "waiting", "processing")
_SERVING: Final = (Fault.FULL, Fault.HELPER)  # done to a server that serves
_FLOOR: Final = (0, 4096, 65536)  # places behind which a full disk takes nothing

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    seed: int
    executions: int
    kill_every: tuple[float, float]
    folder: Path
    drain_s: float
    disk_mib: int = 0  # of a disk of its own; 0 = none
    lives: int = 1  # of the server at least, also when fewer have sufficed
    mix: plan.Mix = field(default_factory=plan.Mix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    evidence: Evidence
    is_sound: bool
    torn: list[Torn]
    loaded_s: float
    drained_s: float
    log_errors: int
    log_warnings: int


async def play(orders: Orders, say: Say) -> Played:
    """Raises RuntimeError when the server does not start, or ends by itself."""
    with contextlib.ExitStack() as held:
        disk = None
        if orders.disk_mib:
            disk = held.enter_context(Disk(orders.folder / "disk", orders.disk_mib))
        return await _play(orders, disk, held.enter_context(reserved_port()), say)


async def _play(orders: Orders, disk: Disk | None, port: int, say: Say) -> Played:
    heard: list[Callable[[Start], None]] = []

    def hear(start: Start) -> None:
        for listener in heard:
            listener(start)

    witness = await Witness(orders.folder / "starts.log", hear).start()
    ledger = Ledger(orders.folder / "client.log").start()
    victim = Victim(orders.folder, port, witness.port, disk)
    try:
        await _up(victim)
        await asyncio.to_thread(_deploy, victim, witness.port)
        load = Load(
            asked=plan.requests(orders.seed, orders.mix),
            wanted=orders.executions,
            port=victim.port,
            headers={
                "x-appwrite-project": victim.project_id,
                "x-appwrite-key": victim.api_key,
            },
            ledger=ledger,
            server_time=victim.server_time,
            listeners=LISTENERS,
        )
        heard.append(load.hear)
        watching = asyncio.create_task(load.watch(), name="watchers")
        began = time.monotonic()
        await _disturbed(orders, victim, load, say)
        loaded_s = time.monotonic() - began
        say(f"{len(load.promises)} requests accepted in {loaded_s:.1f} s; draining")
        began = time.monotonic()
        await _drain(orders, victim, load)
        drained_s = time.monotonic() - began
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        if await asyncio.to_thread(victim.stop) != 0:
            raise RuntimeError(f"the server did not stop well:\n{victim.tail()}")
    finally:
        if victim.is_spawned and not victim.has_ended():
            victim.kill()
        await ledger.stop()
        await witness.stop()
        faults = "".join(f"{json.dumps(asdict(item))}\n" for item in victim.done)
        (orders.folder / "faults.log").write_text(faults)
    left, log = reading.left(victim.data_dir), victim.log.read_text(errors="replace")
    return Played(
        evidence=Evidence(
            promises=load.promises,
            unanswered=frozenset(load.unanswered),
            refused=load.refused,
            starts=witness.starts,
            sightings=load.sightings,
            repeats=load.repeats,
            done=victim.done,
            records=left.records,
            users=left.users,
            listeners=LISTENERS,
            jobs=left.jobs,
            outbox=left.outbox,
            keys=left.keys,
            crons=frozenset(CRONS),
        ),
        is_sound=left.is_sound,
        torn=victim.torn,
        loaded_s=loaded_s,
        drained_s=drained_s,
        log_errors=log.count(" ERROR "),
        log_warnings=log.count(" WARNING "),
    )


def _deploy(victim: Victim, witness_port: int) -> None:
    with victim.client() as api:
        for language, source in sources(witness_port).items():
            deploy(api, f"chaos-{language}", language, source, timeout=30)
            for function_id in plan.RETRYING:
                if function_id.endswith(language):
                    deploy(api, function_id, language, source, retry=RETRY, timeout=30)
            for kind, functions in LISTENERS.items():
                for function_id in functions:
                    if function_id.endswith(language):
                        events = [PATTERNS[kind]]
                        deploy(api, function_id, language, source, events=events, timeout=30)
            for function_id in CRONS:
                if function_id.endswith(language):
                    deploy(api, function_id, language, source, schedule=EVERY_MINUTE, timeout=30)


async def _disturbed(orders: Orders, victim: Victim, load: Load, say: Say) -> None:
    """Lives of the server, one after the other, until the load has had enough."""
    asking = asyncio.create_task(load.run(), name="load")
    try:
        load.is_up.set()
        for number, life in enumerate(plan.lives(orders.seed, orders.mix, orders.kill_every)):
            if number:  # the first one has begun
                victim.spawn()
            if not life.is_unborn:
                await _greeted(victim)
            random = Random(f"life {orders.seed} {number}")
            await _live(victim, load, life, random)
            load.is_up.clear()
            await _end(victim, life, random)
            say(_line(number, life, load, victim))
            if asking.done() or (load.has_enough and number + 1 >= orders.lives):
                break
        load.end()
        await asking
        load.is_up.clear()
    finally:
        asking.cancel()
        await asyncio.wait({asking})


async def _live(victim: Victim, load: Load, life: plan.Life, random: Random) -> None:
    """One life up to its end. It lasts longer where the machine is too slow for its plan: until
    something has run in it, and until everything that was to be done to it could be."""
    since, heard = time.monotonic(), load.heard
    to_do = [(since + share * life.lasts_s, what, much) for share, what, much in life.disturbances]
    full_until = 0.0

    def is_poor() -> bool:
        return not life.is_unborn and (bool(to_do) or load.heard == heard)

    while (now := time.monotonic()) < since + life.lasts_s or (is_poor() and now < since + START_S):
        if victim.has_ended():
            raise RuntimeError(f"the server ended by itself:\n{victim.tail()}")
        if not load.is_up.is_set() and victim.has_greeted():
            victim.note(Fault.UP)
            load.is_up.set()
        if full_until and now >= full_until:
            victim.allow_writes()
            full_until = 0.0
        while to_do and to_do[0][0] <= now:
            _, what, much = to_do[0]
            is_done = True
            if what in _SERVING and not load.is_up.is_set():
                is_done = life.is_unborn  # it is spared them, and others wait until it serves
            elif what is Fault.FULL:
                victim.note(Fault.FULL, until=time.time() + much)
                victim.refuse_writes(random.choice(_FLOOR))
                full_until = now + much
            elif what is Fault.JUMP:
                victim.jump(much)
            elif what is Fault.SANDBOX:
                is_done = await asyncio.to_thread(victim.kill_sandbox, random)
            elif what is Fault.HELPER:
                is_done = await asyncio.to_thread(victim.kill_helper, random)
            if not is_done:
                break  # there is nothing yet to do it to
            to_do.pop(0)
        await asyncio.sleep(_TICK_S)
    victim.allow_writes()


async def _end(victim: Victim, life: plan.Life, random: Random) -> None:
    if life.end is Fault.STOP:
        code = await asyncio.to_thread(victim.stop)
        if code not in (0, -15):  # TERM before its handler was there
            raise RuntimeError(f"the server stopped with {code}:\n{victim.tail()}")
        return
    await asyncio.to_thread(victim.kill)
    if life.is_torn:
        # Beside the loop: what functions said before the kill is to be heard before it is late.
        await asyncio.to_thread(victim.tear, random)


async def _up(victim: Victim) -> None:
    victim.spawn()
    await _greeted(victim)
    victim.credentials = victim.read_credentials()


async def _greeted(victim: Victim) -> None:
    deadline = time.monotonic() + START_S
    while not victim.has_greeted():
        if victim.has_ended() or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start:\n{victim.tail()}")
        await asyncio.sleep(_TICK_S)


async def _drain(orders: Orders, victim: Victim, load: Load) -> None:
    """One more start, past the last moment that anything waits for; until nothing is undone."""
    victim.set_shift(victim.furthest_s + _AFTER_DUE_S)
    await _up(victim)
    load.is_up.set()
    deadline = time.monotonic() + orders.drain_s
    headers = {"x-appwrite-project": victim.project_id, "x-appwrite-key": victim.api_key}
    names = [
        *plan.DIRECT,
        *plan.RETRYING,
        *CRONS,
        *(name for names in LISTENERS.values() for name in names),
    ]
    async with httpx.AsyncClient(base_url=victim.endpoint, headers=headers, timeout=120) as api:
        while True:
            undone = {name: await _undone(api, name) for name in names}
            if not any(undone.values()) and _is_quiet(victim):
                return
            if time.monotonic() > deadline:
                return  # the checker names what is left
            await asyncio.sleep(_SOON_S)


async def _undone(api: httpx.AsyncClient, function_id: str) -> int:
    values = ",".join(f'"{status}"' for status in _UNDONE)
    params = {
        "queries[0]": f'{{"method":"equal","attribute":"status","values":[{values}]}}',
        "queries[1]": '{"method":"limit","values":[1]}',
    }
    answer = await api.get(f"/functions/{function_id}/executions", params=params)
    answer.raise_for_status()
    return int(answer.json()["total"])


def _is_quiet(victim: Victim) -> bool:
    """Nothing is under way, and the ticks that were missed have been seen to."""
    found = reading.left(victim.data_dir)
    crashes = [item for item in victim.done if item.fault in CRASHES]
    ended_at = max((item.at + item.shift_s for item in crashes), default=0.0)
    ticks = {record.function_id for record in found.records if record.due_at > ended_at - MINUTE_S}
    return not found.jobs and not found.outbox and ticks >= set(CRONS)


def _line(number: int, life: plan.Life, load: Load, victim: Victim) -> str:
    did = " ".join(str(fault) for _, fault, _ in life.disturbances)
    torn = " torn" if life.is_torn and life.end is Fault.KILL else ""
    return (
        f"life {number:>4}  {life.lasts_s:4.1f} s  {life.end}{torn}  "
        f"accepted {len(load.promises)}  {did}"
    )
