"""Certificates from a folder: chosen by server name, taken over without a restart.

The folder holds `<domain>.crt` (certificate and chain) and `<domain>.key`, both PEM. A
certificate for all names one level below a domain is `*.example.com.crt`, or
`_.example.com.crt` where a star is awkward. `default.crt` serves callers that name no host or
an unknown one; without it they are refused during the handshake.

A pair that cannot be read is reported, and what it served before goes on serving.
"""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
DEFAULT: Final = "default"

_Stamp = tuple[int, int, int, int]  # modification time and size of both files


class Certificates:
    def __init__(self, folder: Path, *, every_s: float = EVERY_S) -> None:
        self._folder = folder
        self._every_s = every_s
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._stamps: dict[str, _Stamp] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the folder and keep watching it."""
        await asyncio.to_thread(self.load)
        self._task = asyncio.create_task(self._watch(), name="certificates")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    def has(self, domain: str) -> bool:
        """Whether https can be served for a lower-case domain."""
        return self._for(domain) is not None

    def context(self) -> ssl.SSLContext:
        """What a listener is given once; later changes of the folder count all the same."""
        door = _context()
        door.sni_callback = self._choose
        return door

    def load(self) -> None:
        """Take over new, changed and removed pairs. Blocks on the disk."""
        found = self._found()
        contexts = {name: old for name, old in self._contexts.items() if name in found}
        stamps = dict(self._stamps)
        for name, stamp in found.items():
            if stamps.get(name) == stamp:
                continue
            stamps[name] = stamp
            made = self._read(name)
            if made is not None:
                contexts[name] = made
        self._stamps = {name: stamp for name, stamp in stamps.items() if name in found}
        self._contexts = contexts

    def _found(self) -> dict[str, _Stamp]:
        found: dict[str, _Stamp] = {}
        try:
            paths = sorted(self._folder.glob("*.crt"))
        except OSError as exc:
            log.warning("certificate folder not read", extra={"reason": exc.strerror})
            return dict(self._stamps)
        for path in paths:
            try:
                crt, key = path.stat(), path.with_suffix(".key").stat()
            except OSError:  # its other half is still on the way
                continue
            stamp = (crt.st_mtime_ns, crt.st_size, key.st_mtime_ns, key.st_size)
            found[path.stem.lower()] = stamp
        return found

    def _read(self, name: str) -> ssl.SSLContext | None:
        path = next(p for p in self._folder.glob("*.crt") if p.stem.lower() == name)
        made = _context()
        try:
            made.load_cert_chain(path, path.with_suffix(".key"), password=_no_password)
        except (OSError, ValueError) as exc:
            log.warning("certificate not usable", extra={"file": path.name, "reason": _reason(exc)})
            return None
        log.info("certificate loaded", extra={"file": path.name})
        return made

    async def pem(self, domain: str) -> bytes | None:
        """The file of the certificate that a lower-case domain is served with."""
        name = self._name_for(domain)
        if name is None:
            return None
        return await asyncio.to_thread(self._pem, name)

    def _pem(self, name: str) -> bytes | None:
        path = next((p for p in self._folder.glob("*.crt") if p.stem.lower() == name), None)
        return path.read_bytes() if path else None

    def _name_for(self, domain: str) -> str | None:
        parent = domain.partition(".")[2]
        names = (domain, f"*.{parent}", f"_.{parent}")
        return next((name for name in names if name in self._contexts), None)

    def _for(self, domain: str) -> ssl.SSLContext | None:
        name = self._name_for(domain)
        return self._contexts[name] if name else None

    def _choose(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext
    ) -> int | None:
        """Called within the handshake; an alert number refuses it."""
        domain = (name or "").lower().rstrip(".")
        chosen = self._for(domain) or self._contexts.get(DEFAULT)
        if chosen is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = chosen
        return None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await asyncio.to_thread(self.load)
            except Exception:  # the folder may be in the middle of a change
                log.exception("certificates not reread")


def _context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    return made


def _no_password() -> str:
    raise ValueError("the key is encrypted; store it without a password")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not a certificate with its key"
    if isinstance(error, OSError):
        return error.strerror or "not readable"
    return str(error)
