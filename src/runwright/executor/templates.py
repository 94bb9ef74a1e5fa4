"""Templates: processes that hold a loaded Python function, from which instances are forked.

A function whose modules take long to import gets one after its first cold start. Each template
has one fork parked, which costs the next cold start nothing but handing it out; another fork
takes about ten milliseconds. The template is a sandbox like every other and runs nothing but the
import; its forks share the sandbox (user, mounts, network, process namespace), because they are
the same code of the same project, and have groups of their own for memory, processor and
processes. It ends after its own idle time, when room is needed, and with its deployment.

A module that cannot be forked (see runners/python/_runwright/template.py) makes its workload
start the ordinary way for good.
"""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import field, replace
from typing import Final

from runwright.executor import wire
from runwright.executor.runtimes import language_of
from runwright.executor.sandbox import Sandbox, State
from runwright.executor.spawn import Exit, Mount, Spawner, SpawnFailed
from runwright.executor.stock import Key, PoolLimits, Stock
from runwright.model.execution import Workload
from runwright.values import dataclass

log = logging.getLogger(__name__)

OPT_OUT: Final = "RUNWRIGHT_PYTHON_TEMPLATE"
_PAUSE_S: Final = 0.05  # let the call that asked have the processor
_LOADED_S: Final = 60.0
_GREETED_S: Final = 5.0
_REAPED_S: Final = 0.5
_HELLO_BYTES: Final = 4096
_CREDENTIALS: Final = struct.Struct("3i")
_MOST_REFUSED: Final = 10_000


@dataclass(eq=False, kw_only=True)
class Template:
    workload: Workload
    key: Key
    load: bytes
    mounts: Sequence[Mount]
    box: Sandbox | None = None
    link: socket.socket | None = None  # the box's frame socket, for frames with descriptors
    loaded: asyncio.Future[str] | None = None
    is_ready: bool = False
    is_retired: bool = False
    is_parking: bool = False
    parked: Sandbox | None = None
    forks: dict[int, Sandbox] = field(default_factory=dict)  # by sandbox id, the parked one too
    ending: dict[int, Callable[[int], None]] = field(default_factory=dict)  # told the exit code
    used_at: float = 0.0

    @property
    def is_idle(self) -> bool:
        return not self.forks or list(self.forks.values()) == [self.parked]


