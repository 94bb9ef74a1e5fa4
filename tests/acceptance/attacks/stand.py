"""A server under attack: the hostile functions, their neighbour, and what is seen from outside."""

import json
import secrets
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.acceptance.attacks import ordinary
from tests.acceptance.attacks.neighbour import (
    Call,
    Neighbour,
    bound_s,
    is_disturbed,
    must_go_on,
    quantile,
)
from tests.acceptance.attacks.rows import NAME_CHARS, NODE, PYTHON, ROWS, Kind, Row
from tests.acceptance.deploying import create, deploy, domain, execute, upload, wait_built
from tests.acceptance.running import UID_BASE, Running

ROOT: Final = Path(__file__).parents[3]
HOSTILE: Final = ROOT / "tests" / "functions" / "hostile"
NEIGHBOUR: Final = "neighbour"
FIRST: Final = "first"
TMP_MIB: Final = 64
BUILD_BYTES: Final = 50_000_000
SPECIFICATION: Final = "s-1vcpu-512mb"  # of the hostile: half of a small machine
CASE_S: Final = 20  # for cases that end by themselves
BRIEF_S: Final = 1  # for those that have to be ended
HOSTILES: Final = (
    ("hostile", "main", CASE_S),
    ("brief", "main", BRIEF_S),
    ("endless", "endless", BRIEF_S),
)
QUIET_CALLS: Final = 8  # of the neighbour between two attacks
AROUND: Final = 8  # quiet windows before and after an attack that it is held against
SETTLE_CALLS: Final = 3  # after an attack, before it is quiet again

SECRETS: Final = ("server", "password", "neighbour", "code", "bait")


def marker() -> str:
    """A secret that a search can recognize without knowing it."""
    return f"decoy-{secrets.token_hex(20)}"


