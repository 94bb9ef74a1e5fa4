"""Looking for what belongs to others: files, memory, processes, descriptors."""

import ctypes
import glob
import os
import re
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys

MARKER = re.compile(rb"decoy-[0-9a-f]{40}")
HERE = os.path.dirname(os.path.abspath(__file__))
PLAIN = (".py", ".pyc", ".so", ".gz", ".pem")  # of libraries, too many to read
LARGEST = 1 << 20
SO_PEERCRED, SO_PEERPIDFD = 17, 77
PIDFD_GETFD, SETNS, SHMGET = 438, 308, 29
KEY = 0x5EED


def markers(box):
    """Every secret that can be read anywhere."""
    found = {}
    for path, data in everything():
        for hit in MARKER.findall(data):
            found.setdefault(hit.decode(), path)
    box.facts["found"] = found


def everything():
    for folder, inner, names in os.walk("/"):
        if folder == "/":
            inner.remove("proc")
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and (folder == HERE or not name.endswith(PLAIN)):
                yield path, contents(path)
    for pattern in ("environ", "cmdline", "fd/*", "mountinfo", "status", "task/*/environ"):
        for path in glob.glob(f"/proc/[0-9]*/{pattern}"):
            if os.path.isfile(path):
                yield path, contents(path)
    for variable in os.environ.values():
        yield "environment", variable.encode()
    yield from own_memory()


def contents(path):
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST)
    except OSError:
        return b""


def own_memory():
    """What the process that became this one may have had in mind."""
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps.read().splitlines():
            begin, end = (int(word, 16) for word in line.split()[0].split("-"))
            if "rw" in line and end - begin < 64 << 20 and "[v" not in line:
                try:
                    memory.seek(begin)
                    yield "memory", memory.read(end - begin)
                except OSError:
                    pass


def processes(box):
    """Others are neither seen nor hit, by whatever number they have outside."""
    own = os.getpid()
    box.facts["seen"] = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    for pid in box.told["pids"]:
        box.attempt(f"signal {pid}", lambda pid=pid: os.kill(pid, 0))
        box.attempt(f"group {pid}", lambda pid=pid: os.killpg(pid, 0))
        for name in ("environ", "mem", "maps", "root", "cwd", "fd", "cmdline"):
            path = f"/proc/{pid}/{name}"
            box.attempt(path, lambda path=path: os.stat(path))
    box.attempt("memory of init", lambda: open("/proc/1/mem", "rb", 0).read(1))
    box.attempt("environment of init", lambda: some(open("/proc/1/environ", "rb").read()))
    box.facts["init"] = links("/proc/1/fd")
    try:
        box.facts["is_same_root"] = os.stat("/proc/1/root").st_ino == os.stat("/").st_ino
    except PermissionError:
        box.facts["is_same_root"] = True  # none is shown
    box.facts["parent"] = os.getppid()
    box.facts["own"] = own


def descriptors(box):
    """Links of all that was open before user code came."""
    box.facts["links"] = links("/proc/self/fd")
    with socket.socket(fileno=os.dup(3)) as frames:
        pid, uid, _ = struct.unpack("iII", frames.getsockopt(socket.SOL_SOCKET, SO_PEERCRED, 12))
        box.facts["peer"] = [pid, uid]
        server = int.from_bytes(frames.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD, 4), "little")
        box.attempt("signal the peer", lambda: signal.pidfd_send_signal(server, 0))
        box.attempt("wait for the peer", lambda: os.waitid(os.P_PIDFD, server, os.WEXITED))
        box.attempt("take descriptors", lambda: called(PIDFD_GETFD, server, 3, 0))
        box.attempt("enter the peer", lambda: called(SETNS, server, 0x20000))
        box.attempt("connect it elsewhere", lambda: frames.connect("/tmp/other"))


def links(folder):
    found = []
    try:
        names = os.listdir(folder)
    except PermissionError:
        return found
    for name in names:
        try:
            found.append(os.readlink(f"{folder}/{name}"))
        except OSError:
            pass
    return found


