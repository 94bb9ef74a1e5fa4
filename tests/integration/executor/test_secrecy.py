"""What user code can learn of the host it runs on: next to nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from runwright.executor.discovery import discover
from tests.integration.executor.conftest import NODE, PYTHON, Bench
from tests.integration.executor.test_isolation import inside

pytestmark = pytest.mark.anyio

# All of /proc that names files, of every process there is, and of nobody's.
_LOOK = """
import os, traceback
result = {}
def look(path):
    try:
        with open(path, 'rb') as file:
            result[path] = file.read(1 << 20).decode('utf-8', 'replace')
    except OSError:
        pass
for pid in [name for name in os.listdir('/proc') if name.isdigit()] + ['self']:
    for name in ['mountinfo', 'mounts', 'mountstats', 'maps', 'smaps', 'environ', 'cmdline',
                 'cgroup', 'status', 'stat', 'comm', 'net/unix', 'net/tcp']:
        look(f'/proc/{pid}/{name}')
    for name in ['exe', 'cwd', 'root']:
        try:
            result[f'/proc/{pid}/{name}'] = os.readlink(f'/proc/{pid}/{name}')
        except OSError:
            pass
    for folder in ['fd', 'map_files', 'ns']:
        try:
            for name in os.listdir(f'/proc/{pid}/{folder}'):
                result[f'{pid} {folder} {name}'] = os.readlink(f'/proc/{pid}/{folder}/{name}')
        except OSError:
            pass
for at, folders, files in os.walk('/proc'):
    if at == '/proc':
        folders[:] = [name for name in folders if not name.isdigit() and 'self' not in name]
    if at.startswith('/proc/sys/'):
        continue
    for name in files:
        look(os.path.join(at, name))
result['trace'] = ''.join(traceback.format_stack())
"""


def host_paths(bench: Bench) -> list[str]:
    """Where on this machine the data, the interpreters and our own code lie."""
    found = [
        str(bench.folder),
        str(bench.executor._config.data_dir),
        str(Path(__file__).parents[3]),
    ]
    found += [os.path.dirname(os.path.realpath(item.executable)) for item in discover(Path("/x"))]
    # An interpreter of the distribution lies where every machine has one.
    return [path for path in found if path not in ("/usr/bin", "/usr/local/bin")]


async def test_no_path_of_the_host_is_named_anywhere(bench: Bench) -> None:
    if "overlay" not in Path("/proc/filesystems").read_text():
        pytest.skip("without overlays a mount tells where its files lie")
    assert bench.control.hides_paths
    seen: dict[str, str] = await inside(bench, _LOOK)
    assert {"/proc/1/mountinfo", "/proc/self/maps", "trace"} <= seen.keys()
    named = {
        (path, where) for path in host_paths(bench) for where, text in seen.items() if path in text
    }
    assert named == set()


async def test_a_node_function_learns_no_path_of_the_host_either(bench: Bench) -> None:
    source = (
        "const fs = require('fs');\n"
        "module.exports = ({ res }) => res.json({\n"
        "  mounts: fs.readFileSync('/proc/self/mountinfo', 'utf8'),\n"
        "  maps: fs.readFileSync('/proc/self/maps', 'utf8'),\n"
        "  report: JSON.stringify(process.report.getReport()),\n"
        "  stack: new Error().stack, main: process.argv, exec: process.execPath });"
    )
    outcome = await bench.run(bench.deploy(NODE, source))
    assert outcome.error_class is None, outcome.errors
    for path in host_paths(bench):
        assert path not in outcome.body.decode()


async def test_errors_name_files_as_they_lie_inside(bench: Bench) -> None:
    """A stack trace is what a function's owner sees of the runner."""
    sources = {
        PYTHON: "def main(context):\n    raise ValueError('x')\n",
        NODE: "module.exports = () => { throw new Error('x'); };",
    }
    for runtime, source in sources.items():
        for text in (source, "this is no code ((("):
            outcome = await bench.run(bench.deploy(runtime, text))
            assert outcome.errors
            for path in host_paths(bench):
                assert path not in outcome.errors


async def test_proc_tells_of_the_sandbox_and_not_of_the_machine(bench: Bench) -> None:
    code = (
        "import os\n"
        "result = {}\n"
        "for at, folders, files in os.walk('/proc'):\n"
        "    if at == '/proc':\n"
        "        folders[:] = [n for n in folders if not n.isdigit() and n not in\n"
        "                      ('self', 'thread-self', 'sys', 'net', 'sysvipc')]\n"
        "    for name in files:\n"
        "        try:\n"
        "            with open(os.path.join(at, name), 'rb') as file:\n"
        "                result[os.path.join(at, name)] = len(file.read(4096))\n"
        "        except OSError:\n            pass\n"
    )
    seen: dict[str, int] = await inside(bench, code)
    telling = {path.removeprefix("/proc/") for path, size in seen.items() if size}
    # What programs read, what every user of a kernel knows, and what is the sandbox's own.
    assert telling <= {
        "cgroups", "cpuinfo", "filesystems", "loadavg", "meminfo", "mounts", "stat", "uptime",
        "version",
    }  # fmt: skip


