"""One server for one data folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runwright.storage.errors import StorageRefused
from runwright.storage.lock import locked


def test_a_second_server_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(StorageRefused, match=rf"process {os.getpid()}\).*RUNWRIGHT_DATA_DIR"),
        locked(tmp_path),
    ):
        pass


def test_the_folder_is_free_again_after_a_stop(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path):
            pass


def test_the_folder_is_free_again_after_a_kill(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from runwright.storage.lock import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(StorageRefused, match=str(child.pid)), locked(tmp_path):
        pass
    child.kill()
    child.wait(60)
    child.stdout.close()
    with locked(tmp_path):
        pass


def test_a_folder_that_does_not_exist_is_refused_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(StorageRefused) as caught, locked(tmp_path / "nowhere"):
        pass
    assert str(tmp_path) not in str(caught.value)