class Stand:
    def __init__(self, who: str) -> None:
        self.who = who
        self.folder = Path(tempfile.mkdtemp(prefix="runwright-attacks-"))
        self.folder.chmod(0o755)
        self.secrets = {
            name: marker() for name in ("server", "password", "neighbour", "code", "bait")
        }
        self.own = {NODE: marker(), PYTHON: marker()}  # of the hostile functions themselves
        self.windows: dict[str, list[tuple[float, float]]] = defaultdict(list)
        # Of each row, by the times that it was tried: what the neighbour noticed, round by round.
        self.told: dict[str, list[list[str]]] = defaultdict(list)
        self.quiet: list[tuple[float, float]] = []
        # A file of the host that anybody may change who can reach it.
        self.bait = self.folder / "bait"
        self.bait.write_text(self.secrets["bait"])
        self.bait.chmod(0o666)
        self._open = ExitStack()  # whatever has to be ended, last first
        self._open.callback(shutil.rmtree, self.folder)

    def start(self) -> None:
        data_dir = self.folder / "data"
        self.server = Running(
            data_dir,
            DECOY_TOKEN=self.secrets["server"],
            RUNWRIGHT_SMTP_URL=f"smtp://me:{self.secrets['password']}@127.0.0.1:9",
            RUNWRIGHT_UID_BASE=str(UID_BASE + 0x200_0000),
            RUNWRIGHT_TMP_MIB=str(TMP_MIB),
            RUNWRIGHT_BUILD_BYTES=str(BUILD_BYTES),
            RUNWRIGHT_BUILD_DISK_MIB="128",
            HOME=str(self.folder / "home"),
        )
        (self.folder / "home").mkdir()
        if self.who == "ordinary":
            data_dir.mkdir()
            for path in (data_dir, self.folder / "home"):
                ordinary.give(path)
            groups = self._open.enter_context(ordinary.delegated(self.folder.name))
            self.server.prefix = ordinary.prefix(self.folder, groups)
        self.server.start()
        self._open.callback(self._stop_server)
        self.api = self._open.enter_context(self.server.client())
        self._deploy()
        host = domain(self.api, NEIGHBOUR)
        records = self.folder / "neighbour.records"
        self.neighbour = Neighbour("127.0.0.1", self.server.port, host, records)
        self._open.callback(self.neighbour.stop)
        self.neighbour.wait(50)  # cold start and first compilations
        self.rest()

    def _deploy(self) -> None:
        """Every function of the stand; builds run side by side."""
        source = f"// {self.secrets['code']}\nexport default ({{ res }}) => res.text('well');\n"
        create(self.api, NEIGHBOUR, NODE)
        self._set_variable(NEIGHBOUR, self.secrets["neighbour"], secret=True)
        made = {NEIGHBOUR: upload(self.api, NEIGHBOUR, {"main.mjs": source})["$id"]}
        for language, ending in ((NODE, "cjs"), (PYTHON, "py")):
            files = {
                path.name: path.read_bytes()
                for path in (HOSTILE / language).iterdir()
                if path.is_file()
            }
            files["syscalls.json"] = (HOSTILE / "syscalls.json").read_bytes()
            for name, entry, timeout in HOSTILES:
                function = f"{name}-{language}"
                create(
                    self.api,
                    function,
                    language,
                    entrypoint=f"{entry}.{ending}",
                    timeout=timeout,
                    runtimeSpecification=SPECIFICATION,
                )
                self._set_variable(function, self.own[language])
                made[function] = upload(self.api, function, files)["$id"]
        for function, deployment in made.items():
            built = wait_built(self.api, function, deployment)
            assert built["status"] == "ready", built["buildLogs"]

        if self.who == "root":
            self._fork_from_now_on()

    def _fork_from_now_on(self) -> None:
        """Python's attacks are made in sandboxes that were forked from a zygote, Node's in those
        of bubblewrap; as an ordinary user all are bubblewrap's."""
        source = "def main(context):\n    return context.res.text(open('/proc/1/cmdline').read())\n"
        deploy(self.api, FIRST, PYTHON, source)
        deadline = time.monotonic() + 60
        while "bwrap" in execute(self.api, FIRST)["responseBody"]:
            assert time.monotonic() < deadline, "no zygote came"
            variable = {"variableId": "unique()", "key": f"V{secrets.token_hex(4)}", "value": "1"}
            answer = self.api.post(f"/functions/{FIRST}/variables", json=variable)
            assert answer.status_code == 201, answer.text  # the next start is a cold one

    def _set_variable(self, function: str, value: str, *, secret: bool = False) -> None:
        variable = {"variableId": f"of-{function}", "key": "TOKEN", "value": value}
        answer = self.api.post(
            f"/functions/{function}/variables", json={**variable, "secret": secret}
        )
        assert answer.status_code == 201, answer.text

    def stop(self) -> None:
        self._open.close()

    def _stop_server(self) -> None:
        try:
            assert self.server.stop() == 0, self.server.tail()
        finally:
            if self.server.process.poll() is None:
                self.server.kill()

    # Attacks

    def call(
        self, row: Row, language: str, *, case: str = "", function: str = "hostile", **told: Any
    ) -> dict[str, Any]:
        """One execution of a hostile case, as its caller gets it."""
        answer = self.api.post(
            f"/functions/{function}-{language}/executions",
            json={"path": f"/{case or row.case}", "method": "POST",
                  "body": json.dumps({**row.told, **told})},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        execution: dict[str, Any] = answer.json()
        return execution

    def evidence(self, row: Row, language: str, **told: Any) -> dict[str, Any]:
        """What a case that ends by itself says about its attempts."""
        execution = self.call(row, language, **told)
        assert execution["status"] == "completed", execution["errors"] or execution
        evidence: dict[str, Any] = json.loads(execution["responseBody"])
        return evidence

    def pids(self) -> list[int]:
        """The server, its helpers and what runs in its sandboxes."""
        return [self.server.process.pid, *descendants(self.server.process.pid)]

    @contextmanager
    def watched(self, row: Row) -> Iterator[None]:
        """A window of that row's; afterwards nothing outside may have changed."""
        begin = time.monotonic()
        yield
        end = time.monotonic()
        self.windows[row.name].append((begin, end))
        self.look_around()
        self.rest()

    def look_around(self) -> None:
        """The server lives, and the neighbour was answered rightly all along."""
        assert self.server.process.poll() is None, self.server.tail()
        wrong = [call for call in self.neighbour.read() if not call.is_right]
        assert wrong == []

    def rest(self) -> None:
        self.neighbour.wait(SETTLE_CALLS)
        begin = time.monotonic()
        self.neighbour.wait(QUIET_CALLS)
        self.quiet.append((begin, time.monotonic()))

    def rounds(self, row: Row) -> Iterator[None]:
        """Make an attack until it is known whether the neighbour notices it; fails if so.

        The window of the last round is kept, together with what was kept of the row before; what
        all rounds came to is told in the table and judged by the verdict.
        """
        kept = self.windows[row.name]
        told: list[str] = []
        self.told[row.name].append(told)
        while must_go_on(told):
            self.windows[row.name] = list(kept)
            yield
            told.append(self.noticed(row.name))

    # The neighbour's figures

    def calls_beside(self, name: str) -> list[Call]:
        return [call for window in self.windows[name] for call in self.neighbour.between(*window)]

    def noticed(self, *names: str) -> str:
        """What the neighbour noticed of these attacks together; empty if nothing.

        Each window is held against the quiet ones around it: a machine has its moods.
        """
        tries = slow = 0
        worst = (0.0, 0.0)
        for window in (window for name in names for window in self.windows[name]):
            beside = [call.took_s for call in self.neighbour.between(*window)]
            bound = bound_s(self._quiet_around(window))
            tries += len(beside)
            slow += sum(took > bound for took in beside)
            worst = max(worst, (quantile(beside), bound))
        if not is_disturbed(slow, tries):
            return ""
        return (
            f"{slow} of {tries} calls were too slow; the worst window had a p99 of "
            f"{worst[0] * 1e3:.1f} ms, its bound was {worst[1] * 1e3:.1f} ms"
        )

    def _quiet_around(self, window: tuple[float, float]) -> list[float]:
        before = [quiet for quiet in self.quiet if quiet[1] <= window[0]][-AROUND:]
        after = [quiet for quiet in self.quiet if quiet[0] >= window[1]][:AROUND]
        return [
            call.took_s for quiet in (*before, *after) for call in self.neighbour.between(*quiet)
        ]

    def server_memory_mib(self) -> float:
        text = Path(f"/proc/{self.server.process.pid}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def remains(self) -> list[str]:
        """Processes of hostile functions that say so by their name."""
        found = []
        for pid in self.pids():
            try:
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                continue
            if name == "evil":
                found.append(f"{pid} {name}")
        return found

    def quiet_calls(self) -> list[Call]:
        return [call for window in self.quiet for call in self.neighbour.between(*window)]

    def table(self) -> str:
        """What the neighbour noticed, attack by attack."""
        quiet = [call.took_s for call in self.quiet_calls()]
        lines = [f"run by {self.who}", _line("quiet", quiet, quiet)]
        for row in ROWS:
            windows = self.windows[row.name]
            took = [call.took_s for call in self.calls_beside(row.name)]
            around = [took_s for window in windows for took_s in self._quiet_around(window)]
            told = [text for tried in self.told[row.name] for text in tried]
            rounds = f"  noticed in {sum(map(bool, told))} of {len(told)}" if told else ""
            lines.append(_line(row.name, took, around) + rounds)
        return "\n".join(lines)


def _line(name: str, took: list[float], quiet: list[float]) -> str:
    p50, p99 = quantile(took, 0.5), quantile(took)
    ratio = p99 / quantile(quiet) if quiet else 0.0
    return f"{name:{NAME_CHARS}} {len(took):6} {p50 * 1e3:9.2f} ms {p99 * 1e3:9.2f} ms {ratio:7.2f}"


def descendants(pid: int) -> Iterator[int]:
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for word in words:
        yield int(word)
        yield from descendants(int(word))


def can_judge(row: Row, who: str) -> str:
    """Why a row is not run by that user, or nothing."""
    if who == "ordinary" and row.kind is Kind.RESOURCE and not ordinary.can_delegate():
        return "no cgroup is delegated to the user, so the machine's limits are weaker here"
    return ""
