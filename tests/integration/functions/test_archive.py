"""Unpacking: honest archives come out as they went in, hostile ones never leave the folder."""

import gzip
import io
import os
import stat
import struct
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runwright.functions.archive import BadArchive, Limits, pack, unpack
from tests.fakes.archives import folder, link, member, special, tar_gz


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder to unpack into, beside a file that nobody may touch."""
    (tmp_path / "secret").write_text("outside")
    target = tmp_path / "room"
    target.mkdir()
    return target


def opened(room: Path, archive: bytes, limits: Limits | None = None) -> dict[str, str]:
    path = room.parent / "source.tar.gz"
    path.write_bytes(archive)
    unpack(str(path), str(room), limits)
    return tree(room)


def tree(root: Path) -> dict[str, str]:
    """Every file and link below a folder, as text."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text()
    return found


def test_files_folders_and_inner_links_come_out(room: Path) -> None:
    archive = tar_gz(
        folder("./src"),
        member("./src/main.js", b"code"),
        member("bin/run", b"#!", mode=0o755),
        link("src/same", "main.js"),
        link("up", "src/../bin"),
        link("copy", "src/main.js", is_hard=True),
    )
    assert opened(room, archive) == {
        "bin/run": "#!",
        "copy": "code",
        "src/main.js": "code",
        "src/same": "-> main.js",
        "up": "-> src/../bin",
    }
    assert stat.S_IMODE((room / "bin/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((room / "src/main.js").stat().st_mode) == 0o644


def test_set_id_bits_are_dropped(room: Path) -> None:
    opened(room, tar_gz(member("tool", b"x", mode=0o6755)))
    assert stat.S_IMODE((room / "tool").stat().st_mode) == 0o755


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_work_in_both_formats(room: Path, form: int) -> None:
    name = "/".join(["folder-with-a-long-name"] * 12) + "/füll.js"
    assert opened(room, tar_gz(member(name, b"x"), format=form)) == {name: "x"}


def test_a_later_file_of_the_same_name_wins(room: Path) -> None:
    assert opened(room, tar_gz(member("a", b"old"), member("a", b"new"))) == {"a": "new"}


def test_a_single_top_folder_stays(room: Path) -> None:
    assert opened(room, tar_gz(member("project/main.js", b"x"))) == {"project/main.js": "x"}


HOSTILE = {
    "dots": [member("../secret", b"evil")],
    "inner dots": [member("a/../../secret", b"evil")],
    "absolute": [member("/etc/evil", b"evil")],
    "absolute link": [link("a", "/etc/passwd")],
    "link out": [link("a", "../secret")],
    "link out by a link": [
        folder("d/e"),
        link("d/e/top", "../.."),
        link("d/out", "e/top/../secret"),
    ],
    "link out, late": [link("a", "b/../.."), link("b", "c"), folder("c")],
    "file through a link": [folder("d"), link("l", "d"), member("l/f", b"x")],
    "file through a link out": [link("l", ".."), member("l/secret", b"evil")],
    "file below a file": [member("a", b"x"), member("a/b", b"y")],
    "hard link out": [link("a", "../secret", is_hard=True)],
    "hard link absolute": [link("a", "/etc/passwd", is_hard=True)],
    "hard link to a link": [link("a", "b"), link("c", "a", is_hard=True)],
    "hard link to nothing": [link("a", "nowhere", is_hard=True)],
    "hard link to itself": [link("a", "a", is_hard=True)],
    "hard link through a link": [link("l", "."), member("f", b"x"), link("c", "l/f", is_hard=True)],
    "file over a folder": [folder("a"), member("a", b"x")],
    "folder over a file": [member("a", b"x"), folder("a")],
    "folder over a link": [link("a", "."), folder("a")],
    "pipe": [special("a", tarfile.FIFOTYPE)],
    "character device": [special("a", tarfile.CHRTYPE)],
    "block device": [special("a", tarfile.BLKTYPE)],
    "no name": [member("./", b"x")],
    "long part": [member("a" * 256, b"x")],
    "long path": [member("abcd/" * 500 + "x", b"x")],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_members_are_refused_in_one_sentence(room: Path, case: str) -> None:
    with pytest.raises(BadArchive) as caught:
        opened(room, tar_gz(*HOSTILE[case]))
    assert "\n" not in str(caught.value)
    assert str(room.parent) not in str(caught.value)
    assert (room.parent / "secret").read_text() == "outside"
    assert sorted(path.name for path in room.parent.iterdir()) == [
        "room",
        "secret",
        "source.tar.gz",
    ]


def test_a_link_loop_is_kept_as_it_leads_nowhere(room: Path) -> None:
    assert opened(room, tar_gz(link("a", "b"), link("b", "a"))) == {"a": "-> b", "b": "-> a"}


def test_a_name_for_the_log_has_no_control_characters_and_an_end(room: Path) -> None:
    with pytest.raises(BadArchive) as caught:
        opened(room, tar_gz(member("../\x1b[31m\n" + "x" * 300, b"")))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "data",
    [b"", b"not gzip", gzip.compress(b"not a tar" * 200), b"\x1f\x8b\x08\x00"],
    ids=["empty", "text", "gzip of text", "cut gzip head"],
)
def test_what_is_no_archive_is_refused(room: Path, data: bytes) -> None:
    with pytest.raises(BadArchive):
        opened(room, data)


def test_a_cut_archive_is_refused_wherever_it_is_cut(room: Path) -> None:
    whole = tar_gz(member("a", os.urandom(3000)), member("b", os.urandom(3000)))
    for end in range(20, len(whole) - 1, 97):
        with pytest.raises(BadArchive):
            opened(room, whole[:end])


def test_a_flipped_bit_is_found_by_the_checksum(room: Path) -> None:
    whole = bytearray(gzip.compress(gzip.decompress(tar_gz(member("a", b"x" * 4000))), 0))
    whole[2000] ^= 1
    with pytest.raises(BadArchive):
        opened(room, bytes(whole))


def test_a_broken_header_in_the_middle_is_no_silent_end(room: Path) -> None:
    plain = bytearray(gzip.decompress(tar_gz(member("a", b"x"), member("b", b"y"))))
    plain[1024 + 148] ^= 1  # the checksum field of the second header
    with pytest.raises(BadArchive, match="damaged"):
        opened(room, gzip.compress(bytes(plain)))


def test_an_archive_without_end_blocks_is_taken(room: Path) -> None:
    plain = gzip.decompress(tar_gz(member("a", b"x")))[:1024]
    assert opened(room, gzip.compress(plain)) == {"a": "x"}


def test_declared_sizes_are_counted_before_anything_is_written(room: Path) -> None:
    info, _ = member("huge")
    info.size = 2**40
    header = info.tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(BadArchive, match="more than 1000 bytes"):
        opened(room, gzip.compress(header), Limits(total_bytes=1000))
    assert tree(room) == {}


def test_a_compression_bomb_ends_at_the_limit(room: Path) -> None:
    zeros = bytes(30_000_000)
    archive = tar_gz(member("bomb", zeros), level=9)
    assert len(archive) < 50_000
    with pytest.raises(BadArchive):
        opened(room, archive, Limits(total_bytes=1_000_000))
    # Also where the zeros stand behind the end of the archive.
    tail = gzip.compress(gzip.decompress(tar_gz(member("a", b"x"))) + zeros, 9)
    with pytest.raises(BadArchive, match="more data than is allowed"):
        opened(room, tail, Limits(total_bytes=1_000_000, entries=10))


def test_hard_links_count_towards_the_limit(room: Path) -> None:
    names = [link(f"l{number}", "a", is_hard=True) for number in range(10)]
    with pytest.raises(BadArchive, match="more than 5000 bytes"):
        opened(room, tar_gz(member("a", b"x" * 1000), *names), Limits(total_bytes=5000))


def test_entries_are_counted(room: Path) -> None:
    with pytest.raises(BadArchive, match="more than 5 files"):
        opened(room, tar_gz(*(folder(f"d{number}") for number in range(6))), Limits(entries=5))


def test_sparse_members_are_refused(room: Path) -> None:
    info, _ = member("sparse")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"00001000000\0"  # its size once expanded
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(BadArchive, match="sparse"):
        opened(room, gzip.compress(bytes(header) + bytes(1024)))


def test_sparse_members_of_the_pax_kind_are_refused(room: Path) -> None:
    info, data = member("sparse", b"1\n0\n1\n".ljust(512, b"\0") + b"x")
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "sparse",
        "GNU.sparse.realsize": "1000000000000",
    }
    with pytest.raises(BadArchive, match="sparse"):
        opened(room, tar_gz((info, data)))


def test_extended_headers_are_bounded(room: Path) -> None:
    info, data = member("a", b"x")
    info.pax_headers = {"comment": "x" * 2_000_000}
    with pytest.raises(BadArchive, match="oversized header"):
        opened(room, tar_gz((info, data)))


def test_a_chain_of_extended_headers_does_not_exhaust_the_stack(room: Path) -> None:
    head = tarfile.TarInfo("././@PaxHeader")
    head.type, head.size = tarfile.XHDTYPE, 0
    with pytest.raises(BadArchive):
        opened(room, gzip.compress(head.tobuf() * 20_000))


def test_a_negative_size_is_refused(room: Path) -> None:
    info, _ = member("a")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = struct.pack(">B3xq", 0xFF, -1024).replace(b"\0\0\0", b"\xff\xff\xff", 1)
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(BadArchive):
        opened(room, gzip.compress(bytes(header) + bytes(1024)))


names = st.lists(
    st.sampled_from(["a", "b", "c", "..", ".", "", "/", "x y", "é", "l"]), min_size=1, max_size=5
).map("/".join)
hostile_members = st.one_of(
    st.builds(member, names, st.binary(max_size=40)),
    st.builds(folder, names),
    st.builds(link, names, names, is_hard=st.booleans()),
    st.builds(special, names, st.sampled_from([tarfile.FIFOTYPE, tarfile.CHRTYPE])),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(hostile_members, max_size=8), st.sampled_from([0, 1, 2]))
def test_no_archive_ever_writes_outside(
    tmp_path_factory: pytest.TempPathFactory,
    members: list[tuple[tarfile.TarInfo, bytes]],
    form: int,
) -> None:
    around = tmp_path_factory.mktemp("around")
    room = around / "deep" / "room"
    room.mkdir(parents=True)
    (around / "a").write_text("outside")
    archive = around / "source.tar.gz"
    archive.write_bytes(tar_gz(*members, format=form))
    is_taken = True
    try:
        unpack(str(archive), str(room))
    except BadArchive:
        is_taken = False
    assert sorted(path.name for path in around.iterdir()) == ["a", "deep", "source.tar.gz"]
    assert [path.name for path in (around / "deep").iterdir()] == ["room"]
    assert (around / "a").read_text() == "outside"
    assert (around / "a").stat().st_nlink == 1
    if is_taken:
        for path in room.rglob("*"):
            assert path.is_symlink() or path.is_file() or path.is_dir()
            try:
                real = path.resolve(strict=True)
            except (OSError, RuntimeError):
                continue  # a loop, or a link to nothing
            assert real == room.resolve() or room.resolve() in real.parents


parts = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda text: text not in (".", ".."))
files = st.dictionaries(
    st.lists(parts, min_size=1, max_size=4).map("/".join), st.binary(max_size=2000), max_size=8
).filter(
    lambda found: not any(f"{one}/" in f"{two}/" for one in found for two in found if one != two)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_honest_trees_come_out_and_pack_up_again(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, bytes], form: int
) -> None:
    folder_ = tmp_path_factory.mktemp("honest")
    first, second, archive = folder_ / "1", folder_ / "2", folder_ / "archive.tar.gz"
    first.mkdir()
    second.mkdir()
    archive.write_bytes(tar_gz(*(member(n, d) for n, d in content.items()), format=form))
    unpack(str(archive), str(first))
    pack(str(first), str(archive))
    unpack(str(archive), str(second))
    for room in (first, second):
        found = {
            str(path.relative_to(room)): path.read_bytes()
            for path in room.rglob("*")
            if path.is_file()
        }
        assert found == content


def test_packing_keeps_links_as_links_and_owners_out(tmp_path: Path) -> None:
    built = tmp_path / "built"
    built.mkdir()
    (built / "main.js").write_text("x")
    (built / "python3").symlink_to("/usr/bin/python3")
    pack(str(built), str(tmp_path / "out.tar.gz"))
    with tarfile.open(tmp_path / "out.tar.gz") as tar:
        members = {item.name: item for item in tar}
    assert members["python3"].linkname == "/usr/bin/python3"
    assert {(item.uid, item.gid, item.uname) for item in members.values()} == {(0, 0, "")}


def test_the_packed_form_is_read_by_plain_tarfile(tmp_path: Path) -> None:
    data = tar_gz(member("a", b"x"))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["a"]
