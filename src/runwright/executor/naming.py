"""Questions to name servers and their answers, as bytes. Pure.

What a sandbox sends is read and written anew, so that nothing but one plain question ever
reaches the host's resolver. Of answers only the addresses are read, also those that stand in
reverse names (`4.3.2.1.in-addr.arpa`); they are handed on as a whole or not at all.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from runwright.model.addresses import Address
from runwright.values import dataclass

MOST_BYTES: Final = 4096  # of a question; real ones have less than 300
_HEAD: Final = struct.Struct(">HHHHHH")
_RECORD: Final = struct.Struct(">HHIH")
_RESPONSE, _RECURSION, _CHECKING, _AVAILABLE = 0x8000, 0x0100, 0x0010, 0x0080
_OPCODE: Final = 0x7800
_A, _AAAA, _OPT = 1, 28, 41
_TRANSFERS: Final = range(249, 255)  # of keys and zones: no questions for a sandbox
_INTERNET: Final = 1
_LARGEST_UDP: Final = 1232
_DNSSEC: Final = 0x8000
_LONGEST_NAME: Final = 255
_MOST_LABELS: Final = 8192  # of an answer's names, which may all point to one long one


class Code(IntEnum):
    MALFORMED = 1
    FAILED = 2
    REFUSED = 5


class BadMessage(ValueError):
    """Not a message that this server understands."""


@dataclass(frozen=True, slots=True)
class Question:
    id: int
    name: str  # lower case, without the last dot
    kind: int
    section: bytes  # as it was asked
    flags: int
    udp_bytes: int  # most that the asker takes; 0 = it did not say
    is_dnssec: bool

    def forwarded(self, number: int) -> bytes:
        """The question as the resolver gets it, under an id of ours."""
        kept = self.flags & (_RECURSION | _CHECKING)
        message = _HEAD.pack(number, kept, 1, 0, 0, int(bool(self.udp_bytes))) + self.section
        if self.udp_bytes:
            size = min(max(self.udp_bytes, 512), _LARGEST_UDP)
            message += b"\0" + _RECORD.pack(_OPT, size, _DNSSEC if self.is_dnssec else 0, 0)
        return message

    def answered(self, code: int = 0) -> bytes:
        """An answer without records: a refusal, or `there is none` for code 0."""
        flags = _RESPONSE | _AVAILABLE | (self.flags & _RECURSION) | code
        return _HEAD.pack(self.id, flags, 1, 0, 0, 0) + self.section

    def is_answered_by(self, message: bytes, number: int) -> bool:
        end = _HEAD.size + len(self.section)
        if len(message) < end:
            return False
        found, flags, questions, *_ = _HEAD.unpack_from(message)
        is_same = message[_HEAD.size : end].lower() == self.section.lower()
        return found == number and bool(flags & _RESPONSE) and questions == 1 and is_same

    def handed_on(self, message: bytes) -> bytes:
        """An answer under the id of the asker."""
        return self.id.to_bytes(2, "big") + message[2:]


def read_question(message: bytes) -> Question:
    """Raises BadMessage for everything but one ordinary question."""
    try:
        number, flags, questions, answers, authorities, more = _HEAD.unpack_from(message)
        if flags & (_RESPONSE | _OPCODE) or (questions, answers, authorities) != (1, 0, 0):
            raise BadMessage("not a question")
        labels, end = _labels(message, _HEAD.size)
        kind, network = struct.unpack_from(">HH", message, end)
        end += 4
        udp_bytes, is_dnssec = _extension(message, end) if more else (0, False)
    except (struct.error, IndexError) as exc:
        raise BadMessage("cut short") from exc
    if more > 1 or network != _INTERNET or kind in _TRANSFERS:
        raise BadMessage("not an ordinary question")
    name = b".".join(labels).decode("latin-1").lower()
    return Question(number, name, kind, message[_HEAD.size : end], flags, udp_bytes, is_dnssec)


def refusal(message: bytes, code: Code) -> bytes:
    """An answer to what could not be read."""
    return message[:2] + struct.pack(">HHHHH", _RESPONSE | _AVAILABLE | code, 0, 0, 0, 0)


def addresses(message: bytes) -> list[Address]:
    """Those of an answer: of all its sections, and in the names that it is about.

    Raises BadMessage.
    """
    found: list[Address] = []
    labels = 0
    try:
        _, _, questions, answers, authorities, more = _HEAD.unpack_from(message)
        at = _HEAD.size
        for _ in range(questions):
            at = _read_name(message, at)[1] + 4
        for number in range(answers + authorities + more):
            name, at = _read_name(message, at)
            labels += name.count(".") + 1
            if labels > _MOST_LABELS:
                raise BadMessage("too long")
            if number < answers:  # the others name zones
                found += reversed_addresses(name)
            kind, _, _, size = _RECORD.unpack_from(message, at)
            at += _RECORD.size
            value = message[at : at + size]
            at += size
            if kind == _A and size == 4:
                found.append(IPv4Address(value))
            elif kind == _AAAA and size == 16:
                found.append(IPv6Address(value))
            elif kind in (_A, _AAAA):
                raise BadMessage("an address of a strange size")
    except (struct.error, IndexError, ValueError) as exc:
        raise BadMessage("cut short") from exc
    if at > len(message):
        raise BadMessage("cut short")
    return found


def reversed_addresses(name: str) -> list[Address]:
    """The address, if any, that a reverse name is about: the first one for a whole range's."""
    for root, most, base in (("in-addr.arpa", 4, 10), ("ip6.arpa", 32, 16)):
        if not name.endswith(f".{root}"):
            continue
        labels = name.removesuffix(f".{root}").split(".")
        digits: list[int] = []
        for label in labels[: -most - 1 : -1]:
            if not _is_digit(label, base):
                break
            digits.append(int(label, base))
        if digits:
            digits += [0] * (most - len(digits))
            return [_address(digits)]
    return []