_DUMPS = """
import socket, struct
result = {}
def dump(request, family, names):
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    link.settimeout(30)
    link.send(struct.pack('=IHHIIB3x', 20, request, 0x301, 1, 0, family))
    found = []
    while True:
        data = link.recv(1 << 16)
        while data:
            size, kind = struct.unpack_from('=IH', data)
            if kind == 3:
                return found
            if kind == 2:
                return [struct.unpack_from('=i', data, 16)[0]]
            body, data = data[16:size], data[(size + 3) & ~3:]
            found.append(struct.unpack_from(names, body)[0])
result['interfaces'] = dump(18, 0, '=4xi')
result['addresses'] = dump(22, 0, '=4xi')
result['neighbours'] = dump(30, 0, '=4xi')
"""


async def test_netlink_tells_of_one_interface_and_of_no_neighbour(bench: Bench) -> None:
    seen: dict[str, list[int]] = await inside(bench, _DUMPS)
    assert seen["interfaces"] == [1]
    assert set(seen["addresses"]) == {1}
    assert seen["neighbours"] == []


async def test_no_setting_of_the_kernel_can_be_written(bench: Bench) -> None:
    code = (
        "import os\nresult = {'written': [], 'sys': os.path.exists('/sys')}\n"
        "for at, folders, files in os.walk('/proc'):\n"
        "    if at == '/proc':\n"
        "        folders[:] = [n for n in folders if not n.isdigit() and 'self' not in n]\n"
        "    for name in files:\n"
        "        try:\n"
        "            with open(os.path.join(at, name), 'rb+', buffering=0) as file:\n"
        "                file.write(file.read(100) or b'0')\n"
        "        except OSError:\n            continue\n"
        "        result['written'].append(os.path.join(at, name))\n"
    )
    seen: dict[str, Any] = await inside(bench, code)
    # A cover is the null device: it may be written and keeps nothing.
    real = [path for path in seen["written"] if path.startswith(("/proc/sys/", "/proc/sysrq"))]
    assert [path for path in real if path != "/proc/sysrq-trigger"] == []
    assert seen["sys"] is False


@pytest.mark.parametrize(("memory_mib", "tmp_mib"), [(128, 64), (1024, 256)])
async def test_files_in_tmp_are_bounded_by_size_and_number(
    bench: Bench, memory_mib: int, tmp_mib: int
) -> None:
    source = """
import os
def main(context):
    sizes = {}
    for folder in ['/tmp', '/dev/shm']:
        found = os.statvfs(folder)
        sizes[folder] = (found.f_blocks * found.f_frsize, found.f_files)
    made = 0
    try:
        os.mkdir('/tmp/many')
        while made < 200_000:
            os.close(os.open(f'/tmp/many/{made}', os.O_CREAT))
            made += 1
    except OSError as error:
        return context.res.json({'sizes': sizes, 'made': made, 'error': error.errno})
    return context.res.json({'sizes': sizes, 'made': made})
"""
    outcome = await bench.run(bench.deploy(PYTHON, source, memory_mib=memory_mib), timeout_s=180)
    assert outcome.error_class is None, outcome.errors
    seen = json.loads(outcome.body)
    mib = 1024 * 1024
    assert seen["sizes"]["/tmp"] == [tmp_mib * mib, tmp_mib * mib // 4096]
    assert seen["sizes"]["/dev/shm"] == [tmp_mib * mib // 2, tmp_mib * mib // 8192]
    assert seen["error"] == 28
    assert seen["made"] < tmp_mib * mib // 4096


async def test_a_full_tmp_is_told_before_the_memory_limit_is_reached(bench: Bench) -> None:
    source = """
def main(context):
    full = []
    for folder in ['/tmp', '/dev/shm']:
        try:
            with open(folder + '/big', 'wb') as file:
                while True:
                    file.write(bytes(1 << 20))
        except OSError as error:
            full.append(error.errno)
    return context.res.json(full)
"""
    outcome = await bench.run(bench.deploy(PYTHON, source, memory_mib=256))
    assert (outcome.error_class, json.loads(outcome.body)) == (None, [28, 28])


async def test_every_sandbox_has_a_device_number_of_its_own(bench: Bench) -> None:
    """Files of two functions can never be the same file."""
    code = "import os\nresult = [os.stat('/tmp').st_dev, os.stat('/dev/shm').st_dev]"
    seen = [tuple(await inside(bench, code)) for _ in range(2)]
    assert len({number for pair in seen for number in pair}) == 4
