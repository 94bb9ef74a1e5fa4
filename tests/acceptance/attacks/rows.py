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
            "raise its own limits; be spared when memory runs out", "no capability"),
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

ROWS: Final = (*KERNEL, *PRYING)
