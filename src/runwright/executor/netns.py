"""The network of one sandbox, seen from inside its network namespace.

The namespace has `lo` and nothing else. Sockets that are created in it stay in it, so the
forwarder, which runs in the host's namespace, accepts what the sandbox sends and connects
onward by its own rules (`egress.py`).

Transparent mode: every IPv4 address is made local to the namespace (an AnyIP route), and an
`sk_lookup` program hands each TCP connection that leaves 127.0.0.0/8 to one listener, which
learns the address meant from `getsockname`. The same listener takes the API endpoint and DNS
over TCP on 127.0.0.1. Proxy mode, where bpf is refused (no root): an HTTP proxy listener.
"""

import array
import ctypes
import os
import socket
import struct
from fcntl import ioctl
from functools import lru_cache
from typing import Final

from runwright.executor.egress import DNS_PORT
from runwright.executor.kernel import bpf
from runwright.values import dataclass

PROXY_PORT: Final = 3128
LISTENER_PORT: Final = 15001  # transparent listener; any free port of 127.0.0.1 would do
_BACKLOG: Final = 256

_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_LOOPBACK_INDEX: Final = 1

_RTM_NEWROUTE: Final = 24
_NLM_F_REQUEST_CREATE_ACK: Final = 0x1 | 0x400 | 0x4
_RT_TABLE_LOCAL: Final = 255
_RTPROT_BOOT: Final = 3
_RT_SCOPE_HOST: Final = 254
_RTN_LOCAL: Final = 2
_RTA_OIF: Final = 4

_BPF_MAP_CREATE: Final = 0
_BPF_MAP_UPDATE: Final = 2
_BPF_PROG_LOAD: Final = 5
_BPF_LINK_CREATE: Final = 28
_BPF_MAP_TYPE_SOCKMAP: Final = 15
_BPF_PROG_TYPE_SK_LOOKUP: Final = 30
_BPF_SK_LOOKUP: Final = 36
_HELPER_MAP_LOOKUP: Final = 1
_HELPER_SK_RELEASE: Final = 86
_HELPER_SK_ASSIGN: Final = 124


