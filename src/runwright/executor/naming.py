"""Questions to name servers and their answers, as bytes. Pure.

What a sandbox sends is read and written anew, so that nothing but one plain question ever
reaches the host's resolver. Of answers only the addresses are read; they are handed on as a
whole or not at all.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from runwright.model.addresses import Address

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
    """Those of an answer. Raises BadMessage."""
    found: list[Address] = []
    try:
        _, _, questions, answers, _, _ = _HEAD.unpack_from(message)
        at = _HEAD.size
        for _ in range(questions):
            at = _skip_name(message, at) + 4
        for _ in range(answers):
            at = _skip_name(message, at)
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


def _skip_name(message: bytes, at: int) -> int:
    while size := message[at]:
        if size >= 0xC0:
            return at + 2
        at += 1 + size
    return at + 1
