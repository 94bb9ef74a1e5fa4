"""What a round must not have done. Pure: evidence in, findings out.

Each rule has a name, so that a test can doctor the evidence and see that very rule fail. What a
run must come to is read from its path, which the client chose (`EXPECTED`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Final

from tests.chaos.evidence import CRASHES, FINAL, RANKS, Evidence, Fault, Kind, Record, Start

GIVEN_UP_AT: Final = 7  # attempts: the sixth takeover is refused
# These hold where a server starts within START_S, and are longer in proportion where it does not:
# up to SLOWEST times, since behind that it is the server that is slow and not its machine.
START_S: Final = 3.0
SLOWEST: Final = 4.0
TAKEOVER_S: Final = 15.0  # from the end of a host to the next attempt, for 99 of 100
# The sandboxes of a killed server end a moment after it, and may have reported until then. This
# is a third of a start at most, however slow: it never reaches past a start to another crash.
LINGER_S: Final = 1.0
RUN_S: Final = 20.0  # no run of the rig lasts longer, its cold start included
EARLY_S: Final = 1.0  # clocks are read at different moments
MINUTE_S: Final = 60.0

COMPLETED: Final = ("completed", 200, "")
EXPECTED: Final = {
    "": COMPLETED,  # events and ticks come without a path of ours
    "ok": COMPLETED,
    "slow": COMPLETED,
    "flaky": COMPLETED,  # in a further attempt, for which its function asks
    "throw": ("failed", 500, "user_exception"),
    "busy": ("failed", 503, "user_exception"),
}
FLAKY_AT_ONCE: Final = ("completed", 1)
# How a run may end when the process that it ran in, or was to run in, is killed.
BY_SANDBOX: Final = ("exit", "cold_start", "platform")
# And when who makes sandboxes or carries their connections is.
BY_HELPER: Final = (*BY_SANDBOX, "user_exception")
_SHOWN: Final = 160

Charges = Iterator[tuple[str, str]]  # against whom, and what


@dataclass(frozen=True, slots=True)
class Finding:
    rule: str
    subject: str
    text: str


@dataclass(slots=True)
class Verdict:
    findings: list[Finding] = field(default_factory=list)
    takeovers_s: list[float] = field(default_factory=list)  # sorted
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def is_good(self) -> bool:
        return not self.findings

    def takeover_s(self, share: float) -> float:
        """What this share of the takeovers did not exceed."""
        if not self.takeovers_s:
            return 0.0
        return self.takeovers_s[min(len(self.takeovers_s) - 1, int(share * len(self.takeovers_s)))]


@dataclass(frozen=True, slots=True)
class _State:
    """How far an execution is; what was seen of it, or its record."""

    status: str
    attempt: int
    end: tuple[str, int, str] | None  # status, code and class, once they are final

    @property
    def rank(self) -> int:
        return RANKS[self.status]

    def against(self, earlier: "_State") -> str:
        """What is wrong with being here after `earlier`; "" when nothing is."""
        if self.rank < earlier.rank:
            return f"{self.status} after {earlier.status}"
        if self.attempt < earlier.attempt:
            return f"attempt {self.attempt} after attempt {earlier.attempt}"
        if earlier.end is not None and (self.end, self.attempt) != (earlier.end, earlier.attempt):
            return f"{self.end}, attempt {self.attempt}, after {earlier.end} was final"
        return ""


def _state(status: str, attempt: int, code: int, error_class: str) -> _State:
    return _State(status, attempt, (status, code, error_class) if status in FINAL else None)


def restarts_s(evidence: Evidence) -> Iterator[float]:
    """From each start of the server that came so far to its greeting."""
    for before, after in pairwise(evidence.done):
        if (before.fault, after.fault) == (Fault.START, Fault.UP):
            yield after.at - before.at


def slowness(evidence: Evidence) -> float:
    """By how much the limits are longer on this machine."""
    return min(max(1.0, median([START_S, *restarts_s(evidence)]) / START_S), SLOWEST)


def check(evidence: Evidence) -> Verdict:
    return _Check(evidence).verdict()


class _Check:
    def __init__(self, evidence: Evidence) -> None:
        self.all = evidence
        self.records = {record.id: record for record in evidence.records}
        self.promised = {
            promise.id: promise
            for promise in evidence.promises
            if promise.kind in (Kind.RUN, Kind.DELAYED)
        }
        self.starts: dict[str, list[Start]] = defaultdict(list)
        for start in sorted(evidence.starts, key=lambda start: start.at):
            self.starts[start.execution_id].append(start)
        self.crashes = self._moments(CRASHES)
        self.sandbox_kills = self._moments((Fault.SANDBOX,))
        self.helper_kills = self._moments((Fault.HELPER,))
        self.shifts = [
            (done.at, done.shift_s) for done in evidence.done if done.fault is Fault.JUMP
        ]
        self.takeovers_s: list[float] = []
        self.slowness = slowness(evidence)
        self.linger_s, self.run_s = LINGER_S * self.slowness, RUN_S * self.slowness

    def verdict(self) -> Verdict:
        rules = (
            self.lost,
            self.backwards,
            self.duplicated,
            self.wrongly_final,
            self.early,
            self.orphaned,
            self.events,
            self.ticks,
            self.takeovers,
        )
        found = [Finding(rule.__name__, *charge) for rule in rules for charge in rule()]
        return Verdict(found, sorted(self.takeovers_s), self._counts())

    # The rules

    def lost(self) -> Charges:
        """What was promised has a record, which was found from then on and is final."""
        for promise in self.promised.values():
            record = self.records.get(promise.id)
            if record is None:
                yield promise.id, f"request {promise.number} was accepted and has no record"
            elif (record.path, record.function_id) != (promise.path, promise.function_id):
                yield promise.id, f"its record is one of {record.function_id} {record.path}"
        for record in self.all.records:
            if record.status not in FINAL:
                yield record.id, f"is still {record.status}"
        for seen in self.all.sightings:
            if not seen.status and seen.execution_id in self.promised:
                yield seen.execution_id, "was accepted, and a GET did not find it"
        for promise in self.all.promises:
            if promise.kind is Kind.USER and promise.id not in self.all.users:
                yield promise.id, f"request {promise.number} created a user who is not there"

    def backwards(self) -> Charges:
        """Nothing is seen, or recorded in the end, behind what was seen before."""
        last: dict[str, _State] = {}
        # Only one GET of an execution is under way at a time, so their answers have an order.
        for seen in sorted(self.all.sightings, key=lambda seen: seen.at):
            if not seen.status:
                continue
            state = _state(seen.status, seen.attempt, seen.code, seen.error_class)
            wrong = state.against(last.get(seen.execution_id, state))
            if wrong:
                yield seen.execution_id, f"was seen {wrong}"
            last[seen.execution_id] = state
        for execution_id, earlier in last.items():
            record = self.records.get(execution_id)
            if record is not None:
                state = _state(record.status, record.attempt, record.code, record.error_class)
                wrong = state.against(earlier)
                if wrong:
                    yield execution_id, f"is recorded {wrong}"

    def duplicated(self) -> Charges:
        """No attempt starts twice, and each further attempt has a crash of its own before it."""
        for execution_id, starts in self.starts.items():
            counted = Counter(start.attempt for start in starts)
            for attempt, count in counted.items():
                if count > 1:
                    yield execution_id, f"attempt {attempt} has started {count} times"
            for before, after in pairwise(starts):
                lost = after.attempt - before.attempt
                if lost > self._reasons(execution_id, before.at - self.linger_s, after.at):
                    yield execution_id, f"attempt {after.attempt} has no crash before it"
                if lost < 0:
                    yield execution_id, f"attempt {after.attempt} started after {before.attempt}"
            record = self.records.get(execution_id)
            if record is None:
                yield execution_id, f"has run for {starts[0].function_id} without a record"
            elif starts[-1].attempt > record.attempt:
                yield execution_id, f"attempt {starts[-1].attempt} of {record.attempt} has run"
        for promise in self.promised.values():
            record = self.records.get(promise.id)
            if record is not None and record.attempt > 1:
                reasons = self._reasons(promise.id, promise.at - self.linger_s, float("inf"))
                if record.attempt - 1 > reasons:
                    yield promise.id, f"{record.attempt} attempts, but {reasons} crashes"
        paths = Counter(record.path for record in self.all.records if _number(record.path))
        for path, count in paths.items():
            if count > 1:
                yield path, f"one request has {count} records"
        for repeat in self.all.repeats:
            if repeat.first != repeat.second:
                yield (
                    repeat.first,
                    f"became {repeat.second} when it was asked for again",
                )

    def wrongly_final(self) -> Charges:
        """Who is said to have run did, in that attempt, and ended as its code says."""
        for record in self.all.records:
            if record.status not in FINAL:
                continue  # `lost` tells
            if record.error_class == "expired" and record.function_id in self.all.crons:
                continue  # a tick that was missed, and says so
            if _word(record.path) == "flaky" and (record.status, record.attempt) == FLAKY_AT_ONCE:
                yield record.id, "completed in the attempt that fails"
            end = (record.status, record.code, record.error_class)
            has_run = any(start.attempt == record.attempt for start in self.starts[record.id])
            if self._is_excused(record):
                continue
            if end == EXPECTED[_word(record.path)]:
                if not has_run:
                    yield record.id, f"{record.status}, but attempt {record.attempt} never ran"
            else:
                said = " ".join(record.errors.split())[-_SHOWN:]
                yield record.id, f"ended as {end} at attempt {record.attempt}: {said}"

    def early(self) -> Charges:
        """No delayed run starts before the server's clock has shown its moment."""
        for promise in self.promised.values():
            for start in self.starts.get(promise.id, [])[:1]:
                if promise.due_at and self._furthest(start.at) < promise.due_at - EARLY_S:
                    yield promise.id, "started before its moment"

    def orphaned(self) -> Charges:
        """Nothing is left of what has ended, and nothing runs that nobody asked for."""
        for job in self.all.jobs:
            record = self.records.get(job)
            yield job, f"a job is left, its execution is {record.status if record else 'gone'}"
        if self.all.outbox:
            yield "outbox", f"{self.all.outbox} events were handed to nobody"
        for key in self.all.keys:
            yield key, "a sealing key outlives everything it has sealed"
        asked = {promise.number for promise in self.all.promises} | self.all.unanswered
        for record in self.all.records:
            number = _number(record.path)
            if number and number not in asked:
                code = self.all.refused.get(number)
                # A server that answers 5xx does not say that nothing was done.
                if code is None or code < 500:
                    yield record.id, f"request {number} was answered {code} and has a record"

    def events(self) -> Charges:
        """Each event has one execution of each function that listens; a half-known one too."""
        heard: dict[str, Counter[str]] = defaultdict(Counter)
        for record in self.all.records:
            if record.event:
                heard[record.event][record.function_id] += 1
        happened = {
            **{f"users.{user}.create": Kind.USER for user in self.all.users},
            **{
                promise.id: Kind.EVENT
                for promise in self.all.promises
                if promise.kind is Kind.EVENT
            },
            **{event: Kind.EVENT for event in heard if event.startswith("custom.")},
        }
        for event, kind in happened.items():
            for function_id in self.all.listeners.get(kind, ()):
                if heard[event][function_id] != 1:
                    yield event, f"{function_id} has {heard[event][function_id]} executions of it"
        for event in heard.keys() - happened.keys():
            yield event, "was heard of and has not happened"

    def ticks(self) -> Charges:
        """From the first to the last, each minute has one record for each scheduled function."""
        due: dict[str, Counter[float]] = {function_id: Counter() for function_id in self.all.crons}
        for record in self.all.records:
            if record.function_id in due:
                due[record.function_id][record.due_at] += 1
        for function_id, ticks in due.items():
            if not ticks:
                yield function_id, "has no tick at all"
                continue
            ended_at = max((self._server_time(at) for at in self.crashes), default=0.0)
            if max(ticks) + 2 * MINUTE_S < ended_at:
                yield function_id, f"there is no tick after {max(ticks):.0f}"
            for moment, count in sorted(ticks.items()):
                if count > 1:
                    yield function_id, f"the tick of {moment:.0f} has {count} records"
                if moment % MINUTE_S:
                    yield function_id, f"{moment} is no tick"
                if moment + MINUTE_S <= max(ticks) and moment + MINUTE_S not in ticks:
                    yield function_id, f"the tick of {moment + MINUTE_S:.0f} is missing"

    def takeovers(self) -> Charges:
        """From the crash that ended an attempt to the start of the next one."""
        for starts in self.starts.values():
            for before, after in pairwise(starts):
                crashed = [at for at in self.crashes if before.at <= at < after.at]
                if not crashed:  # or it failed and was asked for again
                    since = before.at - self.linger_s
                    crashed = [at for at in self.crashes if since <= at < after.at]
                if crashed:
                    self.takeovers_s.append(after.at - crashed[0])
        p99 = Verdict(takeovers_s=sorted(self.takeovers_s)).takeover_s(0.99)
        if p99 > TAKEOVER_S * self.slowness:
            yield "takeovers", f"1 of 100 took longer than {p99:.1f} s"

    # What they lean on

    def _is_excused(self, record: Record) -> bool:
        """Whether something that was done to the server explains an unexpected end."""
        promise = self.promised.get(record.id)
        begun = promise.at if promise is not None else 0.0
        if record.error_class == "platform" and record.attempt == GIVEN_UP_AT:
            return self._crashes_between(begun - self.linger_s, float("inf")) >= GIVEN_UP_AT - 1
        ran = [start.at for start in self.starts[record.id] if start.attempt == record.attempt]
        # Without a start the moment of the attempt is unknown.
        since = ran[-1] - self.linger_s if ran else begun
        until = ran[-1] + self.run_s if ran else float("inf")
        return any(
            record.error_class in classes and since <= at <= until
            for classes, kills in ((BY_SANDBOX, self.sandbox_kills), (BY_HELPER, self.helper_kills))
            for at in kills
        )

    def _moments(self, faults: Iterable[Fault]) -> list[float]:
        return sorted(done.at for done in self.all.done if done.fault in faults)

    def _crashes_between(self, since: float, until: float) -> int:
        return sum(since <= at < until for at in self.crashes)

    def _reasons(self, execution_id: str, since: float, until: float) -> int:
        """How many further attempts of an execution there may be between two moments."""
        reasons = self._crashes_between(since, until)
        record = self.records.get(execution_id)
        if record is not None and _word(record.path) == "flaky":
            first = [start.at for start in self.starts[execution_id] if start.attempt == 1]
            reasons += sum(since <= at < until for at in first)
            kills = (*self.sandbox_kills, *self.helper_kills)
            reasons += sum(since <= at < until for at in kills)
        return reasons

    def _server_time(self, at: float) -> float:
        return at + next((shift_s for since, shift_s in reversed(self.shifts) if since <= at), 0.0)

    def _furthest(self, at: float) -> float:
        """The latest time that the server's clock had shown by then: it may have gone back."""
        before = [since for since, _ in self.shifts if since <= at]
        shown = [
            since + shift_s for (_, shift_s), since in zip(self.shifts, before[1:], strict=False)
        ]
        return max([*before[:1], *shown, self._server_time(at)])

    def _counts(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        counts.update(f"promised: {promise.kind}" for promise in self.all.promises)
        counts.update(f"fault: {done.fault}" for done in self.all.done)
        counts.update(
            f"ended: {record.status} {record.error_class}".rstrip() for record in self.all.records
        )
        counts["starts"] = len(self.all.starts)
        counts["starts of a further attempt"] = sum(start.attempt > 1 for start in self.all.starts)
        counts["looked at"] = len(self.all.sightings)
        counts["requests sent again"] = len(self.all.repeats)
        counts["requests without an answer"] = len(self.all.unanswered)
        counts.update(f"refused: {code}" for code in self.all.refused.values())
        return counts


def _word(path: str) -> str:
    return path.split("/")[1]


def _number(path: str) -> int:
    """The number of the request; 0 when the path is not one of the client's."""
    last = path.rpartition("/")[2]
    return int(last) if last.isdecimal() else 0
