"""Keys that live no longer than what they seal."""

import stat
from pathlib import Path

import pytest

from runwright.epochs import Epochs
from runwright.errors import ServiceUnavailable
from runwright.sealing import CannotOpen
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.anyio


class Vault:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.epochs = Epochs(folder, self.clock, every_s=600)
        self.needed: set[str] = set()

    async def in_use(self) -> set[str]:
        return set(self.needed)

    async def seal(self, text: bytes = b"secret") -> tuple[str, bytes]:
        async with self.epochs.lend() as (epoch, sealer):
            self.needed.add(epoch)
            return epoch, sealer.seal(text, "here")

    async def sweep(self) -> int:
        return await self.epochs.sweep(self.in_use)

    def files(self) -> set[str]:
        return {path.stem for path in self.folder.glob("*.key")}


@pytest.fixture
async def vault(tmp_path: Path) -> Vault:
    made = Vault(tmp_path / "keys")
    await made.epochs.start()
    return made


async def test_a_key_is_a_file_that_only_the_owner_reads(vault: Vault) -> None:
    epoch, sealed = await vault.seal()
    (file,) = vault.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(vault.folder.stat().st_mode) == 0o700
    assert b"secret" not in sealed
    assert (await vault.epochs.sealer(epoch)).open(sealed, "here") == b"secret"


async def test_calls_within_one_span_share_a_key_and_later_ones_do_not(vault: Vault) -> None:
    first, _ = await vault.seal()
    vault.clock.advance(599)
    assert (await vault.seal())[0] == first
    vault.clock.advance(1)
    assert (await vault.seal())[0] != first


async def test_another_server_on_the_same_folder_can_open(vault: Vault) -> None:
    epoch, sealed = await vault.seal()
    other = Epochs(vault.folder, vault.clock)
    assert (await other.sealer(epoch)).open(sealed, "here") == b"secret"


async def test_a_key_that_something_needs_stays(vault: Vault) -> None:
    epoch, _ = await vault.seal()
    vault.clock.advance(10_000)
    assert await vault.sweep() == 0
    assert vault.files() == {epoch}


async def test_a_key_that_nothing_needs_goes_and_nothing_opens_after_it(vault: Vault) -> None:
    epoch, _ = await vault.seal()
    vault.needed.clear()
    assert await vault.sweep() == 1
    assert vault.files() == set()
    with pytest.raises(CannotOpen):
        await vault.epochs.sealer(epoch)
    assert (await vault.seal())[0] != epoch


async def test_keys_left_by_a_dead_server_go_at_the_first_sweep(vault: Vault) -> None:
    kept, _ = await vault.seal()
    vault.clock.advance(600)
    await vault.seal()
    vault.needed = {kept}
    after = Epochs(vault.folder, vault.clock)
    await after.start()
    assert await after.sweep(vault.in_use) == 1
    assert vault.files() == {kept}


async def test_a_key_that_is_lent_is_never_removed(vault: Vault) -> None:
    async with vault.epochs.lend() as (epoch, _):
        vault.clock.advance(10_000)  # long over, and nothing is committed under it yet
        assert await vault.sweep() == 0
        assert vault.files() == {epoch}
    assert await vault.sweep() == 1


async def test_what_was_committed_while_the_database_was_asked_is_kept(vault: Vault) -> None:
    """The lender commits and leaves between the two questions of a sweep."""
    epoch, _ = await vault.seal()
    answers = [set[str](), {epoch}]

    async def in_use() -> set[str]:
        return answers.pop(0)

    assert await vault.epochs.sweep(in_use) == 0
    assert vault.files() == {epoch}


async def test_a_disk_that_refuses_the_key_is_told_and_the_next_call_tries_again(
    vault: Vault,
) -> None:
    vault.folder.rmdir()
    with pytest.raises(ServiceUnavailable, match="Try again"):
        await vault.seal()
    vault.folder.mkdir()
    epoch, _ = await vault.seal()
    assert vault.files() == {epoch}
