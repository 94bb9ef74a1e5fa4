"""Source archives and builds: nothing of them gets out of the folder that they are for."""

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.acceptance.attacks.rows import ARCHIVES, BUILDS, NODE, Row
from tests.acceptance.attacks.stand import BUILD_BYTES, Stand
from tests.acceptance.attacks.test_hunger import no_process_remains
from tests.acceptance.deploying import create, execute, wait_built

Member = tuple[tarfile.TarInfo, bytes]
EVIL: Final = b"evil"


def member(name: str, content: bytes = EVIL, **fields: Any) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content) if fields.get("type", tarfile.REGTYPE) == tarfile.REGTYPE else 0
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content if info.size else b""


def packed(*members: Member, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1, **options) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def link(name: str, target: str) -> Member:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> Member:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


MAIN: Final = member("main.cjs", b"module.exports = ({ res }) => res.text('harmless');\n")


def archives(stand: Stand, name: str) -> list[bytes]:
    bait, folder = str(stand.bait), str(stand.folder)
    up = "../" * 12
    made: dict[str, Callable[[], list[bytes]]] = {
        "absolute paths": lambda: [packed(MAIN, member(bait)), packed(MAIN, member(f"//{bait}"))],
        "paths upwards": lambda: [
            packed(MAIN, member(up + bait.strip("/"))),
            packed(MAIN, member(f"a/{up}{bait.strip('/')}")),
            packed(MAIN, member("a/..", type=tarfile.DIRTYPE), member("a/../../evil")),
        ],
        "written through links": lambda: [
            packed(MAIN, link("out", folder), member("out/evil")),
            packed(MAIN, link("out", bait), member("out")),
            packed(MAIN, link("a", "b"), link("b", folder), member("a/evil")),
            packed(MAIN, link("main", up + bait.strip("/"))),
        ],
        "hard links": lambda: [
            packed(MAIN, hard("taken", bait)),
            packed(MAIN, hard("taken", up + bait.strip("/"))),
            packed(MAIN, link("a", bait), hard("b", "a"), member("b")),
        ],
        "devices and pipes": lambda: [
            packed(MAIN, member("mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1)),
            packed(MAIN, member("disk", type=tarfile.BLKTYPE, devmajor=8, devminor=0)),
            packed(MAIN, member("pipe", type=tarfile.FIFOTYPE)),
        ],
        "compression bomb": lambda: [
            packed(MAIN, member("zeros", bytes(3 * BUILD_BYTES))),
            gzip.compress(bytes(3 * BUILD_BYTES), 1),
        ],
        "broken archives": lambda: [
            b"PK\3\4" + bytes(100),
            packed(MAIN)[:-20],
            gzip.compress(b"\xff" * 4096),
            packed(member("x" * 300_000), format=tarfile.GNU_FORMAT),
            packed(MAIN, member("d/" * 3000 + "deep")),
        ],
    }
    return made[name]()


@pytest.mark.parametrize("row", ARCHIVES, ids=lambda row: row.name)
def test_a_hostile_archive_is_refused_and_leaves_nothing(stand: Stand, row: Row) -> None:
    before = sorted(path.name for path in stand.folder.iterdir())
    with stand.watched(row):
        for content in archives(stand, row.name):
            deployment = deployed(stand, content)
            assert deployment["status"] == "failed"
            assert deployment["buildLogs"]
            assert str(stand.folder) not in deployment["buildLogs"].replace(str(stand.bait), "")
    assert stand.bait.read_text() == stand.secrets["bait"]
    assert stand.bait.stat().st_nlink == 1
    assert sorted(path.name for path in stand.folder.iterdir()) == before


def test_rights_in_an_archive_are_not_kept(stand: Stand) -> None:
    content = packed(MAIN, member("own", mode=0o6777, uid=0, gid=0))
    assert deployed(stand, content)["status"] == "ready"
    for folder, _, names in os.walk(stand.folder / "data"):
        for name in names:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            assert not mode & 0o6002, (folder, name)


def deployed(stand: Stand, content: bytes, **fields: str) -> dict[str, Any]:
    if stand.api.get(f"/functions/{BUILT}").status_code == 404:
        create(stand.api, BUILT, NODE, entrypoint="main.cjs", timeout=10)
    answer = stand.api.post(
        f"/functions/{BUILT}/deployments",
        data={"activate": "true", **fields},
        files={"code": ("code.tar.gz", content, "application/gzip")},
    )
    assert answer.status_code == 202, answer.text
    return wait_built(stand.api, BUILT, answer.json()["$id"])


BUILT: Final = "built"
TRY: Final = 'try() { if "$@" >/dev/null 2>&1; then echo "DONE $*"; else echo "REFUSED $1"; fi; }\n'
COMMANDS: Final = {
    "build: prying": """
        grep -aoshE 'decoy-[0-9a-f]{40}' /proc/[0-9]*/environ /proc/[0-9]*/cmdline
        grep -raoshE 'decoy-[0-9a-f]{40}' /etc /home /root /var /tmp /run /srv /opt /mnt %(folder)s
        try cat %(data)s/credentials.json; try ls %(data)s; try ls %(folder)s; try cat %(bait)s
        for start in /proc/1/root /proc/self/root /host ../../../../../../..; do
            try ls $start%(folder)s; done
        for pid in %(pids)s; do try kill -0 $pid; try ls /proc/$pid/; done
        try cat /etc/shadow; try ls /root
    """,
    "build: breaking out": """
        try touch /usr/evil; try touch /etc/evil; try touch /usr/bin/evil; try touch /evil
        try mount -t tmpfs none /tmp; try mount --bind / /tmp; try umount -l /proc
        try unshare -r true; try unshare -m true; try nsenter -t 1 -m true; try chroot / true
        try mknod /tmp/evil c 1 1; try chown 0 .
        try sh -c 'echo 1 > /proc/sys/kernel/sysrq'; try sh -c 'echo 0 > /proc/self/uid_map'
        try ln /bin/true taken; try ls /sys/kernel; try dmesg
    """,
    "build: daemons": """
        cp /bin/sleep evil
        for n in 1 2 3 4; do (setsid ./evil 600 >/dev/null 2>&1 &) ; done
        (trap '' TERM HUP; setsid ./evil 601 >/dev/null 2>&1 &)
        echo REFUSED later
    """,
    "build: links out": """
        ln -s /etc/shadow shadow; ln -s %(data)s/credentials.json credentials; ln -s / root
        echo REFUSED later
    """,
    "build: processes": """
        cp /bin/sleep evil
        for n in $(seq 1500); do ./evil 30 & done 2>/dev/null
        echo REFUSED later
    """,
    "build: disk": "head -c 300000000 /dev/zero > zeros; ls -l zeros; echo REFUSED later",
    "build: empty files": "seq 40000 | xargs touch; echo REFUSED later",
}  # fmt: skip
READS: Final = b"""
const fs = require("node:fs");
module.exports = ({ res }) => res.json(["shadow", "credentials", "root"].map((name) => {
  try {
    const path = `${__dirname}/${name}`;
    return name === "root" ? fs.readdirSync(path) : fs.readFileSync(path, "utf8");
  } catch (error) { return error.code; }
}));
"""
MUST_FAIL: Final = ("build: disk", "build: empty files")
MAY_FAIL: Final = ("build: links out", "build: processes", *MUST_FAIL)


@pytest.mark.parametrize("row", BUILDS, ids=lambda row: row.name)
def test_a_hostile_build_harms_only_itself(stand: Stand, row: Row) -> None:
    told = {
        "folder": stand.folder,
        "data": stand.folder / "data",
        "bait": stand.bait,
        "pids": " ".join(map(str, stand.pids()[:4])),
    }
    commands = TRY + COMMANDS[row.name] % told
    for _ in stand.rounds(row):
        with stand.watched(row):
            deployment = deployed(stand, packed(member("main.cjs", READS)), commands=commands)
        log = deployment["buildLogs"]
        assert deployment["status"] == "ready" or row.name in MAY_FAIL, log
        assert "DONE" not in log
        assert not [secret for secret in stand.secrets.values() if secret in log]
        if row.name not in MAY_FAIL:
            assert "REFUSED" in log
        no_process_remains(stand)
    if row.name in MUST_FAIL:
        assert deployment["status"] == "failed", log
    if row.name == "build: links out" and deployment["status"] == "ready":
        read = json.loads(execute(stand.api, BUILT)["responseBody"])
        assert read[:2] == ["ENOENT", "ENOENT"] or "root:" not in str(read[:2])
        assert "endpoint" not in str(read)
    assert stand.bait.read_text() == stand.secrets["bait"]
