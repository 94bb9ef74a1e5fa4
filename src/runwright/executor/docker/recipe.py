"""What a container shall be: the JSON that Docker makes it from; pure.

The rights are the least that the images' own programs need: no capability, none to be gained,
no network of Docker's, a read-only root with private folders in memory where v5 writes. A build
writes everywhere, so its root is writable, and it may change owners and modes of its own files,
which package tools do.

`GATE` is a file whose appearance lets the container's program begin: before it, the server has
opened the network and the log folder. Variables of the function hold for the waiting shell too:
`-p` keeps it from running what BASH_ENV names, but not the loader from what LD_PRELOAD names. So
user code may run inside before the gate opens, and what it does there may fail the start.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from runwright.values import dataclass

LOGS_DIR: Final = "/mnt/logs"
GATE: Final = ".begin"
PORT: Final = 3000
_MIB: Final = 1024 * 1024
_SERVER_DIR: Final = "/usr/local/server"
_CODE_DIR: Final = "/mnt/code"
_OUTPUT_DIR: Final = "/mnt/output"
_LOGS_MIB: Final = 16
_GATE_STEPS: Final = 3000  # of 20 ms
_WAIT: Final = (
    f'n=0; until [ -e {LOGS_DIR}/{GATE} ]; do n=$((n+1)); [ "$n" -lt {_GATE_STEPS} ] || exit 125; '
    "sleep 0.02; done; "
)
_START: Final = "exec bash helpers/start.sh 'bash helpers/server.sh'"
_BUILD: Final = 'exec bash helpers/build.sh "$0"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    memory_mib: int
    cpus: float
    pids: int = 256
    open_files: int = 1024
    tmp_mib: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What every container of one kind has in common."""

    image: str
    labels: Mapping[str, str]
    env: Mapping[str, str]
    size: Size
    user: str = ""  # "uid:gid"; "" = the image's own
    resolv_conf: str = ""  # a file of the host to put there; "" = Docker's
    extra: Mapping[str, object] = field(default_factory=dict)


def run_recipe(shape: Shape, *, artifact: str, code_mib: int) -> dict[str, object]:
    """A runtime server for the archive in `artifact`, which unpacks to about `code_mib`."""
    code = f"rw,exec,nosuid,nodev,mode=755,size={code_mib * 2 + 64}m"
    if shape.user:
        code += ",uid={},gid={}".format(*shape.user.split(":"))
    # The unpacked code lies in memory; the function's own limit is not to pay for it. But its
    # archive may be of any size, and more than as much again is not for the asking.
    return _recipe(
        shape,
        command=["bash", "-p", "-c", _WAIT + _START],
        memory_mib=shape.size.memory_mib + min(code_mib, shape.size.memory_mib),
        binds={_CODE_DIR: (artifact, True)},
        folders={f"{_SERVER_DIR}/src/function": code, "/mnt/telemetry": _tmpfs(1)},
        is_read_only=True,
        capabilities=(),
    )


def build_recipe(
    shape: Shape, *, source: str, output: str, cache: str, commands: str
) -> dict[str, object]:
    return _recipe(
        shape,
        command=["bash", "-p", "-c", _WAIT + _BUILD, commands],
        memory_mib=shape.size.memory_mib,
        binds={
            _CODE_DIR: (source, True),
            _OUTPUT_DIR: (output, False),
            "/usr/local/cache/build": (cache, False),
        },
        folders={},
        is_read_only=False,
        capabilities=("CHOWN", "DAC_OVERRIDE", "FOWNER"),
        env={
            "OPEN_RUNTIMES_BUILD_INPUT_DIR": _CODE_DIR,
            "OPEN_RUNTIMES_BUILD_OUTPUT_DIR": _OUTPUT_DIR,
            "OPEN_RUNTIMES_BUILD_COMPRESSION": "none",
            "CI": "true",
        },
    )


def _recipe(
    shape: Shape,
    *,
    command: list[str],
    memory_mib: int,
    binds: Mapping[str, tuple[str, bool]],
    folders: Mapping[str, str],
    is_read_only: bool,
    capabilities: tuple[str, ...],
    env: Mapping[str, str] | None = None,
) -> dict[str, object]:
    size = shape.size
    if shape.resolv_conf:
        binds = {**binds, "/etc/resolv.conf": (shape.resolv_conf, True)}
    memory = memory_mib * _MIB
    return {
        "Image": shape.image,
        "Entrypoint": [],
        "Cmd": command,
        "WorkingDir": _SERVER_DIR,
        "Env": [f"{name}={value}" for name, value in {**shape.env, **(env or {})}.items()],
        "Labels": dict(shape.labels),
        "User": shape.user,
        "NetworkDisabled": False,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": "none",
            "ReadonlyRootfs": is_read_only,
            "CapDrop": ["ALL"],
            "CapAdd": list(capabilities),
            "SecurityOpt": ["no-new-privileges:true"],
            "IpcMode": "private",
            "Memory": memory,
            "MemorySwap": memory,  # the sum of both: no swap
            "NanoCpus": int(size.cpus * 1e9),
            "PidsLimit": size.pids,
            "Ulimits": [
                {"Name": "nofile", "Soft": size.open_files, "Hard": size.open_files},
                {"Name": "core", "Soft": 0, "Hard": 0},
            ],
            "ShmSize": min(size.tmp_mib, 64) * _MIB,
            "Tmpfs": {"/tmp": _tmpfs(size.tmp_mib), LOGS_DIR: _tmpfs(_LOGS_MIB), **folders},
            "Mounts": [
                {
                    "Type": "bind",
                    "Source": source,
                    "Target": target,
                    "ReadOnly": is_fixed,
                    "BindOptions": {"Propagation": "rprivate"},
                }
                for target, (source, is_fixed) in binds.items()
            ],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "4m", "max-file": "2"}},
            "RestartPolicy": {"Name": "no"},
        },
    }


def _tmpfs(mib: int) -> str:
    return f"rw,exec,nosuid,nodev,mode=1777,size={mib}m"
