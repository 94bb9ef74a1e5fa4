"""System calls that a function has no business with are refused, by whatever way they are made."""

import time

import pytest

from tests.acceptance.attacks.rows import BOTH, KERNEL, Row
from tests.acceptance.attacks.stand import Stand

# Refused by filter or for want of a right. Any other error would mean that the kernel looked
# at the arguments, and better ones might have done.
REFUSALS = {
    "EPERM", "EACCES", "ENOSYS", "EAFNOSUPPORT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT",
    "killed by SIGSYS",
}  # fmt: skip
NO_SUCH_USER = {"EINVAL"}  # of the user namespace: there is no root to become


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("row", KERNEL, ids=lambda row: row.name)
def test_the_kernel_refuses(stand: Stand, row: Row, language: str) -> None:
    with stand.watched(row):
        before = time.time() - time.monotonic()
        evidence = stand.evidence(row, language)
        after = time.time() - time.monotonic()
    assert evidence["done"] == {}
    assert evidence["refused"]
    allowed = REFUSALS | (NO_SUCH_USER if row.name == "other users" else set())
    odd = {call: why for call, why in evidence["refused"].items() if why not in allowed}
    assert odd == {}
    assert abs(after - before) < 5, "the machine's clock was set"
