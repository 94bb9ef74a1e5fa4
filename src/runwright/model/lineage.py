"""Lineage: which functions led to a call, so that a loop can be seen and stopped. Pure.

It travels in the key and the tokens that an execution is given, and in every event and
execution that these cause; so it needs no help from user code and cannot be forged, only
dropped by using another credential.
"""

from dataclasses import replace
from typing import Final, Self

from runwright.values import dataclass

SAME_FUNCTION_RUNS: Final = 16  # the run that would be this one in its chain is stopped
CHAIN_RUNS: Final = 64
MAX_SAME_FUNCTION_RUNS: Final = 1000  # that a function may allow itself


@dataclass(frozen=True, slots=True)
class Lineage:
    functions: tuple[str, ...] = ()  # ids, oldest first
    chain_id: str = ""  # of the event or execution that the chain began with; "" at its root

    def after(self, function_id: str) -> Self:
        """What a run of the function hands on."""
        return replace(self, functions=(*self.functions, function_id))

    def begun(self, chain_id: str) -> Self:
        """The same, named; a chain that has a name keeps it."""
        return self if self.chain_id else replace(self, chain_id=chain_id)

    def is_loop(self, function_id: str, most: int = SAME_FUNCTION_RUNS) -> bool:
        """Whether another run of the function must not start; `most` 0 = it may, for ever."""
        if most == 0:
            return False
        runs = self.functions.count(function_id) + 1
        return runs >= most or len(self.functions) + 1 >= max(most, CHAIN_RUNS)

    def told(self, function_id: str) -> str:
        """A sentence for people who look for the loop: where it is and how long it went."""
        runs = (*self.functions, function_id)
        before = [at for at, name in enumerate(self.functions) if name == function_id]
        cycle = runs[before[-1] :] if before else runs[-8:]
        name = f" {self.chain_id}" if self.chain_id else ""
        return (
            f"Stopped: functions start each other without end. Chain{name} has {len(runs)} runs, "
            f"{runs.count(function_id)} of them of '{function_id}'; it goes round: "
            f"{' -> '.join(cycle)}"
        )


NO_LINEAGE: Final = Lineage()
