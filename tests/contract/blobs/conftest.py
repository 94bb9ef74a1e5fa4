"""Every adapter of the blob port."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from runwright.storage.blobs import StoreBlobs


@pytest.fixture(params=["folder", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreBlobs]:
    if request.param == "folder":
        yield StoreBlobs.open_folder(tmp_path / "blobs")
    else:
        yield StoreBlobs(MemoryStore())
