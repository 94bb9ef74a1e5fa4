"""What a specification grants besides its memory and CPU."""

import pytest

from runwright.executor.cgroups import Limits
from runwright.executor.spawn import Grants

GRANTS = Grants(memory_mib=512, pids=256, open_files=1024, tmp_mib=256)


@pytest.mark.parametrize(
    ("memory_mib", "pids", "tmp_mib", "open_files"),
    [
        (64, 128, 32, 512),
        (128, 128, 64, 512),
        (512, 256, 256, 1024),
        (1024, 512, 256, 2048),
        (8192, 1024, 256, 4096),
    ],
)
def test_processes_files_and_tmp_follow_the_memory_within_bounds(
    memory_mib: int, pids: int, tmp_mib: int, open_files: int
) -> None:
    assert GRANTS.to(memory_mib, 0.5) == Limits(memory_mib, pids, 0.5, tmp_mib, open_files)
