"""Reaching machines and services that are not a function's business."""

import socket
import struct
import threading

PATIENCE_S = 2
REQUEST = b"GET /latest/meta-data/ HTTP/1.0\r\n\r\n"
QUESTION = bytes.fromhex("abcd01000001000000000000") + b"\5decoy\4test\0\0\1\0\1"


def reach(box):
    """All at once, for most of them only fall silent."""
    group = [
        threading.Thread(target=one, args=(box, kind, host, port))
        for host, port in box.told["places"]
        for kind in ("tcp", "udp")
    ]
    for thread in group:
        thread.start()
    for thread in group:
        thread.join()


def one(box, kind, host, port):
    box.attempt(f"{kind} {host} {port}", lambda: tried(kind, host, port))


def tried(kind, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as link:
        link.settimeout(PATIENCE_S)
        link.connect((host, port))
        link.sendall(REQUEST if kind == socket.SOCK_STREAM else QUESTION)
        heard = link.recv(1024)
        if not heard:
            raise OSError(104, "closed without a word")
        return heard


def names(box):
    """Questions that shall confuse whoever passes them on."""
    questions = [
        b"",
        b"\0" * 12,
        b"\xff" * 512,
        QUESTION[:-3],
        QUESTION * 50,
        QUESTION[:2] + b"\x80" + QUESTION[3:],
        QUESTION[:4] + b"\xff\xff" + QUESTION[6:],
        QUESTION[:12] + b"\xc0\x0c\0\1\0\1",
        QUESTION[:12] + b"\x3f" * 300,
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.setblocking(False)
        for number in range(2000):
            data = questions[number % len(questions)]
            try:
                link.sendto(data, ("127.0.0.1", 53))
            except OSError:
                pass
    for data in (b"", b"\xff\xff", struct.pack(">H", 3) + b"abc", struct.pack(">H", 65535)):
        try:
            with socket.create_connection(("127.0.0.1", 53), PATIENCE_S) as link:
                link.sendall(data)
        except OSError:
            pass


def many(box):
    """Connections to nowhere, more than anybody may have."""
    links = []
    for number in range(600):
        link = socket.socket()
        link.setblocking(False)
        links.append(link)
        try:
            link.connect((box.told["host"], 1 + number))
        except OSError:
            pass
    for link in links:
        link.close()
