"""DNS messages of sandboxes: what passes is one plain question, and nothing else."""

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.executor import naming

NAME = b"\x04Name\x07example\x00"


def a_question(kind: int = 1, *, flags: int = 0x0100, extra: bytes = b"", more: int = 0) -> bytes:
    head = struct.pack(">HHHHHH", 7, flags, 1, 0, 0, more)
    return head + NAME + struct.pack(">HH", kind, 1) + extra


def an_answer(*records: tuple[int, bytes], number: int = 9) -> bytes:
    body = b"".join(
        b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(value)) + value
        for kind, value in records
    )
    head = struct.pack(">HHHHHH", number, 0x8180, 1, len(records), 0, 0)
    return head + NAME + struct.pack(">HH", 1, 1) + body


def test_a_question_is_read_and_written_anew_under_another_id() -> None:
    question = naming.read_question(a_question())
    assert (question.id, question.name, question.kind) == (7, "name.example", 1)
    assert question.forwarded(9) == b"\0\x09" + a_question()[2:]


def test_the_askers_options_stay_with_the_asker() -> None:
    option = b"\x00\x0a\x00\x08smuggled"
    extension = b"\0" + struct.pack(">HHIH", 41, 4096, 0x8000, len(option)) + option
    question = naming.read_question(a_question(extra=extension, more=1))
    sent = question.forwarded(9)
    assert b"smuggled" not in sent
    assert sent.endswith(b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, 0))


def test_what_follows_the_question_stays_here() -> None:
    assert naming.read_question(a_question(extra=b"trailing")).forwarded(7) == a_question()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"GET / HTTP/1.1\r\nhost: resolver\r\n\r\n",
        a_question()[:-3],
        a_question(flags=0x8180),  # an answer
        a_question(flags=0x2800),  # a dynamic update
        a_question(252),  # a zone
        a_question(extra=NAME + b"\0\1\0\1\0\0\0\0\0\0", more=1),
        a_question(more=1),
        struct.pack(">HHHHHH", 7, 0x0100, 2, 0, 0, 0) + NAME + b"\0\1\0\1" + NAME + b"\0\1\0\1",
        struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
        struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x01a" * 200 + b"\0\0\1\0\1",
        a_question()[:-1] + b"\3",  # another class: the server's own version, for instance
    ],
)
def test_everything_but_one_plain_question_is_refused(message: bytes) -> None:
    with pytest.raises(naming.BadMessage):
        naming.read_question(message)


@given(st.binary(max_size=64))
def test_any_bytes_are_either_a_question_or_refused(rest: bytes) -> None:
    try:
        question = naming.read_question(struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + rest)
    except naming.BadMessage:
        return
    assert naming.read_question(question.forwarded(7)).section == question.section


def test_only_an_answer_to_this_question_counts() -> None:
    question = naming.read_question(a_question())
    assert question.is_answered_by(an_answer(), 9)
    assert question.is_answered_by(an_answer().replace(b"Name", b"nAME"), 9)
    assert not question.is_answered_by(an_answer(), 8)
    assert not question.is_answered_by(an_answer().replace(b"Name", b"Mane"), 9)
    assert not question.is_answered_by(a_question(), 7)
    assert not question.is_answered_by(b"", 9)


def test_addresses_of_an_answer_are_found_behind_other_records() -> None:
    answer = an_answer(
        (5, b"\x01b\xc0\x11"), (1, bytes([10, 1, 2, 3])), (28, ip_address("fd00::1").packed)
    )
    assert naming.addresses(answer) == [ip_address("10.1.2.3"), ip_address("fd00::1")]


@pytest.mark.parametrize("cut", range(1, 15))
def test_an_answer_that_is_cut_short_is_no_answer(cut: int) -> None:
    with pytest.raises(naming.BadMessage):
        naming.addresses(an_answer((1, bytes([10, 1, 2, 3])))[:-cut])


def test_an_address_of_a_strange_size_is_no_answer() -> None:
    with pytest.raises(naming.BadMessage):
        naming.addresses(an_answer((1, bytes([10, 1, 2]))))


def test_refusals_carry_the_askers_id_and_question() -> None:
    question = naming.read_question(a_question())
    assert question.answered(naming.Code.REFUSED)[:4] == b"\0\x07\x81\x85"
    assert question.answered()[12:] == question.section
    assert naming.refusal(a_question(), naming.Code.MALFORMED)[:4] == b"\0\x07\x80\x81"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("4.3.2.1.in-addr.arpa", "1.2.3.4"),
        ("x.y.4.3.2.1.in-addr.arpa", "1.2.3.4"),
        ("_dns-sd.1.168.192.in-addr.arpa", "192.168.1.0"),
        ("10.in-addr.arpa", "10.0.0.0"),
        ("1." + "0." * 29 + "d.f.ip6.arpa", "fd00::1"),
        ("d.f.ip6.arpa", "fd00::"),
        ("in-addr.arpa", None),
        ("256.in-addr.arpa", None),
        ("4.3.2.1.in-addr.arpa.example", None),
        ("name.example", None),
        ("", None),
    ],
)
def test_reverse_names_are_about_addresses(name: str, address: str | None) -> None:
    expected = [ip_address(address)] if address else []
    assert naming.reversed_addresses(name) == expected


def test_addresses_beside_an_answer_and_in_its_names_count() -> None:
    beside = bytearray(an_answer((1, bytes([8, 8, 8, 8])), (1, bytes([10, 1, 2, 3]))))
    beside[6:12] = struct.pack(">HHH", 1, 0, 1)
    assert naming.addresses(bytes(beside)) == [ip_address("8.8.8.8"), ip_address("10.1.2.3")]
    # An alias that leads to a reverse name: what the resolver says of it is about that address.
    owner = b"\x015\x011\x03168\x03192\x07in-addr\x04arpa\x00"
    alias = bytearray(an_answer((5, owner)))
    target = len(alias) - len(owner)
    alias += (0xC000 | target).to_bytes(2, "big") + struct.pack(">HHIH", 12, 1, 60, 1) + b"\0"
    alias[6:8] = b"\0\2"
    assert naming.addresses(bytes(alias)) == [ip_address("192.168.1.5")]


def test_names_without_an_end_and_answers_of_endless_names_are_no_answers() -> None:
    loop = bytearray(an_answer((16, b"")))
    loop[-12:-10] = (0xC000 | len(loop) - 12).to_bytes(2, "big")
    with pytest.raises(naming.BadMessage):
        naming.addresses(bytes(loop))
    with pytest.raises(naming.BadMessage):
        naming.addresses(an_answer(*[(16, b"")] * 5000))