def called(number, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(number, *args)
    if done == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return done


def own_files(box):
    """Neither the code nor the tools it runs on can be changed by the code."""
    runner = "/usr/local/server/runner"
    targets = [os.path.abspath(__file__), sys.executable, "/etc/passwd", "/etc/resolv.conf",
               "/etc/hosts", "/dev/null", os.path.join(runner, os.listdir(runner)[0])]  # fmt: skip
    for path in targets:
        if path != "/dev/null":
            box.attempt(f"write {path}", lambda path=path: open(path, "r+b"))
            box.attempt(f"truncate {path}", lambda path=path: os.truncate(path, 0))
        box.attempt(f"remove {path}", lambda path=path: os.unlink(path))
        box.attempt(f"move {path}", lambda path=path: os.rename(path, path + ".old"))
        box.attempt(f"mode {path}", lambda path=path: os.chmod(path, 0o4777))
        box.attempt(f"replace {path}", lambda path=path: os.replace(new_file(), path))
        box.attempt(f"times {path}", lambda path=path: os.utime(path, (0, 0)))
        box.attempt(f"mark {path}", lambda path=path: os.setxattr(path, "user.x", b"1"))
    for folder in ("/", HERE, runner, "/usr", "/etc", "/dev", "/usr/local/server", "/var", "/run"):
        box.attempt(f"new file in {folder}", lambda at=folder: open(f"{at}/new", "x"))
        box.attempt(f"new folder in {folder}", lambda at=folder: os.mkdir(f"{at}/new-folder"))
        box.attempt(f"link in {folder}", lambda at=folder: os.symlink("/tmp", f"{at}/new-link"))
        box.attempt(f"pipe in {folder}", lambda at=folder: os.mkfifo(f"{at}/new-pipe"))


def new_file():
    with open("/tmp/new-file", "w") as file:
        file.write("mine")
    return "/tmp/new-file"


STARTS = (
    "", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../../../../../..", "/../../../..",
    "/dev/fd/0/../../..", "/host", "/proc/self/root/host",
)  # fmt: skip


def host_paths(box):
    """Paths that exist outside, from wherever a path can begin."""
    for path in box.told["paths"]:
        for start in STARTS:
            box.attempt(start + path, lambda path=start + path: os.stat(path))
        box.attempt(f"link to {path}", lambda path=path: through_link(path))
        box.attempt(f"hard link to {path}", lambda path=path: os.link(path, "/tmp/hard"))
    with open("/proc/self/mountinfo") as file:
        sources = {line.split()[3] for line in file}
    box.facts["sources"] = sorted(sources)
    for descriptor in range(10):
        try:
            at = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
        except OSError as error:
            box.refused[f"above descriptor {descriptor}"] = str(error.errno)
        else:
            box.done[f"above descriptor {descriptor}"] = str(at)


def through_link(path):
    name = f"/tmp/link-{abs(hash(path))}"
    if not os.path.lexists(name):
        os.symlink(path, name)
    return os.listdir(name) if os.path.isdir(name) else open(name).read(10)


KERNEL_FILES = (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/modprobe", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/file-max",
    "/proc/sys/kernel/randomize_va_space", "/proc/sys/user/max_user_namespaces",
    "/proc/sysrq-trigger", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups",
    "/proc/self/projid_map", "/proc/irq/default_smp_affinity",
    "/proc/mtrr", "/proc/fs/xfs", "/proc/self/timens_offsets",
)  # fmt: skip
SECRET_FILES = (
    "/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/key-users", "/proc/timer_list",
    "/proc/sched_debug", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/pagetypeinfo",
    "/proc/kpageflags", "/proc/kpagecount", "/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse",
    "/dev/net/tun", "/dev/sda", "/dev/loop-control", "/dev/vhost-net", "/dev/ptmx", "/dev/tty",
    "/dev/console", "/etc/shadow", "/etc/ssh", "/root", "/home", "/var/run/docker.sock",
    "/run/docker.sock", "/run/containerd", "/sys/kernel", "/sys/fs/bpf", "/boot", "/mnt",
)  # fmt: skip


def kernel_files(box):
    for path in KERNEL_FILES:
        box.attempt(f"write {path}", lambda path=path: write(path))
    for path in SECRET_FILES:
        box.attempt(f"read {path}", lambda path=path: read(path))
    with open("/proc/kallsyms") as file:
        box.facts["symbols"] = file.readline().split()[:1]


def write(path):
    if os.stat(path).st_rdev == os.makedev(1, 3):
        raise ValueError("covered by /dev/null")
    with open(path, "r+b", 0) as file:
        return file.write(file.read(64) or b"1")


def read(path):
    if os.path.isdir(path):
        return os.listdir(path)
    with open(path, "rb", 0) as file:
        return some(file.read(1))


def some(data):
    """An empty file tells nothing."""
    if not data:
        raise ValueError("nothing in it")
    return data


def cgroups(box):
    """The old way out of containers: a release agent that the host runs."""
    for mount in ("/sys/fs/cgroup", "/tmp/cgroup"):
        box.attempt(f"folder {mount}", lambda at=mount: os.makedirs(f"{at}/memory/mine"))
        for name in ("release_agent", "cgroup.procs", "notify_on_release", "memory.max"):
            path = f"{mount}/{name}"
            box.attempt(f"write {path}", lambda path=path: write(path))
    box.refused.pop("folder /tmp/cgroup", None)
    box.done.pop("folder /tmp/cgroup", None)  # a folder in /tmp, and no control group
    with open("/proc/self/cgroup") as file:
        box.facts["groups"] = file.read()


def limits(box):
    """Limits come down and never go up; that of core files stays as it is."""
    for name in ("NOFILE", "NPROC", "MEMLOCK", "RTPRIO", "NICE"):
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            wanted = (hard + 1, hard + 1)
            box.attempt(f"raise {name}", lambda k=kind, w=wanted: resource.setrlimit(k, w))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    box.facts["core"] = resource.getrlimit(resource.RLIMIT_CORE)
    box.facts["files"] = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open("/proc/self/oom_score_adj") as file:
        own = int(file.read())
    box.attempt("survive others", lambda: open("/proc/self/oom_score_adj", "w", 1).write("-1000\n"))
    box.attempt(
        "survive a bit", lambda: open("/proc/self/oom_score_adj", "w", 1).write(f"{own - 1}\n")
    )
    box.attempt("choose a name space of time", lambda: write("/proc/self/timens_offsets"))


def spare_me(score):
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(score))