class Templates:
    def __init__(
        self,
        limits: PoolLimits,
        spawner: Spawner,
        stock: Stock,
        now: Callable[[], float],
        run_task: Callable[[Coroutine[object, object, None], str], None],
    ) -> None:
        self._limits = limits
        self._spawner = spawner
        self._stock = stock
        self._now = now
        self._run_task = run_task
        self._by_key: dict[str, Template] = {}  # of workloads
        self._of_box: dict[int, Template] = {}
        self._of_fork: dict[int, Template] = {}
        self._refused: dict[str, None] = {}  # workloads that cannot be forked, oldest first
        self._making = asyncio.Lock()

    # For the pool

    def owns(self, sandbox: Sandbox) -> bool:
        """Whether it is a template, or a fork that nobody has got yet."""
        template = self._of_fork.get(sandbox.id)
        is_parked = template is not None and template.parked is sandbox
        return is_parked or sandbox.id in self._of_box

    def has_parked(self, workload: Workload) -> bool:
        template = self._by_key.get(workload.key)
        return template is not None and template.parked is not None

    def has(self, workload: Workload) -> bool:
        """Whether `take` may have one."""
        return workload.key in self._by_key

    def want(self, workload: Workload, key: Key, load: bytes, mounts: Sequence[Mount]) -> None:
        """Loading it took long: make a template, unless that is known not to work."""
        if (
            not self._limits.templates
            or not self._spawner.can_adopt
            or language_of(workload.runtime) != "python"
            or workload.env.get(OPT_OUT) == "off"
            or workload.key in self._by_key
            or workload.key in self._refused
        ):
            return
        template = Template(workload=workload, key=key, load=load, mounts=mounts)
        template.used_at = self._now()
        self._by_key[workload.key] = template
        self._run_task(self._make(template), f"template-{workload.deployment_id}")

    async def take(self, workload: Workload) -> Sandbox | None:
        """An instance that has loaded the workload, if there is a template of it."""
        template = self._by_key.get(workload.key)
        if template is None or not template.is_ready or template.is_retired:
            return None
        template.used_at = self._now()
        sandbox, template.parked = template.parked, None
        try:
            if sandbox is None or sandbox.state is not State.READY:
                sandbox = await self._fork(template)
        except SpawnFailed as exc:
            self._give_up(template, exc.reason)
            return None
        self._run_task(self._park(template), f"fork-{workload.deployment_id}")
        return sandbox

    def retire(self, deployment_id: str, *, but: str = "") -> None:
        """Fork no more for a deployment; `but` is the key of its settings that stay."""
        for template in list(self._by_key.values()):
            workload = template.workload
            if workload.deployment_id == deployment_id and workload.key != but:
                self._retire(template)

    def retire_all(self) -> None:
        for template in list(self._by_key.values()):
            self._retire(template)

    def sweep(self) -> None:
        limit = self._now() - self._limits.template_idle_s
        for template in list(self._by_key.values()):
            if template.is_ready and template.is_idle and template.used_at < limit:
                self._retire(template)

    def give_up_one(self) -> bool:
        """End the template that was needed longest ago, to make room; whether there was one."""
        idle = [item for item in self._by_key.values() if item.is_ready and item.is_idle]
        if not idle:
            return False
        self._retire(min(idle, key=lambda item: item.used_at))
        return True

    # What sandboxes tell

    def heard(self, sandbox: Sandbox, kind: int, number: int, payload: bytes) -> bool:
        """A frame from a template; False when it comes from another sandbox.

        Raises WireError.
        """
        template = self._of_box.get(sandbox.id)
        if template is None:
            return False
        if kind == wire.Kind.LOADED and template.loaded is not None:
            if not template.loaded.done():
                template.loaded.set_result(wire.decode_loaded(payload)[1])
        elif kind == wire.Kind.ENDED:
            code = wire.decode_ended(payload)
            tell = template.ending.pop(number, None)
            if tell is not None:
                tell(code)
        else:
            raise wire.WireError("unexpected frame from a template")
        return True

    def gone(self, sandbox: Sandbox) -> None:
        template = self._of_fork.pop(sandbox.id, None)
        if template is not None:
            template.forks.pop(sandbox.id, None)
            if template.parked is sandbox:
                template.parked = None
            if template.is_retired and not template.forks and template.box is not None:
                template.box.end()
        template = self._of_box.pop(sandbox.id, None)
        if template is None:
            return
        self._forget(template)
        if template.link is not None:
            template.link.close()
            template.link = None
        if template.loaded is not None and not template.loaded.done():
            template.loaded.set_result(f"it ended: {sandbox.output.text()[-200:]}")

    # Making

    async def _make(self, template: Template) -> None:
        async with self._making:  # one at a time: importing keeps a processor busy
            await asyncio.sleep(_PAUSE_S)
            if template.is_retired:
                return
            try:
                if len(self._by_key) > self._limits.templates and not self.give_up_one():
                    self._forget(template)
                    return
                await self._load(template)
            except SpawnFailed as exc:
                self._give_up(template, exc.reason)
                return
        await self._park(template)

    async def _load(self, template: Template) -> None:
        workload = template.workload
        if not self._stock.is_below_bound():
            self._forget(template)  # the next cold start may ask again
            return
        box = template.box = await self._stock.fresh(template.key)
        self._of_box[box.id] = template
        if template.is_retired:  # while it started: nobody else knows the box
            box.end()
            return
        # Its forks share its network, too.
        await self._spawner.assign(
            box.id, template.mounts, self._limits.of(workload), workload.network
        )
        box.memory_mib = workload.memory_mib
        template.loaded = asyncio.get_running_loop().create_future()
        template.link = box.borrowed_socket()
        box.become_template(template.load)
        try:
            async with asyncio.timeout(_LOADED_S):
                obstacle = await template.loaded
        except TimeoutError:
            obstacle = "loading did not end"
        if obstacle:
            raise SpawnFailed(obstacle)
        template.is_ready = True

    def _give_up(self, template: Template, reason: str) -> None:
        """Its workload starts the ordinary way from now on."""
        if template.is_retired:
            self._retire(template)  # this is no fault of its modules
            return
        log.info(
            "a function cannot be started from a template",
            extra={
                "action": "template_refused",
                "function_id": template.workload.function_id,
                "deployment_id": template.workload.deployment_id,
                "reason": reason,
            },
        )
        while len(self._refused) >= _MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._refused[template.workload.key] = None
        self._retire(template)

    def _retire(self, template: Template) -> None:
        template.is_retired = True
        self._forget(template)
        if template.parked is not None:
            template.parked.end()
            template.parked = None
        if template.box is not None and template.is_idle:
            template.box.end()

    def _forget(self, template: Template) -> None:
        if self._by_key.get(template.workload.key) is template:
            del self._by_key[template.workload.key]

    # Forking

    async def _park(self, template: Template) -> None:
        """See to it that the next cold start finds a fork."""
        if template.is_parking or template.parked is not None or not template.is_ready:
            return
        template.is_parking = True
        try:
            await asyncio.sleep(_PAUSE_S)
            if template.is_retired or not self._stock.is_below_bound():
                return
            sandbox = await self._fork(template)
            if template.is_retired:
                sandbox.end()
            else:
                template.parked = sandbox
        except SpawnFailed as exc:
            self._give_up(template, exc.reason)
        finally:
            template.is_parking = False

    async def _fork(self, template: Template) -> Sandbox:
        """An instance in a process of its own, bounded, greeted. Raises SpawnFailed."""
        number = self._spawner.next_id()
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        try:
            try:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                ours.setblocking(False)
                self._ask(template, wire.frame(wire.Kind.FORK, number), [theirs.fileno(), write])
            finally:
                theirs.close()
                os.close(write)
            pid, hello = await _greeting(ours)
        except BaseException:
            ours.close()
            os.close(read)
            raise
        return await self._adopt(template, number, pid, ours, read, hello)

    async def _adopt(
        self,
        template: Template,
        number: int,
        pid: int,
        ours: socket.socket,
        output: int,
        hello: bytes,
    ) -> Sandbox:
        """Both descriptors are taken over: a number closed twice may be another sandbox's."""
        assert template.box is not None
        sandbox = self._stock.an_empty(number, template.key)
        sandbox.memory_mib = template.workload.memory_mib

        def on_exit(end: Exit) -> None:
            self._ended(template, sandbox, end)

        limits = self._limits.of(template.workload)
        # Known first: its end may be told as soon as it is adopted.
        template.forks[number] = sandbox
        self._of_fork[number] = template
        self._stock.adopt(sandbox, template.key)
        try:
            await self._spawner.adopt(number, template.box.id, pid, limits, on_exit)
            if sandbox.state is State.GONE:
                raise SpawnFailed("a fork ended while it began")
        except BaseException:
            ours.close()
            os.close(output)
            sandbox.exited(Exit(code=-1, is_platform=True))  # nothing else will say so
            raise
        sandbox.output.watch(output)  # which closes it from now on
        transport: asyncio.WriteTransport | None = None
        try:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_unix_connection(lambda: sandbox, sock=ours)
            sandbox.data_received(hello)
            if sandbox.state is not State.READY:
                raise SpawnFailed("a fork ended while it began")
        except BaseException:
            if transport is None:
                ours.close()
            else:
                transport.abort()
            sandbox.kill()
            raise
        return sandbox

    def _ended(self, template: Template, sandbox: Sandbox, end: Exit) -> None:
        """A fork's process is gone; only the template, its parent, knows the exit code."""

        def tell(code: int) -> None:
            timer.cancel()
            sandbox.exited(replace(end, code=code if code >= 0 else 137))

        def give_up() -> None:
            if template.ending.pop(sandbox.id, None) is not None:
                tell(-1)

        timer = asyncio.get_running_loop().call_later(_REAPED_S, give_up)
        template.ending[sandbox.id] = tell
        try:
            self._ask(template, wire.frame(wire.Kind.REAP, sandbox.id), [])
        except SpawnFailed:
            give_up()

    def _ask(self, template: Template, frame: bytes, fds: list[int]) -> None:
        if template.link is None:
            raise SpawnFailed("the template has ended")
        try:
            # Nothing else writes to it once it is loaded, and it reads at once.
            sent = socket.send_fds(template.link, [frame], fds)
        except OSError as exc:
            raise SpawnFailed(f"the template does not read: {exc}") from exc
        if sent != len(frame):
            raise SpawnFailed("the template does not read")


async def _greeting(link: socket.socket) -> tuple[int, bytes]:
    """Process id of whoever is at the other end, as the kernel tells it, and what it said."""
    loop = asyncio.get_running_loop()
    is_readable = asyncio.Event()
    loop.add_reader(link.fileno(), is_readable.set)
    try:
        async with asyncio.timeout(_GREETED_S):
            await is_readable.wait()
        room = socket.CMSG_SPACE(_CREDENTIALS.size)
        data, parts, _, _ = link.recvmsg(_HELLO_BYTES, room)
    except TimeoutError:
        raise SpawnFailed("a fork did not greet") from None
    except OSError as exc:
        raise SpawnFailed(f"a fork ended while it began: {exc}") from exc
    finally:
        loop.remove_reader(link.fileno())
    for level, kind, content in parts:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and data:
            return _CREDENTIALS.unpack(content[: _CREDENTIALS.size])[0], data
    raise SpawnFailed("a fork ended while it began")
