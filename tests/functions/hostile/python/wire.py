"""Speaking to the server past the runner, on the descriptor that the runner speaks on."""

import array
import os
import signal
import socket
import time

FRAMES = 3
OWN_ID = 0xFFFFFFFF  # in what the judge gave along: the id of the call itself
calls = 0  # every call of this process comes through here, so this is the id of the present one


def forge(box):
    """Frames of the judge's making, then an answer or silence."""
    for number, part in enumerate(box.told["frames"]):
        data = bytes.fromhex(part).replace(b"\xf0\xf1\xf2\xf3", calls.to_bytes(4, "little"))
        for _ in range(box.told.get("times", 1) if number == 0 else 1):
            put(data)
    if box.told.get("then") == "silence":
        time.sleep(60)


def put(data):
    while data:
        try:
            data = data[os.write(FRAMES, data) :]
        except BlockingIOError:
            time.sleep(0.001)


def close(box):
    os.close(FRAMES)
    time.sleep(60)


def push_descriptors(box):
    """Open files given to the server, which has not asked for them."""
    with socket.socket(fileno=os.dup(FRAMES)) as link:
        fds = array.array("i", [os.open("/dev/null", os.O_RDONLY) for _ in range(200)])
        taken = bytes.fromhex("050000001600000000")  # which the server ignores
        for _ in range(50):
            try:
                link.sendmsg([taken], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            except OSError as error:
                box.refused["send"] = str(error.errno)
                break
    for fd in fds:
        os.close(fd)


def take(box):
    """Read the frames that are for the runner, so that it never hears of a call."""
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        try:
            os.read(FRAMES, 65536)
        except BlockingIOError:
            time.sleep(0.01)


def silence(box):
    signal.alarm(0)
    time.sleep(60)
