"""`make chaos`, or `python -m tests.chaos --seed 7 --executions 3000`."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.chaos.checker import TAKEOVER_S, Verdict, check, restarts_s, slowness
from tests.chaos.round import Orders, Played, play

_SHOWN: Final = 12


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--executions", type=int, default=100_000, help="requests to be accepted")
    parser.add_argument("--kill-every", default="1..5", help="seconds, from..to")
    parser.add_argument("--drain-s", type=float, default=300.0, help="time for what is left")
    parser.add_argument("--disk-mib", type=int, default=0, help="size of a disk of its own; root")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a good round too")
    given = parser.parse_args()
    low, _, high = given.kill_every.partition("..")
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    orders = Orders(
        seed=given.seed,
        executions=given.executions,
        kill_every=(float(low), float(high or low)),
        folder=folder,
        drain_s=given.drain_s,
        disk_mib=given.disk_mib,
    )
    print(f"seed {orders.seed}, {orders.executions} requests, folder {folder}", flush=True)
    began = time.monotonic()
    played = asyncio.run(play(orders, lambda text: print(text, flush=True)))
    verdict = check(played.evidence)
    print(report(played, verdict))
    (folder / "findings.txt").write_text("\n".join(map(str, verdict.findings)))
    is_good = verdict.is_good and played.is_sound
    print(f"{'GOOD' if is_good else 'BAD'}: seed {orders.seed}, {time.monotonic() - began:.0f} s")
    if is_good and not given.keep:
        shutil.rmtree(folder)
    else:
        print(f"logs and data are in {folder}")
    return 0 if is_good else 1


def report(played: Played, verdict: Verdict) -> str:
    """Counts, times and findings."""
    lines = [""]
    lines += [f"{name:<40}{count:>8}" for name, count in sorted(verdict.counts.items())]
    rate = len(played.evidence.promises) / max(played.loaded_s, 0.001)
    lines.append(f"accepted per second, faults included    {rate:>8.0f}")
    lines.append(f"drained in                              {played.drained_s:>8.1f} s")
    torn = played.torn
    lines.append(
        f"torn: {len(torn)} times; of the log {sum(item.cut for item in torn)} bytes cut, "
        f"{sum(item.spoilt for item in torn)} spoilt, {sum(item.invented for item in torn)} frames "
        f"half written; {sum(item.pages for item in torn)} pages of the database half copied"
    )
    lines.append(
        f"takeovers: {len(verdict.takeovers_s)}, p50 {verdict.takeover_s(0.5):.2f} s, "
        f"p99 {verdict.takeover_s(0.99):.2f} s, longest {verdict.takeover_s(1.0):.2f} s "
        f"(limit for p99: {TAKEOVER_S * slowness(played.evidence):.0f} s)"
    )
    starts_s = sorted(restarts_s(played.evidence))
    if starts_s:
        middle, longest = starts_s[len(starts_s) // 2], starts_s[-1]
        lines.append(f"of which a start of the server: p50 {middle:.2f} s, longest {longest:.2f} s")
    lines.append(f"server log: {played.log_errors} errors, {played.log_warnings} warnings")
    if not played.is_sound:
        lines.append("the database fails its own integrity check")
    rules = sorted({finding.rule for finding in verdict.findings})
    for rule in rules:
        found = [finding for finding in verdict.findings if finding.rule == rule]
        lines.append(f"{rule}: {len(found)}")
        lines += [f"    {item.subject}: {item.text}" for item in found[:_SHOWN]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
