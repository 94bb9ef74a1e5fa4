"""What user code sees and may do: its own box and nothing else."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.integration.executor.conftest import NODE, PYTHON, Bench, descendants

pytestmark = pytest.mark.anyio

# Runs the Python text in the request body and answers its `result`.
EVAL = (
    "import json\n"
    "def main(context):\n"
    "    scope = {}\n"
    "    exec(context.req.body_text, scope)\n"
    "    return context.res.json(scope['result'])\n"
)


async def inside(bench: Bench, code: str) -> Any:
    outcome = await bench.run(bench.deploy(PYTHON, EVAL), body=code.encode())
    assert outcome.error_class is None, outcome.errors
    return json.loads(outcome.body)


async def test_proc_shows_only_the_sandbox(bench: Bench) -> None:
    code = "import os\nresult = sorted(int(n) for n in os.listdir('/proc') if n.isdigit())"
    assert await inside(bench, code) == [1, 2]


async def test_the_root_is_read_only_but_for_tmp(bench: Bench) -> None:
    code = (
        "import os\nresult = {}\n"
        "for folder in ['/', '/usr', '/usr/local', '/etc', '/dev', '/run', '/var',\n"
        "               '/usr/local/server/src/function', '/usr/local/server/runner', '/proc',\n"
        "               '/tmp', '/dev/shm']:\n"
        "    try:\n"
        "        open(folder + '/probe', 'w').close()\n"
        "        result[folder] = True\n"
        "    except OSError:\n        result[folder] = False\n"
    )
    writable = {
        folder for folder, is_writable in (await inside(bench, code)).items() if is_writable
    }
    assert writable == {"/tmp", "/dev/shm"}


async def test_no_file_of_the_host_can_be_seen(bench: Bench, tmp_path: Path) -> None:
    marker = secrets.token_hex(16)
    (tmp_path / marker).write_text("secret")
    tmp_path.chmod(0o755)
    code = (
        "import os\nresult = []\n"
        f"marker = {marker!r}\n"
        "for at, folders, files in os.walk('/'):\n"
        "    if at.startswith('/proc'):\n        folders.clear()\n        continue\n"
        "    result += [os.path.join(at, name) for name in files + folders if marker in name]\n"
        f"result.append(os.path.exists({str(tmp_path)!r}))\n"
        "result.append(sorted(os.listdir('/')))\n"
    )
    *found, sees_folder, top = await inside(bench, code)
    assert (found, sees_folder) == ([], False)
    assert set(top) <= {
        "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "tmp", "usr", "var",
    }  # fmt: skip


async def test_the_code_of_another_function_cannot_be_seen(bench: Bench) -> None:
    other = bench.deploy(NODE, "module.exports = ({ res }) => res.text('marker-of-the-other');")
    await bench.run(other)
    code = (
        "import os\nresult = {}\n"
        "for at, folders, files in os.walk('/usr/local/server'):\n"
        "    result[at] = sorted(files)\n"
        f"result['host'] = os.path.exists({other.artifact!r})\n"
    )
    seen = await inside(bench, code)
    assert seen["/usr/local/server/src/function"] == ["main.py"]
    assert seen["host"] is False


async def test_nothing_names_the_host(bench: Bench) -> None:
    code = (
        "import os, socket\n"
        "result = {'host': socket.gethostname(), 'user': os.getuid(), 'group': os.getgroups(),\n"
        "          'home': os.environ['HOME'], 'names': sorted(os.environ),\n"
        "          'mounts': open('/proc/self/mountinfo').read(),\n"
        "          'cgroup': open('/proc/self/cgroup').read()}\n"
    )
    seen = await inside(bench, code)
    assert (seen["host"], seen["user"], seen["home"]) == ("runwright", 1000, "/tmp")
    assert set(seen["group"]) <= {1000, 65534}
    assert not {name for name in seen["names"] if name.startswith(("PIP", "RUNWRIGHT", "AWS"))}
    assert "runwright-" not in seen["cgroup"]


async def test_no_right_is_left(bench: Bench) -> None:
    code = (
        "lines = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "result = {name: lines[name].strip() for name in\n"
        "          ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp']}\n"
    )
    seen = await inside(bench, code)
    assert {int(seen[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (seen["NoNewPrivs"], seen["Seccomp"]) == ("1", "2")


async def test_dangerous_system_calls_are_refused(bench: Bench) -> None:
    code = (
        "import ctypes, errno, os, socket\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def attempt(call, *args):\n"
        "    ctypes.set_errno(0)\n"
        "    done = getattr(libc, call)(*args)\n"
        "    return errno.errorcode.get(ctypes.get_errno(), 'OK') if done == -1 else 'OK'\n"
        "result = {\n"
        "    'unshare user': attempt('unshare', 0x10000000),\n"
        "    'mount': attempt('mount', b'none', b'/tmp', b'tmpfs', 0, None),\n"
        "    'ptrace': attempt('ptrace', 0, 0, 0, 0),\n"
        "    'setns': attempt('setns', 0, 0),\n"
        "    'chroot': attempt('chroot', b'/tmp'),\n"
        "    'bpf': attempt('syscall', 321 if os.uname().machine == 'x86_64' else 280, 0, 0, 0),\n"
        "}\n"
        "for name, args in {'raw': (2, 3, 1), 'packet': (17, 3, 0), 'vsock': (40, 1, 0)}.items():\n"
        "    try:\n        socket.socket(*args)\n        result[name] = 'OK'\n"
        "    except OSError as error:\n        result[name] = errno.errorcode[error.errno]\n"
    )
    seen = await inside(bench, code)
    assert set(seen.values()) <= {"EPERM", "EAFNOSUPPORT"}, seen


async def test_threads_and_subprocesses_work(bench: Bench) -> None:
    code = (
        "import subprocess, sys, threading\n"
        "out = []\n"
        "thread = threading.Thread(target=out.append, args=(1,))\n"
        "thread.start()\nthread.join()\n"
        "child = subprocess.run([sys.executable, '-I', '-c', 'print(2)'],\n"
        "                       capture_output=True, text=True)\n"
        "result = [*out, child.stdout.strip() + child.stderr]\n"
    )
    assert await inside(bench, code) == [1, "2"]


@pytest.mark.parametrize("runtime", [NODE, PYTHON])
async def test_no_descriptor_of_the_launcher_gets_inside(bench: Bench, runtime: str) -> None:
    source = {
        NODE: "const fs = require('fs');\n"
        "module.exports = ({ res }) => res.json(fs.readdirSync('/proc/self/fd').map((name) => {\n"
        "  try { return fs.readlinkSync('/proc/self/fd/' + name); } catch { return ''; } }));",
        PYTHON: "import os\ndef main(context):\n    links = []\n"
        "    for name in os.listdir('/proc/self/fd'):\n"
        "        if os.path.lexists('/proc/self/fd/' + name):\n"
        "            links.append(os.readlink('/proc/self/fd/' + name))\n"
        "    return context.res.json(links)\n",
    }[runtime]
    outcome = await bench.run(bench.deploy(runtime, source))
    links = json.loads(outcome.body)
    assert len({link for link in links if link.startswith("socket:")}) == 1  # its frames
    files = {link for link in links if link.startswith("/") and not link.startswith("/proc/")}
    assert files == {"/dev/null"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give sandboxes users of their own")
async def test_every_live_sandbox_has_a_host_user_of_its_own(bench: Bench) -> None:
    wait = "module.exports = ({ res }) => res.text(String(process.pid));"
    for _ in range(3):
        await bench.run(bench.deploy(NODE, wait))
    users = []
    for pid in descendants(bench.control.launcher_pid):
        status = dict(
            line.split(":", 1) for line in _read(Path(f"/proc/{pid}/status")).decode().splitlines()
        )
        if status.get("Name", "").strip() == "node":
            users.append(int(status["Uid"].split()[0]))
    assert len(users) >= 3
    assert len(users) == len(set(users))
    assert min(users) >= 65536


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