def set_user_id(box):
    """A program that would give rights to whoever starts it gives none."""
    copy = "/tmp/copy"
    with open("/proc/self/exe", "rb") as source, open(copy, "wb") as target:
        target.write(source.read())
    os.chmod(copy, 0o6755)
    box.facts["users"] = said(copy)
    box.facts["found"] = []
    for folder, _, names in os.walk("/usr"):
        for name in names:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and mode & 0o6000:
                is_ignored = bool(os.statvfs(path).f_flag & os.ST_NOSUID)
                box.facts["found"].append([path, is_ignored])
    box.attempt("caps on a file", lambda: os.setxattr(copy, "security.capability", bytes(20)))
    libc = ctypes.CDLL(None, use_errno=True)
    for label, option in {"keep caps": (8, 1), "no new privileges off": (38, 0),
                          "ambient": (47, 2, 21, 0, 0)}.items():  # fmt: skip
        if libc.prctl(*option) == 0 and label != "keep caps":
            box.done[label] = "0"
        else:
            box.refused[label] = str(ctypes.get_errno())
    with open("/proc/self/status") as file:
        box.facts["caps"] = [line for line in file.read().splitlines() if line.startswith("Cap")]


def said(program):
    code = "import os; print(os.getresuid(), os.getresgid())"
    environment = {"PYTHONHOME": sys.base_prefix}
    done = subprocess.run([program, "-S", "-c", code], capture_output=True, text=True,
                          env=environment, check=False)  # fmt: skip
    return done.stdout.strip() or done.stderr[-200:]


SHARED = ("/tmp", "/dev/shm", "/var/tmp", "/dev/mqueue", "/run", "/var/lock")


def places(who):
    """Where a function could leave something for another one."""
    port = 3555 if who == "node" else 3565
    return (
        (socket.AF_UNIX, f"\0note-{who}"),
        (socket.AF_UNIX, f"/tmp/socket-{who}"),
        (socket.AF_INET, ("127.0.0.1", port)),
        (socket.AF_INET, ("0.0.0.0", port + 1)),
    )


def leave(box):
    token, kept = box.told["token"], []
    for folder in SHARED:
        try:
            with open(f"{folder}/note-python", "w") as file:
                file.write(token)
        except OSError:
            pass
    libc = ctypes.CDLL(None, use_errno=True)
    piece = libc.shmget(KEY, 4096, 0o1666)
    if piece >= 0:
        libc.shmat.restype = ctypes.c_void_p
        address = libc.shmat(piece, None, 0)
        ctypes.memmove(address, token.encode(), len(token))
    for family, address in places("python"):
        try:
            listener = socket.socket(family)
            listener.bind(address)
            listener.listen()
            kept.append(listener)
        except OSError:
            pass
    globals()["kept"] = kept
    box.facts["left"] = len(kept)


def find(box):
    for folder in SHARED:
        box.attempt(f"note in {folder}", lambda at=folder: open(f"{at}/note-node").read())
    box.attempt("shared memory of the host", lambda: called(SHMGET, box.told["key"], 0, 0))
    host = ((socket.AF_UNIX, "\0" + box.told["abstract"]), (socket.AF_UNIX, box.told["socket"]))
    for family, address in (*places("node"), *host):
        box.attempt(f"connect {address!r}", lambda f=family, a=address: connect(f, a))
        box.attempt(f"send {address!r}", lambda f=family, a=address: send(f, a))


def connect(family, address):
    with socket.socket(family) as link:
        link.settimeout(2)
        link.connect(address)
        return "connected"


def send(family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        link.settimeout(2)
        link.connect(address)
        link.send(b"x")
        link.send(b"x")  # a refusal of the first is told by the second
        return "sent"


def all_signals(box):
    """To everybody there is; only the own sandbox hears it."""
    # By the library: Python lets only its main thread do that, and calls run in any.
    ctypes.CDLL(None).signal(int(signal.SIGUSR1), ctypes.c_void_p(1))
    box.attempt("signal everybody else", lambda: os.kill(-1, signal.SIGUSR1))
