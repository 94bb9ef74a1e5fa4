"""Taking what others need: processes, memory, disk, time, the server's attention."""

import ctypes
import mmap
import os
import signal
import socket
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_NAME = 15
MIB = 1 << 20
KEPT = []  # what is held on to
LONG_S = 60


def mark(box):
    """Whoever looks from outside knows the processes of this function by name."""
    LIBC.prctl(PR_SET_NAME, b"evil", 0, 0, 0)
    return box


def until_refused(box, label, action, most=1_000_000):
    """Do something again and again; how often it went well and what ended it."""
    count = 0
    try:
        while count < most:
            action(count)
            count += 1
    except OSError as error:
        box.facts[label] = [count, os.strerror(error.errno)]
        box.refused[label] = str(error.errno)
    except (MemoryError, RuntimeError) as error:
        box.facts[label] = [count, str(error)]
        box.refused[label] = type(error).__name__
    else:
        box.done[label] = str(count)


def leave(box):
    os._exit(3)


def fork_bomb(box):
    mark(box)
    while True:
        try:
            os.fork()
        except OSError:
            pass


def spin(box):
    """On every processor there is."""
    mark(box)
    began = time.monotonic()
    before = sum(os.times()[:4])  # earlier calls have had their share
    pids = []
    for _ in range(8):
        pid = os.fork()
        if pid == 0:
            while True:
                pass
        pids.append(pid)
    while time.monotonic() - began < box.told["for_s"]:
        pass
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    box.facts["cpus"] = (sum(os.times()[:4]) - before) / (time.monotonic() - began)


def heap(box):
    mark(box)
    while True:
        KEPT.append(b"x" * (8 * MIB))


def maps(box):
    mark(box)
    while True:
        piece = mmap.mmap(-1, 16 * MIB)
        piece[0 :: mmap.PAGESIZE] = b"x" * (len(piece) // mmap.PAGESIZE)
        KEPT.append(piece)


def memory_files(box):
    mark(box)

    def fill(count):
        fd = os.memfd_create("evil")
        os.posix_fallocate(fd, 0, 8 * MIB)
        os.pwrite(fd, b"x" * 8 * MIB, 0)
        KEPT.append(fd)

    until_refused(box, "memory files", fill, 100)


def shared_memory(box):
    """Pieces of System V stay without a process; their namespace must end."""
    mark(box)
    LIBC.shmat.restype = ctypes.c_void_p

    def piece(count):
        made = LIBC.shmget(0x1000 + count, 4 * MIB, 0o1600)
        if made < 0:
            raise OSError(ctypes.get_errno(), "refused")
        ctypes.memset(LIBC.shmat(made, None, 0), 1, 4 * MIB)

    until_refused(box, "pieces", piece, 1000)


def disk(box):
    mark(box)
    for folder in ("/dev/shm", "/tmp"):
        with open(f"{folder}/fill", "wb", 0) as file:
            until_refused(box, folder, lambda count, file=file: file.write(b"x" * MIB), 4096)
        os.unlink(f"{folder}/fill")


def inodes(box):
    """As many files as the time allows; then folders as deep as it allows."""
    mark(box)
    end = time.monotonic() + box.told["for_s"]
    count = 0
    os.makedirs("/tmp/many", exist_ok=True)
    try:
        while time.monotonic() < end:
            os.close(os.open(f"/tmp/many/{count}", os.O_CREAT, 0o600))
            count += 1
    except OSError as error:
        box.refused["files"] = str(error.errno)
    box.facts["files"] = count


def deep_folders(box):
    mark(box)
    os.makedirs("/tmp/deep", exist_ok=True)
    at = os.open("/tmp/deep", os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def descriptors(box):
    mark(box)
    until_refused(box, "files", lambda count: KEPT.append(os.open("/dev/null", os.O_RDONLY)))
    for fd in KEPT:
        os.close(fd)
    KEPT.clear()
    until_refused(box, "pipes", lambda count: KEPT.extend(os.pipe()))
    for fd in KEPT[:8]:
        os.close(fd)


def full_pipes(box):
    """Memory of the kernel's: buffers of pipes and sockets that nobody reads."""
    mark(box)

    def fill(count):
        reader, writer = os.pipe()
        KEPT.append(reader)
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, b"x" * 65536)
        except BlockingIOError:
            pass
        one, other = socket.socketpair()
        KEPT.extend((one, other))
        one.setblocking(False)
        try:
            while True:
                one.send(b"x" * 65536)
        except BlockingIOError:
            pass

    until_refused(box, "buffers", fill)


def socket_buffers(box):
    """Both ends are its own, and no byte is ever read: the kernel keeps what fits."""
    mark(box)
    sent = 0
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for _ in range(100):
            one = socket.create_connection(listening.getsockname())
            KEPT.extend((one, listening.accept()[0]))
            for end in KEPT[-2:]:
                end.setblocking(False)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 28)
                try:
                    while True:
                        sent += end.send(bytes(MIB))
                except BlockingIOError:
                    pass
    box.facts["socket MiB"] = sent / MIB