def _is_digit(label: str, base: int) -> bool:
    if base == 16:
        return len(label) == 1 and label in "0123456789abcdef"
    return label.isascii() and label.isdigit() and len(label) <= 3 and int(label) <= 255


def _address(digits: Sequence[int]) -> Address:
    if len(digits) == 4:
        return IPv4Address(bytes(digits))
    return IPv6Address(bytes.fromhex("".join(f"{digit:x}" for digit in digits)))


def _labels(message: bytes, at: int) -> tuple[list[bytes], int]:
    """A name without pointers: a question has nothing to point to."""
    labels, begin = [], at
    while size := message[at]:
        if size > 63 or at - begin > _LONGEST_NAME:
            raise BadMessage("not a name")
        labels.append(message[at + 1 : at + 1 + size])
        at += 1 + size
    return labels, at + 1


def _extension(message: bytes, at: int) -> tuple[int, bool]:
    """The asker's buffer, and whether it wants signatures; its options stay here."""
    kind, size, flags, _ = _RECORD.unpack_from(message, at + 1)
    if message[at] or kind != _OPT:
        raise BadMessage("an unknown addition")
    return max(size, 512), bool(flags & _DNSSEC)


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    """A name of an answer, lower case, and where what follows it begins."""
    labels: list[bytes] = []
    end = length = 0
    while size := message[at]:
        if size >= 0xC0:
            end = end or at + 2
            to = (size & 0x3F) << 8 | message[at + 1]
            if to >= at:
                raise BadMessage("a name that has no end")
            at = to
            continue
        length += 1 + size
        if size > 63 or length > _LONGEST_NAME:
            raise BadMessage("not a name")
        labels.append(message[at + 1 : at + 1 + size])
        at += 1 + size
    return b".".join(labels).decode("latin-1").lower(), end or at + 1
