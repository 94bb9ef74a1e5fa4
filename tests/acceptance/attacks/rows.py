"""The attacks, one row each: what is tried, by whom, and what has to stop it.

Every row runs in each of its languages, against a server run by root and again by an ordinary
user. `python -m tests.acceptance.attacks.listing` writes the table of the design page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Kind(StrEnum):
    ESCAPE = "escape"  # out of the box, or more rights in it
    SECRECY = "secrecy"  # what belongs to others
    RESOURCE = "resource"  # what others need to run


NODE: Final = "node"
PYTHON: Final = "python"
BOTH: Final = (NODE, PYTHON)
NAME_CHARS: Final = 30  # of a row's name where rows stand below each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    kind: Kind
    case: str  # module and function of the hostile code
    tries: str
    stopped_by: str
    told: Mapping[str, Any] = field(default_factory=dict)
    languages: tuple[str, ...] = BOTH


def _calls(name: str, case: str, tries: str, stopped_by: str = "system call filter") -> Row:
    return Row(
        name=name,
        kind=Kind.ESCAPE,
        case="kernel/calls",
        told={"case": case},
        tries=tries,
        stopped_by=stopped_by,
    )


KERNEL: Final = (
    _calls("mounts", "mounts", "mount, remount, move and unmount trees; change the root"),
    _calls("namespaces", "namespaces", "make or enter namespaces of every kind"),
    _calls("tracing", "others", "trace processes, read and write their memory, take descriptors"),
    _calls("keyrings", "keys", "add, search and read keys of the kernel"),
    _calls("bpf", "bpf", "make maps and load programs of bpf"),
    _calls("perf", "perf", "count and sample events of other processes and of the machine"),
    _calls("io_uring", "io_uring", "open rings, which no filter sees into"),
    _calls("userfaultfd", "userfaultfd", "stop the kernel in the middle of a copy"),
    _calls("file handles", "handles", "open files by handle, past every path; watch mounts"),
    _calls("machine", "machine", "load a kernel, reboot, swap, ports, kernel log, quotas"),
    _calls("modules", "modules", "load and unload kernel modules"),
    _calls("clock", "clock", "set the machine's clock"),
    _calls("host name", "hostname", "rename the machine"),
    _calls("device nodes", "nodes", "make nodes of the machine's memory and disks"),
    _calls("other users", "identity", "become root or another user, take capabilities",
           "no capability, one user in the user namespace"),
    _calls("priority", "priority", "run before everybody else: nice, real-time, disk priority",
           "no capability"),
    _calls("memory placement", "numa", "move memory of others between nodes"),
    _calls("socket families", "sockets",
           "raw, packet, netlink, vsock, key, Bluetooth and other rare sockets"),
    _calls("personality", "personality", "switch off address randomization, run as 32-bit"),
    _calls("file watches", "watches",
           "learn when others open a shared file, hold them up: inotify, notices, leases"),
    _calls("huge pages", "huge pages", "memory from a pool of the machine's that no limit counts"),
    _calls("terminal", "terminal", "type into the terminal of whoever started the server"),
    Row(
        name="another ABI",
        kind=Kind.ESCAPE,
        case="kernel/another_abi",
        tries="make calls by their 32-bit and x32 numbers, which a filter may not know",
        stopped_by="system call filter",
    ),
)  # fmt: skip


def _prying(name: str, case: str, kind: Kind, tries: str, stopped_by: str) -> Row:
    return Row(name=name, kind=kind, case=f"prying/{case}", tries=tries, stopped_by=stopped_by)


PRYING: Final = (
    _prying("own code", "own_files", Kind.ESCAPE,
            "change its code, the runner, the interpreter or `/etc`: write, remove, move, mode",
            "read-only trees"),
    _prying("paths of the host", "host_paths", Kind.ESCAPE,
            "open the server's folders from every root, by `..`, links and descriptors",
            "a stage of its own as root"),
    _prying("kernel's files", "kernel_files", Kind.ESCAPE,
            "write `/proc/sys`, `sysrq`, uid maps; read kernel memory, its log, devices",
            "read-only `/proc/sys`, no capability, minimal `/dev`"),
    _prying("control groups", "cgroups", Kind.ESCAPE,
            "set a release agent, leave its groups", "no `/sys` in the tree"),
    _prying("limits", "limits", Kind.ESCAPE,
            "raise its own limits; be spared when memory runs out; have its crashes collected",
            "no capability, system call filter"),
    _prying("set-user-id", "set_user_id", Kind.ESCAPE,
            "gain rights by programs that give them", "`no_new_privs`, `nosuid`"),
    _prying("secrets", "markers", Kind.SECRECY,
            "find secrets of the server and of others in files, environments and its own memory",
            "stage, cleared environment, pre-started processes that never knew any"),
    _prying("processes", "processes", Kind.SECRECY,
            "see, read or signal processes of the server and of others", "process namespace"),
    _prying("descriptors", "descriptors", Kind.SECRECY,
            "use what its parents had open", "all descriptors but two are closed"),
    _prying("notes", "find", Kind.SECRECY,
            "find files, shared memory, sockets and ports that another function left",
            "private `/tmp`, ipc and network namespaces"),
    _prying("signal to all", "all_signals", Kind.ESCAPE,
            "signal every process there is", "process namespace"),
)  # fmt: skip


def _hunger(
    name: str,
    case: str,
    tries: str,
    stopped_by: str,
    *,
    languages: tuple[str, ...] = BOTH,
    is_long: bool = False,
) -> Row:
    told = {"for_s": 0.8} if is_long else {}
    return Row(
        name=name,
        kind=Kind.RESOURCE,
        case=f"hunger/{case}",
        told=told,
        tries=tries,
        stopped_by=stopped_by,
        languages=languages,
    )


HUNGER: Final = (
    _hunger("fork bomb", "fork_bomb", "processes that start processes", "number of processes"),
    _hunger("busy processors", "spin", "compute on every processor at once", "CPU quota",
            is_long=True),
    _hunger("heap", "heap", "objects without end", "memory limit"),
    _hunger("mapped memory", "maps", "pages and buffers without end", "memory limit"),
    _hunger("memory files", "memory_files", "files without a name in memory", "memory limit",
            languages=(PYTHON,)),
    _hunger("shared memory", "shared_memory", "System V memory that outlives processes",
            "memory limit, ipc namespace", languages=(PYTHON,)),
    _hunger("disk", "disk", "fill `/tmp` and `/dev/shm`", "size of both"),
    _hunger("inodes", "inodes", "files without end in `/tmp`", "memory limit", is_long=True),
    _hunger("deep folders", "deep_folders", "folders in folders, thousands deep",
            "private `/tmp`, gone with its namespace", languages=(PYTHON,)),
    _hunger("open files", "descriptors", "files and pipes without end", "number of open files"),
    _hunger("kernel buffers", "full_pipes", "pipes and sockets that nobody reads",
            "number of open files, memory limit", is_long=True),
    _hunger("socket buffers", "socket_buffers", "connections to itself that nobody reads",
            "memory limit, on v1 one of sockets", languages=(PYTHON,)),
    _hunger("kernel objects", "handles", "event descriptors, timers, polls",
            "number of open files, memory limit", languages=(PYTHON,)),
    _hunger("threads", "threads", "threads without end", "number of processes", is_long=True),
    _hunger("zombies", "zombies", "children that nobody waits for", "number of processes",
            is_long=True),
    _hunger("orphans", "orphans", "daemons in sessions of their own, deaf to signals",
            "process namespace: all end with its init"),
    _hunger("stopped", "stopped", "stop itself in the middle of a call", "deadline"),
    _hunger("deaf", "deaf", "ignore `TERM` and compute on", "deadline, `KILL`"),
    _hunger("own init", "kill_init", "kill the sandbox's init and every process",
            "only the sandbox ends"),
    _hunger("entropy", "entropy", "read random bytes without end, claim to add some", "CPU quota",
            is_long=True),
    _hunger("wake-ups", "sleepers", "timers without end", "CPU quota", is_long=True),
    _hunger("system calls", "system_calls", "cheap calls and page faults without end",
            "CPU quota", is_long=True),
    _hunger("log flood", "logs", "log without end", "the log keeps its tail, back-pressure",
            is_long=True),
    _hunger("output flood", "output", "print without end, past the logger", "only the tail is kept",
            is_long=True),
    _hunger("endless import", "endless", "never come to the end of loading", "deadline"),
)  # fmt: skip


def _wire(
    name: str,
    tries: str,
    stopped_by: str = "the sandbox is killed",
    *,
    case: str = "forge",
    kind: Kind = Kind.ESCAPE,
    languages: tuple[str, ...] = BOTH,
) -> Row:
    return Row(
        name=name,
        kind=kind,
        case=f"wire/{case}",
        tries=tries,
        stopped_by=stopped_by,
        languages=languages,
    )


WIRE: Final = (
    _wire("another's answer", "answer a call that is not its own"),
    _wire("another's log", "write lines into the log of another run"),
    _wire("frame sizes", "announce frames of 4 GiB, of less than a header, of nothing"),
    _wire("garbage", "send what is no frame"),
    _wire("frames of the server", "send frames that only the server may, and unknown ones"),
    _wire("parts out of order", "parts before their answer or beyond the window"),
    _wire("malformed answers", "statuses and headers that are none"),
    _wire("two answers", "answer one call twice", "the first counts, the sandbox is killed"),
    _wire("half a frame", "begin a frame and fall silent", "deadline"),
    _wire("closed socket", "close the frame socket in the middle of a call", case="close"),
    _wire("frame flood", "hundreds of thousands of tiny frames", "the reader rests",
          kind=Kind.RESOURCE),
    _wire("line flood", "as many tiny lines of log", "the reader rests", kind=Kind.RESOURCE),
    _wire("pushed descriptors", "give the server open files until it has no more",
          "the server takes none", case="push_descriptors", kind=Kind.RESOURCE,
          languages=(PYTHON,)),
)  # fmt: skip


def _gateway(name: str, kind: Kind, tries: str, stopped_by: str) -> Row:
    return Row(name=name, kind=kind, case="answers", tries=tries, stopped_by=stopped_by)


GATEWAY: Final = (
    _gateway("response splitting", Kind.ESCAPE,
             "line ends in names and values of headers, lies about length and coding",
             "checks of the runner and of the gateway"),
    _gateway("response splitting by frame", Kind.ESCAPE,
             "the same past the runner, with bodies where none may be", "the gateway"),
    _gateway("request smuggling", Kind.ESCAPE,
             "requests whose end can be read in two ways", "refused, connection closed"),
    _gateway("spoofed headers", Kind.ESCAPE,
             "headers in the platform's name, in every spelling", "dropped by the gateway"),
    _gateway("endless answer", Kind.RESOURCE, "stream for ever, to readers and to nobody",
             "window per answer, deadline"),
    _gateway("slow answer", Kind.RESOURCE, "a byte now and then for ever", "deadline"),
    _gateway("oversize answer", Kind.RESOURCE, "more than an answer may hold", "size bound"),
)  # fmt: skip


def _network(name: str, kind: Kind, case: str, tries: str, stopped_by: str) -> Row:
    return Row(name=name, kind=kind, case=f"links/{case}", tries=tries, stopped_by=stopped_by)


NETWORK: Final = (
    _network("loopback of the host", Kind.SECRECY, "reach",
             "services that listen on the host's loopback, TCP and UDP", "a loopback of its own"),
    _network("addresses of the host", Kind.SECRECY, "reach", "the same on its other addresses",
             "the forwarder"),
    _network("private networks", Kind.SECRECY, "reach", "services in private networks",
             "the forwarder"),
    _network("metadata", Kind.SECRECY, "reach", "metadata services of clouds", "the forwarder"),
    _network("IPv6", Kind.SECRECY, "reach", "private, metadata and public addresses of IPv6",
             "IPv6 does not leave"),
    _network("name server", Kind.RESOURCE, "names",
             "thousands of questions, most of them malformed", "bounds of the forwarder"),
    _network("connections", Kind.RESOURCE, "many", "hundreds of connections to nowhere",
             "bounds of the forwarder"),
)  # fmt: skip


def _archive(name: str, kind: Kind, tries: str, stopped_by: str = "the unpacker") -> Row:
    return Row(name=name, kind=kind, case="archive", tries=tries, stopped_by=stopped_by,
               languages=("any",))  # fmt: skip


ARCHIVES: Final = (
    _archive("absolute paths", Kind.ESCAPE, "an archive with files of the host"),
    _archive("paths upwards", Kind.ESCAPE, "an archive with `..` in its paths"),
    _archive("written through links", Kind.ESCAPE, "a link out, then a file behind it"),
    _archive("hard links", Kind.ESCAPE, "hard links to files of the host"),
    _archive("devices and pipes", Kind.ESCAPE, "device nodes and pipes in an archive"),
    _archive("compression bomb", Kind.RESOURCE, "an archive that unpacks to far more",
             "bytes are counted as they come out"),
    _archive("broken archives", Kind.RESOURCE, "names without end, deep folders, what is no tar"),
)  # fmt: skip
BUILDS: Final = (
    _archive("build: prying", Kind.SECRECY, "a build that looks for secrets and processes",
             "stage, namespaces, allow-list of variables"),
    _archive("build: breaking out", Kind.ESCAPE, "mounts, namespaces, nodes, system folders",
             "system call filter, read-only trees"),
    _archive("build: daemons", Kind.ESCAPE, "processes that outlive the build",
             "process namespace"),
    _archive("build: links out", Kind.SECRECY, "links in its output to files of the host",
             "links are checked, the host is not there"),
    _archive("build: processes", Kind.RESOURCE, "thousands of processes", "number of processes"),
    _archive("build: disk", Kind.RESOURCE, "output without end", "disk bound of a build"),
    _archive("build: empty files", Kind.RESOURCE, "all inodes of the disk",
             "disk bound of a build"),
)  # fmt: skip

ROWS: Final = (*KERNEL, *PRYING, *HUNGER, *WIRE, *GATEWAY, *NETWORK, *ARCHIVES, *BUILDS)
