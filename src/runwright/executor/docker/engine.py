"""What the driver asks of the Docker daemon, over its socket and nothing else.

Every call has a deadline. A daemon that cannot be reached, or refuses, raises EngineError with
the daemon's own words; those are for the server's log, never for a caller.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx

from runwright.values import dataclass

_VERSION: Final = "v1.40"  # of the API; daemons since 19.03 speak it
_ANSWER_S: Final = 30.0
_REMOVE_S: Final = 60.0
_OUTPUT_BYTES: Final = 8 * 1024
_STREAM_HEAD: Final = 8  # one byte of stream, three of nothing, four of length


class EngineError(Exception):
    """The daemon did not do what it was asked."""


class NoImage(EngineError):
    """The image is not on this machine."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container came to its end."""

    code: int
    is_out_of_memory: bool


class Engine:
    """A client of one daemon. `close` it at the end."""

    def __init__(self, socket_path: str, *, transport: httpx.AsyncBaseTransport | None = None):
        # Each container that runs has a waiting request, so their number is the bound.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=8)
        self._http = httpx.AsyncClient(
            transport=transport or httpx.AsyncHTTPTransport(uds=socket_path, limits=limits),
            base_url=f"http://docker/{_VERSION}",
            timeout=httpx.Timeout(_ANSWER_S),
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        within_s: float | None = _ANSWER_S,
    ) -> httpx.Response:
        try:
            answer = await self._http.request(
                method, path, json=body, params=dict(query or {}), timeout=within_s
            )
        except (httpx.HTTPError, OSError) as exc:
            raise EngineError(f"Docker did not answer: {exc or type(exc).__name__}") from exc
        if answer.status_code >= 400:
            raise EngineError(f"Docker refused ({answer.status_code}): {_reason(answer.content)}")
        return answer

    async def info(self) -> dict[str, Any]:
        answer = await self._ask("GET", "/info")
        with _understanding():
            return dict(answer.json())

    # Images

    async def tags(self) -> dict[str, str]:
        """Every named image here: tag -> id."""
        answer = await self._ask("GET", "/images/json")
        with _understanding():
            images = answer.json()
            return {tag: image["Id"] for image in images for tag in image.get("RepoTags") or ()}

    async def pull(self, tag: str, within_s: float) -> None:
        name, _, version = tag.rpartition(":")
        answer = await self._ask(
            "POST",
            "/images/create",
            query={"fromImage": name, "tag": version},
            within_s=within_s,
        )
        # Failures come as the last line of a stream that began with 200.
        with _understanding():
            for line in answer.text.splitlines():
                told = json.loads(line)
                if "error" in told:
                    raise EngineError(f"{tag} could not be pulled: {told['error']}")

    # Containers

    async def create(self, name: str, recipe: Mapping[str, object]) -> str:
        """Its id. Raises NoImage."""
        try:
            answer = await self._ask(
                "POST", "/containers/create", body=recipe, query={"name": name}
            )
        except EngineError as exc:
            if "No such image" in str(exc):
                raise NoImage(str(exc)) from exc
            raise
        with _understanding():
            return str(answer.json()["Id"])

    async def start(self, container: str) -> None:
        await self._ask("POST", f"/containers/{container}/start")

    async def pid(self, container: str) -> int:
        """The host's number of its first process; 0 when it does not run."""
        state = await self._state(container)
        with _understanding():
            return int(state["Pid"]) if state["Running"] else 0

    async def ended(self, container: str) -> Ended:
        """Wait, for as long as it takes, until it does not run any more."""
        path = f"/containers/{container}/wait"
        await self._ask("POST", path, query={"condition": "not-running"}, within_s=None)
        state = await self._state(container)
        with _understanding():
            return Ended(int(state["ExitCode"]), bool(state["OOMKilled"]))

    async def _state(self, container: str) -> dict[str, Any]:
        answer = await self._ask("GET", f"/containers/{container}/json")
        with _understanding():
            return dict(answer.json()["State"])

    async def ran_out_of_memory(self, container: str, since: float, until: float) -> bool:
        """Whether the kernel ended one of its processes, though perhaps not the first."""
        query = {
            "since": f"{since:.0f}",
            "until": f"{until:.3f}",
            "filters": json.dumps({"container": [container], "event": ["oom"]}),
        }
        return bool((await self._ask("GET", "/events", query=query)).text.strip())

    async def stop(self, container: str, grace_s: int) -> None:
        """TERM, and KILL when it still runs after `grace_s`."""
        query = {"t": str(grace_s)}
        await self._ask("POST", f"/containers/{container}/stop", query=query)

    async def remove(self, container: str) -> None:
        """End and forget it; nothing happens when there is none of that id."""
        query = {"force": "1", "v": "1"}
        try:
            await self._ask("DELETE", f"/containers/{container}", query=query, within_s=_REMOVE_S)
        except EngineError as exc:
            if "(404)" not in str(exc) and "(409)" not in str(exc):
                raise

    async def labelled(self, label: str) -> list[str]:
        """Ids of all containers with a label, running or not."""
        query = {"all": "1", "filters": json.dumps({"label": [label]})}
        answer = await self._ask("GET", "/containers/json", query=query)
        with _understanding():
            return [str(item["Id"]) for item in answer.json()]

    async def output_tail(self, container: str) -> str:
        """The end of what its processes printed."""
        query = {"stdout": "1", "stderr": "1", "tail": "100"}
        answer = await self._ask("GET", f"/containers/{container}/logs", query=query)
        text = b"".join(part for part in Frames().feed(answer.content))
        return text[-_OUTPUT_BYTES:].decode("utf-8", "replace").strip()

    @asynccontextmanager
    async def output(self, container: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """What it prints, from the beginning to its end."""
        query = {"stdout": "1", "stderr": "1", "follow": "1"}
        path = f"/containers/{container}/logs"
        try:
            async with self._http.stream("GET", path, params=query, timeout=None) as answer:
                yield _payloads(answer)
        except (httpx.HTTPError, OSError) as exc:
            raise EngineError(f"Docker's output ended early: {exc}") from exc


@contextmanager
def _understanding() -> Iterator[None]:
    """What a daemon answers that is none, or has another shape, is a failure of the daemon."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise EngineError(f"Docker's answer is not understood: {exc!r}") from exc


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode("utf-8", "replace")


async def _payloads(answer: httpx.Response) -> AsyncIterator[bytes]:
    frames = Frames()
    async for data in answer.aiter_raw():
        for part in frames.feed(data):
            yield part
        await asyncio.sleep(0)  # a chatty build must not hold the loop


class Frames:
    """Takes the daemon's two output streams, which it sends as one, apart again."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._left = 0  # bytes of the present frame

    def feed(self, data: bytes) -> list[bytes]:
        """Parts of frames as they come, so that none is ever held whole."""
        self._buffer += data
        parts = []
        while self._buffer:
            if not self._left:
                if len(self._buffer) < _STREAM_HEAD:
                    break
                (self._left,) = struct.unpack_from(">I", self._buffer, 4)
                del self._buffer[:_STREAM_HEAD]
                continue
            part = bytes(self._buffer[: self._left])
            del self._buffer[: len(part)]
            self._left -= len(part)
            parts.append(part)
        return parts


def image_of(runtime: str, repository: str) -> str:
    """`dart-3.5` -> `openruntimes/dart:v5-3.5`."""
    language, _, version = runtime.rpartition("-")
    return f"{repository}/{quote(language)}:v5-{quote(version)}"


def runtime_of(tag: str, repository: str) -> str | None:
    """The other way round; None for an image of something else."""
    name, _, version = tag.rpartition(":v5-")
    language = name.removeprefix(f"{repository}/")
    if not version or language == name or "/" in language:
        return None
    return f"{language}-{version}"
