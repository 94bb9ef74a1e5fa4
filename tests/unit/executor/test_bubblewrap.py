from dataclasses import replace

import pytest

from runwright.executor.bubblewrap import Box, arguments


def pairs(args: list[str], name: str) -> list[list[str]]:
    """The two words after each `name`."""
    return [args[at + 1 : at + 3] for at, word in enumerate(args) if word == name]


BOX = Box(
    root="/roots/node-22",
    devices="/devices",
    argv=["/usr/local/bin/node", "runner.cjs"],
    env={"PATH": "/usr/local/bin", "NAME": "a b\nc"},
    tmp_mib=2,
)


def test_every_namespace_but_the_network_is_new() -> None:
    args = arguments(BOX, seccomp_fd=4, status_fd=5)
    for name in ("user", "pid", "ipc", "uts"):
        assert f"--unshare-{name}" in args
    assert "--unshare-cgroup-try" in args
    assert not [word for word in args if "net" in word]  # made before, see the module


def test_nothing_is_kept_from_the_server() -> None:
    args = arguments(BOX, seccomp_fd=4, status_fd=5)
    assert "--clearenv" in args
    assert args.index("--clearenv") < args.index("--setenv")
    assert pairs(args, "--setenv") == [["PATH", "/usr/local/bin"], ["NAME", "a b\nc"]]
    assert pairs(args, "--cap-drop")[0][0] == "ALL"
    assert {"--die-with-parent", "--new-session"} <= set(args)


def test_the_root_and_the_devices_are_read_only() -> None:
    args = arguments(BOX, seccomp_fd=4, status_fd=5)
    assert pairs(args, "--ro-bind") == [["/roots/node-22", "/"]]
    assert not pairs(args, "--bind")
    assert pairs(args, "--dev-bind") == [["/devices", "/dev"]]
    assert pairs(args, "--remount-ro")[0][0] == "/dev"


def test_what_can_be_written_has_a_size() -> None:
    args = arguments(BOX, seccomp_fd=4, status_fd=5)
    places = [args[at + 1] for at, word in enumerate(args) if word == "--tmpfs"]
    sizes = [args[at - 1] for at, word in enumerate(args) if word == "--tmpfs"]
    assert sorted(places) == ["/dev/shm", "/tmp"]
    assert set(sizes) == {str(2 * 1024 * 1024)}


def test_the_filter_and_the_status_have_their_descriptors() -> None:
    args = arguments(BOX, seccomp_fd=4, status_fd=5)
    assert pairs(args, "--seccomp")[0][0] == "4"
    assert pairs(args, "--json-status-fd")[0][0] == "5"


@pytest.mark.parametrize("env", [{"A": "x\0--share-net"}, {"A\0--share-net": "x"}])
def test_a_variable_cannot_add_an_option(env: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="null character"):
        arguments(replace(BOX, env=env), seccomp_fd=4, status_fd=5)
