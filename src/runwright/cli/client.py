"""A small client of the public API: JSON calls and chunked uploads."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import httpx

from runwright.values import dataclass

CHUNK_BYTES: Final = 5 * 1024 * 1024  # fixed by the upload protocol
TIMEOUT_S: Final = 60.0  # a stream without news sends a sign of life more often
_AGAIN: Final = 5  # times in a row that a broken stream is taken up again
AGAIN_AFTER_S: Final = 1.0


class ApiError(Exception):
    """An error answer. `type` is the API's name for it; `status` 0 means no answer at all."""

    def __init__(self, message: str, type_: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.type = type_
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to talk to and as whom."""

    endpoint: str
    project_id: str
    api_key: str

    @classmethod
    def find(
        cls, *, endpoint: str | None, project_id: str | None, api_key: str | None, data_dir: Path
    ) -> Self:
        """Flags first, then RUNWRIGHT_ENDPOINT, _PROJECT, _API_KEY, then credentials.json."""
        known: Mapping[str, str] = {}
        path = data_dir / "credentials.json"
        try:
            known = json.loads(path.read_text())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as exc:
            raise ApiError(f"{path} cannot be read: {exc}") from exc
        env = os.environ
        found = cls(
            endpoint=endpoint or env.get("RUNWRIGHT_ENDPOINT") or known.get("endpoint", ""),
            project_id=project_id or env.get("RUNWRIGHT_PROJECT") or known.get("projectId", ""),
            api_key=api_key or env.get("RUNWRIGHT_API_KEY") or known.get("apiKey", ""),
        )
        if not (found.endpoint and found.project_id and found.api_key):
            raise ApiError(
                "No server is known. Start one with `runwright serve` in this folder, or set "
                "RUNWRIGHT_ENDPOINT, RUNWRIGHT_PROJECT and RUNWRIGHT_API_KEY."
            )
        return found


class Client:
    def __init__(
        self,
        target: Target,
        *,
        transport: httpx.BaseTransport | None = None,
        again_after_s: float = AGAIN_AFTER_S,
    ) -> None:
        self._again_after_s = again_after_s
        self._http = httpx.Client(
            base_url=target.endpoint,
            headers={"x-appwrite-project": target.project_id, "x-appwrite-key": target.api_key},
            timeout=TIMEOUT_S,
            transport=transport,
        )

    @property
    def address(self) -> httpx.URL:
        return self._http.base_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json_body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON answer (None when empty). Raises ApiError."""
        body = {"json": json_body} if content is None else {"content": content}
        return self._send(method, path, params=params, headers=headers, **body)

    def stream(self, path: str, params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Server-sent events as they come, name and decoded data, up to the one named `end`.

        A connection that breaks is made again where it broke. Raises ApiError.
        """
        headers = {"accept": "text/event-stream"}
        failures = 0
        while True:
            try:
                with self._http.stream("GET", path, params=params, headers=headers) as response:
                    if not response.is_success:
                        response.read()
                        raise _refusal(response, f"GET {path}")
                    for event in _events(response.iter_lines()):
                        failures = 0
                        if event.mark:
                            headers["last-event-id"] = event.mark
                        yield event.name, event.data
                        if event.name == "end":
                            return
                reason = "the stream ended early"
            except httpx.HTTPError as exc:
                reason = str(exc)
            failures += 1
            if failures > _AGAIN:
                raise ApiError(f"{self._http.base_url} does not answer: {reason}")
            time.sleep(self._again_after_s)

    def upload(
        self,
        function_id: str,
        archive: Path,
        fields: Mapping[str, str],
        on_progress: Callable[[int], None],
    ) -> dict[str, Any]:
        """Send a source archive in chunks; `on_progress` gets the bytes sent so far."""
        path, size = f"/functions/{function_id}/deployments", archive.stat().st_size
        headers = {"x-sdk-language": "cli"}
        answer: dict[str, Any] = {}
        with archive.open("rb") as file:
            for start in range(0, max(size, 1), CHUNK_BYTES):
                chunk = file.read(CHUNK_BYTES)
                if size > CHUNK_BYTES:
                    headers["content-range"] = f"bytes {start}-{start + len(chunk) - 1}/{size}"
                answer = self._send(
                    "POST",
                    path,
                    data=dict(fields),
                    files={"code": ("code.tar.gz", chunk, "application/gzip")},
                    headers=headers,
                )
                headers["x-appwrite-id"] = answer["$id"]
                on_progress(start + len(chunk))
        return answer

    def _send(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as exc:
            raise ApiError(f"{self._http.base_url} does not answer: {exc}") from exc
        if response.is_success:
            is_json = "json" in response.headers.get("content-type", "")
            return response.json() if is_json else None
        raise _refusal(response, f"{method} {path}")


def _refusal(response: httpx.Response, called: str) -> ApiError:
    try:
        error = response.json()
        return ApiError(error["message"], error["type"], response.status_code)
    except (ValueError, KeyError, TypeError):
        return ApiError(f"{called} answered {response.status_code}", status=response.status_code)


@dataclass(frozen=True, slots=True)
class _Event:
    name: str
    data: Any
    mark: str  # from which a new connection goes on


def _events(lines: Iterator[str]) -> Iterator[_Event]:
    """Server-sent events: fields until an empty line; lines that begin with `:` say nothing."""
    fields: dict[str, str] = {}
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if "data" in fields:
                mark, data = fields.get("id", ""), json.loads(fields["data"])
                yield _Event(fields.get("event", "message"), data, mark)
            fields = {}
        elif field == "data" and field in fields:
            fields[field] += f"\n{value}"
        elif field:
            fields[field] = value
