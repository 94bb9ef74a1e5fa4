"""Which program files can be mapped by large pages."""

import os
import select
import struct
from pathlib import Path

import pytest

from runwright.executor import programs, stage
from runwright.executor.programs import Programs, lies_as_large_pages

MIB = 1024 * 1024
FIXED, MOVED = 2, 3


def a_program(
    *, kind: int = FIXED, offset: int = 0x1000, address: int = 0x401000, code: int = 32 * MIB,
    alignment: int = 0x1000,
) -> bytes:  # fmt: skip
    head = b"\x7fELF\2\1\1" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", kind, 62, 1, address, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    data = struct.pack("<IIQQQQQQ", 1, 4, 0, 0x400000, 0x400000, 64, 64, 0x1000)
    return head + data + struct.pack(
        "<IIQQQQQQ", 1, 5, offset, address, address, code, code, alignment
    )  # fmt: skip


def test_code_at_a_fixed_place_that_is_as_far_into_a_large_page_as_in_its_file() -> None:
    assert lies_as_large_pages(a_program())


def test_code_that_is_moved_by_whole_large_pages() -> None:
    assert lies_as_large_pages(a_program(kind=MOVED, alignment=2 * MIB))


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b"#!/bin/sh\n" + bytes(200),
        a_program(kind=MOVED),
        a_program(address=0x402000),
        a_program(code=MIB),
        a_program()[:100],
    ],
    ids=["nothing", "a script", "moved anywhere", "shifted", "little code", "a part of a head"],
)
def test_what_cannot_be_mapped_so(program: bytes) -> None:
    assert not lies_as_large_pages(program)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """For which programs a copier would have been started, by a machine of 16 GiB."""
    made: list[str] = []

    def note(copies: Programs, program: str, size: int) -> None:
        made.append(program)
        copies._bytes += size

    monkeypatch.setattr(Programs, "_start_copier", note)
    monkeypatch.setattr(programs, "_pays", lambda *_: True)
    monkeypatch.setattr(programs, "_free_bytes", lambda: 16 << 30)
    return made


def start(copies: Programs, program: Path, memory_left: int) -> None:
    program.touch()
    os.truncate(program, 120 * MIB)  # a hole
    for _ in range(programs._STARTS + 1):
        copies.started(str(program), lambda: memory_left)


def test_all_copies_together_are_a_small_part_of_the_memory_that_is_left(
    tmp_path: Path, copied: list[str]
) -> None:
    names = [str(tmp_path / f"node-{number}") for number in range(8)]
    with select.epoll() as poll:
        copies = Programs(poll)
        for name in names:
            start(copies, Path(name), 5 << 30)
    assert copied == names[:2]
    with select.epoll() as poll:
        start(Programs(poll), tmp_path / "another", 1 << 30)
    assert copied == names[:2]


def test_no_start_fails_because_nobody_can_say_whether_a_copy_would_pay(
    tmp_path: Path, copied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fail(program: str, _size: int) -> bool:
        asked.append(program)
        raise OSError("too many open files")

    monkeypatch.setattr(programs, "_pays", fail)
    with select.epoll() as poll:
        start(Programs(poll), tmp_path / "node", 1 << 40)
    assert (asked, copied) == ([str(tmp_path / "node")], [])


@pytest.mark.parametrize(
    ("switch", "page_bytes", "pays"),
    [
        ("always [never]", 2 * MIB, True),
        ("never [deny]", 2 * MIB, False),
        ("always [never]", 512 * MIB, False),
    ],
)
def test_a_copy_pays_where_large_pages_are_as_large_as_programs_are_laid_out_for(
    switch: str, page_bytes: int, pays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "node"
    program.write_bytes(a_program())
    os.truncate(program, 64 * MIB)  # a hole
    (tmp_path / "switch").write_text(switch)
    (tmp_path / "page_bytes").write_text(f"{page_bytes}\n")
    monkeypatch.setattr(stage, "HOST", str(tmp_path))
    monkeypatch.setattr(programs, "_SWITCH", "/switch")
    monkeypatch.setattr(programs, "_PAGE_SIZE", "/page_bytes")
    assert programs._pays(str(program), 64 * MIB) is pays
