"""What the doctor says of limits, by what the machine lets the server limit."""

from runwright.executor.checks import limits_found

ALL = ("memory", "cpu", "pids")


def test_nothing_is_said_where_every_controller_can_be_used() -> None:
    assert limits_found(ALL, may_limit=False).level == "ok"


def test_each_missing_controller_is_named_with_what_follows() -> None:
    found = limits_found(("memory", "pids"), may_limit=True)
    assert found.level == "weaker"
    assert "for cpu: a function may take every processor" in found.text
    assert "CONFIG_CFS_BANDWIDTH" in found.text
    found = limits_found((), may_limit=True)
    assert "memory, cpu, pids" in found.text
    assert "each process" in found.text
    assert "all memory of this machine" not in found.text


def test_a_root_without_the_right_to_limit_is_told_that_nothing_bounds_a_function() -> None:
    found = limits_found((), may_limit=False)
    assert "all memory of this machine" in found.text
    assert "any number of processes" in found.text


def test_memory_that_the_kernel_does_not_count_makes_it_weaker() -> None:
    found = limits_found(ALL, may_limit=True, uncounted=("swap",))
    assert found.level == "weaker"
    assert "swap" in found.text


def test_a_kernel_that_does_not_tell_of_used_up_memory_is_named() -> None:
    found = limits_found(ALL, may_limit=True, uncounted=("alarm",))
    assert found.level == "weaker"
    assert "others may hang" in found.text