@dataclass(frozen=True, slots=True)
class Plumbing:
    """What the forwarder needs for one sandbox. The fds are the caller's to close."""

    is_transparent: bool
    fds: tuple[int, ...]  # listener, DNS over UDP, then link (transparent) or API, DNS over TCP


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = array.array("B", struct.pack("16sH14x", b"lo", 0))
        ioctl(probe, _SIOCGIFFLAGS, request, True)
        (flags,) = struct.unpack_from("H", request, 16)
        ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def make_every_address_local() -> None:
    """`ip route add local 0.0.0.0/0 dev lo table local`, spoken in netlink."""
    route = struct.pack(
        "=BBBBBBBBI",
        socket.AF_INET,
        0,
        0,
        0,
        _RT_TABLE_LOCAL,
        _RTPROT_BOOT,
        _RT_SCOPE_HOST,
        _RTN_LOCAL,
        0,
    )
    route += struct.pack("=HHI", 8, _RTA_OIF, _LOOPBACK_INDEX)
    header = struct.pack("=IHHII", 16 + len(route), _RTM_NEWROUTE, _NLM_F_REQUEST_CREATE_ACK, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(5.0)
        netlink.send(header + route)
        (error,) = struct.unpack_from("=i", netlink.recv(4096), 16)
    if error:
        raise OSError(-error, f"route: {os.strerror(-error)}")


def _instruction(code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    return struct.pack("=BBhi", code, dst | src << 4, off, imm)


@lru_cache(maxsize=4)  # one process makes many namespaces, and the map has mostly the same number
def steering_program(map_fd: int, *, local_ports: tuple[int, ...]) -> bytes:
    """sk_lookup: IPv4 TCP that leaves 127/8, or goes to `local_ports` of it, to the listener."""
    loopback_net, first_octet = struct.unpack("=ii", b"\x7f\0\0\0\xff\0\0\0")
    # A tuple is a jump: code, register, value, where to.
    # Offsets into struct bpf_sk_lookup: family 8, protocol 12, local_ip4 40, local_port 60.
    head: list[bytes | tuple[int, int, int, str]] = [
        _instruction(0xBF, 6, 1),  # r6 = ctx
        _instruction(0x61, 2, 6, 8),  # r2 = family
        (0x55, 2, int(socket.AF_INET), "leave"),
        _instruction(0x61, 2, 6, 12),  # r2 = protocol
        (0x55, 2, int(socket.IPPROTO_TCP), "leave"),
        _instruction(0x61, 2, 6, 40),  # r2 = local_ip4, network order
        _instruction(0xB4, 3, imm=first_octet),
        _instruction(0x5C, 2, 3),  # w2 &= w3
        (0x56, 2, loopback_net, "steer"),
        _instruction(0x61, 2, 6, 60),  # r2 = local_port, host order
        *[(0x15, 2, port, "steer") for port in local_ports],
        (0x05, 0, 0, "leave"),
    ]
    steer = [
        _instruction(0x62, 10, 0, -4, 0),  # key = 0
        _instruction(0xBF, 2, 10),
        _instruction(0x07, 2, imm=-4),
        _instruction(0x18, 1, 1, 0, map_fd),  # r1 = map
        _instruction(0x00),
        _instruction(0x85, imm=_HELPER_MAP_LOOKUP),
        _instruction(0x15, 0, 0, 8, 0),  # no listener: leave
        _instruction(0xBF, 7, 0),
        _instruction(0xBF, 1, 6),
        _instruction(0xBF, 2, 7),
        _instruction(0xB7, 3),
        _instruction(0x85, imm=_HELPER_SK_ASSIGN),
        _instruction(0xBF, 1, 7),
        _instruction(0x85, imm=_HELPER_SK_RELEASE),
        _instruction(0x05),  # to leave
    ]
    leave = [_instruction(0xB7, 0, imm=1), _instruction(0x95)]  # SK_PASS
    places = {"steer": len(head), "leave": len(head) + len(steer)}
    code = [
        step
        if isinstance(step, bytes)
        else _instruction(step[0], step[1], off=places[step[3]] - at - 1, imm=step[2])
        for at, step in enumerate(head)
    ]
    return b"".join([*code, *steer, *leave])


def _steer(listener: socket.socket, *, local_ports: tuple[int, ...]) -> int:
    """Attach the program to the present network namespace; the link's fd keeps it there."""
    map_fd = bpf(_BPF_MAP_CREATE, struct.pack("=IIIII", _BPF_MAP_TYPE_SOCKMAP, 4, 8, 1, 0))
    program_fd = -1
    try:
        key = ctypes.create_string_buffer(struct.pack("=I", 0), 4)
        value = ctypes.create_string_buffer(struct.pack("=Q", listener.fileno()), 8)
        bpf(
            _BPF_MAP_UPDATE,
            struct.pack("=IIQQQ", map_fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0),
        )
        code = ctypes.create_string_buffer(steering_program(map_fd, local_ports=local_ports))
        count = (len(code) - 1) // 8
        licence = ctypes.create_string_buffer(b"Dual BSD/GPL")
        program_fd = bpf(
            _BPF_PROG_LOAD,
            struct.pack(
                "=IIQQIIQII16sII",
                _BPF_PROG_TYPE_SK_LOOKUP,
                count,
                ctypes.addressof(code),
                ctypes.addressof(licence),
                0,
                0,
                0,
                0,
                0,
                b"runwright",
                0,
                _BPF_SK_LOOKUP,
            ),
        )
        namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            attributes = struct.pack("=IIII", program_fd, namespace, _BPF_SK_LOOKUP, 0)
            return bpf(_BPF_LINK_CREATE, attributes)
        finally:
            os.close(namespace)
    finally:
        os.close(map_fd)
        if program_fd >= 0:
            os.close(program_fd)


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(_BACKLOG)
    return listener


def prepare(api_port: int) -> Plumbing:
    """Fill the present, empty network namespace. Transparent where bpf is allowed."""
    loopback_up()
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    dns.bind(("127.0.0.1", DNS_PORT))
    try:
        make_every_address_local()
        listener = _listener(LISTENER_PORT)
        link = _steer(listener, local_ports=(api_port, DNS_PORT))
        return Plumbing(True, (listener.detach(), dns.detach(), link))
    except OSError:
        proxy = _listener(PROXY_PORT)
        api, dns_tcp = _listener(api_port), _listener(DNS_PORT)
        return Plumbing(False, (proxy.detach(), dns.detach(), api.detach(), dns_tcp.detach()))
