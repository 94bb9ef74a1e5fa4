"""What a round does, drawn from its seed: requests and faults. The same seed, the same plan.

Requests and faults are drawn independently, so that how many requests fit between two faults,
which is up to the machine, changes neither.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.chaos.evidence import Fault, Kind

DIRECT: Final = ("chaos-node", "chaos-python")
RETRYING: Final = ("retries-node", "retries-python")  # they fail in their first attempt
FLAKY: Final = "flaky"
_WORDS: Final = ("ok", "slow", "throw", "busy")
_WORD_WEIGHTS: Final = (88, 6, 4, 2)
_KINDS: Final = (Kind.RUN, Kind.DELAYED, Kind.USER, Kind.EVENT)
_SHIFTS: Final = (-3600.0, -30.0, -2.0, 2.0, 20.0, 90.0, 300.0, 3600.0)
_RETRIED: Final = 0.05
_NAMED: Final = 0.5
_DOUBLED: Final = 0.05
_UNBORN: Final = 0.3
_BODIES: Final = (0, 20, 200, 2_000, 40_000)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the client."""

    number: int
    kind: Kind
    function_id: str
    path: str
    body_bytes: int
    is_named: bool  # it carries an Idempotency-Key, and is sent again when it got no answer
    is_doubled: bool  # it is sent again though it got one


@dataclass(frozen=True, slots=True)
class Life:
    """What happens to the server from one start to the next."""

    lasts_s: float  # from its greeting to its end; of an unborn one, from its start
    is_unborn: bool  # it ends while it starts, if it takes so long to start
    end: Fault  # KILL or STOP
    is_torn: bool
    disturbances: tuple[tuple[float, Fault, float], ...]  # share of the life, what, by how much


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Weights of the kinds of requests, and how often a life sees what."""

    kinds: tuple[int, int, int, int] = (85, 5, 5, 5)
    unborn: float = 0.15
    tear: float = 0.35
    stop: float = 0.1
    sandbox: float = 0.4
    helper: float = 0.1
    full: float = 0.15
    jump: float = 0.2


def requests(seed: int, mix: Mix) -> Iterator[Asked]:
    random = Random(f"requests {seed}")
    number = 0
    while True:
        number += 1
        kind = random.choices(_KINDS, mix.kinds)[0]
        word = random.choices(_WORDS, _WORD_WEIGHTS)[0]
        function_id = random.choice(DIRECT)
        if kind is Kind.RUN and random.random() < _RETRIED:
            function_id, word = random.choice(RETRYING), FLAKY
        is_named = kind in (Kind.RUN, Kind.EVENT) and random.random() < _NAMED
        yield Asked(
            number=number,
            is_named=is_named,
            is_doubled=is_named and random.random() < _DOUBLED,
            kind=kind,
            function_id=function_id,
            path=f"/{word}/{number}",
            body_bytes=random.choice(_BODIES) if random.random() < 0.1 else 20,
        )


def lives(seed: int, mix: Mix, kill_every: tuple[float, float]) -> Iterator[Life]:
    random = Random(f"faults {seed}")
    while True:
        end = Fault.STOP if random.random() < mix.stop else Fault.KILL
        disturbances = []
        for fault, chance in (
            (Fault.SANDBOX, mix.sandbox),
            (Fault.HELPER, mix.helper),
            (Fault.FULL, mix.full),
            (Fault.JUMP, mix.jump),
        ):
            if random.random() < chance:
                amount = random.choice(_SHIFTS) if fault is Fault.JUMP else random.uniform(0.3, 1.5)
                disturbances.append((random.random(), fault, amount))
        is_unborn = random.random() < mix.unborn
        lasts_s = random.uniform(*kill_every)
        yield Life(
            lasts_s=lasts_s * _UNBORN if is_unborn else lasts_s,
            is_unborn=is_unborn,
            end=end,
            is_torn=random.random() < mix.tear,
            disturbances=tuple(sorted(disturbances)),
        )