def handles(box):
    """Small things of the kernel's: event descriptors, timers, polls."""
    mark(box)
    makers = {"eventfd": lambda: LIBC.eventfd(0, 0),
              "epoll": lambda: LIBC.epoll_create(1), "timerfd": lambda: LIBC.timerfd_create(1, 0),
              "signalfd": lambda: LIBC.signalfd(-1, bytes(128), 0)}  # fmt: skip
    for name, make in makers.items():
        made = []

        def again(count, make=make, made=made):
            fd = make()
            if fd < 0:
                raise OSError(ctypes.get_errno(), "refused")
            made.append(fd)

        until_refused(box, name, again, 100_000)
        for fd in made:
            os.close(fd)


def threads(box):
    mark(box)
    stop = threading.Event()

    def start(count):
        threading.Thread(target=stop.wait, daemon=True).start()

    until_refused(box, "threads", start, 100_000)
    stop.set()


def zombies(box):
    mark(box)

    def child(count):
        if os.fork() == 0:
            os._exit(0)

    until_refused(box, "zombies", child, 100_000)


def orphans(box):
    """Daemons in sessions of their own, deaf to everything that can be ignored."""
    mark(box)

    def daemon(count):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in range(1, 65):
                    try:
                        signal.signal(number, signal.SIG_IGN)
                    except (OSError, ValueError):
                        pass
                time.sleep(LONG_S)
            os._exit(0)
        os.wait()

    for count in range(30):
        daemon(count)


def stopped(box):
    mark(box)
    os.kill(os.getpid(), signal.SIGSTOP)


def deaf(box):
    """Ignores what it is asked to end by, in the middle of a call."""
    mark(box)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        LIBC.signal(int(number), ctypes.c_void_p(1))
    while True:
        pass


def kill_init(box):
    mark(box)
    for pid in (1, os.getppid(), -1, 0):
        for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
            try:
                os.kill(pid, number)
            except OSError:
                pass


def entropy(box):
    mark(box)
    end = time.monotonic() + box.told["for_s"]
    with open("/dev/random", "rb", 0) as source:
        while time.monotonic() < end:
            source.read(MIB)
            os.getrandom(65536)
    box.attempt("add to it", lambda: open("/dev/random", "wb", 0).write(b"x"))
    box.done.pop("add to it", None)  # anybody may stir; nobody may claim that it counts
    with open("/dev/random", "rb") as source:
        box.facts["claim"] = LIBC.ioctl(source.fileno(), 0x40045201, ctypes.byref(ctypes.c_int(9)))


def sleepers(box):
    """Ten thousand timers a second in many threads: interrupts instead of work."""
    mark(box)
    end = time.monotonic() + box.told["for_s"]

    def wake():
        while time.monotonic() < end:
            time.sleep(1e-5)

    group = [threading.Thread(target=wake) for _ in range(50)]
    for thread in group:
        thread.start()
    for thread in group:
        thread.join()


def logs(box):
    mark(box)
    line = "x" * 7999
    end = time.monotonic() + box.told["for_s"]
    while time.monotonic() < end:
        box.context.log(line)
        box.context.error(line)


def output(box):
    mark(box)
    end = time.monotonic() + box.told["for_s"]
    while time.monotonic() < end:
        os.write(1, b"y" * 65536)
        os.write(2, b"\n" * 65536)


def system_calls(box):
    """Cheap calls without end, and pages given back and taken again."""
    mark(box)
    end = time.monotonic() + box.told["for_s"]
    piece = mmap.mmap(-1, 8 * MIB)
    while time.monotonic() < end:
        for _ in range(200):
            os.getppid()
            os.stat("/")
        piece.madvise(mmap.MADV_DONTNEED)
        piece[0 :: mmap.PAGESIZE] = b"z" * (len(piece) // mmap.PAGESIZE)


def big_answer(box):
    return box.context.res.text("x" * (box.told["mib"] * MIB))
