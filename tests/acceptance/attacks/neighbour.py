"""A neighbour: somebody else's function, called at a steady pace all the while.

Runs as a process of its own, so that what the tests do between two calls does not count. Each
call is one record in a file: when it began (monotonic), how long it took, whether it was right.
A call begins at the next tick of the pace after the one before has ended; a late answer is one
late call and not a row of them.
"""

import math
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RECORD: Final = struct.Struct("<dd?")
PACE_S: Final = 0.008
PATIENCE_S: Final = 60.0
BODY: Final = b"well"
QUANTILE: Final = 0.99
# Between caller, server and function a call waits for a processor up to four times, each time
# for as long as a scheduler's slice that another process has just begun (3 ms on two
# processors). A baseline that never met one says nothing about what a neighbour can notice.
FLOOR_S: Final = 0.012
# How unlikely so many slow calls must be for calls that are as fast as they ought to be.
CHANCE: Final = 1e-6
# What an attack does to a neighbour it does nearly each time, and what the machine does it does
# seldom: one that is noticed is made again until more rounds were quiet than not, and is guilty
# once those that were noticed lead by so many. One that disturbs each time always is; one that
# disturbs four times of five is in three of four cases, and a row is two to four cases. Where the
# machine spoils one round in ten, one case in 60 000 is guilty by chance (the gambler's ruin).
GUILTY: Final = 5


@dataclass(frozen=True, slots=True)
class Call:
    began_at: float
    took_s: float
    is_right: bool


class Neighbour:
    """The process and what it has recorded so far."""

    def __init__(self, host: str, port: int, domain: str, records: Path) -> None:
        self._path = records
        self._records = records.open("w+b")
        self.calls: list[Call] = []
        words = [sys.executable, "-m", __name__, host, str(port), domain, str(records)]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL)

    def read(self) -> list[Call]:
        data = self._records.read()
        whole = len(data) - len(data) % RECORD.size
        self._records.seek(whole - len(data), 1)
        new = [Call(*RECORD.unpack_from(data, at)) for at in range(0, whole, RECORD.size)]
        self.calls += new
        return new

    def wait(self, count: int) -> None:
        """Until that many more calls are answered."""
        self.read()
        wanted = len(self.calls) + count
        deadline = time.monotonic() + PATIENCE_S
        while len(self.calls) < wanted:
            assert self._process.poll() is None, "the caller of the neighbour has ended"
            assert time.monotonic() < deadline, "the neighbour is not answered any more"
            time.sleep(PACE_S)
            self.read()

    def between(self, begin: float, end: float) -> list[Call]:
        """Calls of which any part fell into a window."""
        self.read()
        return [
            call
            for call in self.calls
            if call.began_at < end and call.began_at + call.took_s > begin
        ]

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._records.close()


def quantile(values: Sequence[float], share: float = QUANTILE) -> float:
    ordered = sorted(values)
    return ordered[min(math.ceil(share * len(ordered)), len(ordered)) - 1] if ordered else 0.0


def bound_s(quiet: Sequence[float]) -> float:
    """What a neighbour's p99 may be beside an attack."""
    return max(2 * quantile(quiet), FLOOR_S)


def is_disturbed(slow: int, tries: int) -> bool:
    """Whether more calls took longer than their bound than chance explains.

    A p99 below the bound means that one call in a hundred may exceed it. How many of so few
    calls do is drawn by chance, so the question is how likely that number is.
    """
    return at_least(slow, tries, 1 - QUANTILE) < CHANCE


def must_go_on(told: Sequence[str]) -> bool:
    """Whether an attack is to be made again after what was noticed of it round by round.

    Raises AssertionError when it is guilty.
    """
    lead = sum(1 if text else -1 for text in told)
    if lead >= GUILTY:
        noticed = [text for text in told if text]
        raise AssertionError(
            f"noticed in {len(noticed)} of {len(told)} rounds: {'; '.join(noticed)}"
        )
    return lead >= 0


def at_least(count: int, tries: int, chance: float) -> float:
    """Probability of `count` or more hits in that many tries."""
    fewer = sum(
        math.comb(tries, hits) * chance**hits * (1 - chance) ** (tries - hits)
        for hits in range(count)
    )
    return max(1 - fewer, 0.0) if count else 1.0


def main(host: str, port: str, domain: str, records: str) -> None:
    request = f"GET / HTTP/1.1\r\nhost: {domain}\r\n\r\n".encode()
    link: socket.socket | None = None
    with open(records, "r+b", buffering=0) as file:
        while True:
            began_at = time.monotonic()
            try:
                if link is None:
                    link = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
                    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                link.sendall(request)
                is_right = _answer(link) == BODY
            except OSError:
                is_right = False
            if not is_right and link is not None:
                link.close()
                link = None
            took_s = time.monotonic() - began_at
            file.write(RECORD.pack(began_at, took_s, is_right))
            time.sleep(PACE_S - took_s % PACE_S)


def _answer(link: socket.socket) -> bytes:
    """The body of one response with a length; what is not one is no right answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = link.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        return b""
    while len(body) < len(BODY):
        part = link.recv(65536)
        if not part:
            return b""
        body += part
    return body


if __name__ == "__main__":
    main(*sys.argv[1:])
