"""Where deployments keep files below the data folder."""

import secrets
from pathlib import Path

from runwright.values import dataclass


@dataclass(frozen=True, slots=True)
class Folders:
    """Ids are legal file names and never begin with a dot. They are unique within a project
    only, so every path holds both."""

    root: Path

    @property
    def uploads(self) -> Path:
        """Chunks of unfinished uploads, as <project>/<deployment>."""
        return self.root / "uploads"

    @property
    def builds(self) -> Path:
        """Workspaces of running builds."""
        return self.root / "builds"

    @property
    def artifacts(self) -> Path:
        """Sealed trees of ready deployments."""
        return self.root / "artifacts"

    @property
    def caches(self) -> Path:
        """Package caches, as <project>/<function>."""
        return self.root / "caches"

    @property
    def trash(self) -> Path:
        """Trees that are to be deleted. They may still be mounted in a busy sandbox."""
        return self.root / "trash"

    def upload(self, project_id: str, deployment_id: str) -> Path:
        return self.uploads / project_id / deployment_id

    def build(self, project_id: str, deployment_id: str) -> Path:
        return self.builds / project_id / deployment_id

    def artifact(self, project_id: str, deployment_id: str) -> Path:
        return self.artifacts / project_id / deployment_id

    def cache(self, project_id: str, function_id: str) -> Path:
        return self.caches / project_id / function_id

    def discard(self, folder: Path) -> None:
        """Move a folder out of the way at once; the housekeeper deletes it later."""
        self.trash.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            # Who is not root may move only folders that it may write to.
            folder.chmod(0o755)
            folder.rename(self.trash / secrets.token_hex(16))
        except FileNotFoundError:
            return


def source_name(project_id: str, deployment_id: str) -> str:
    """The blob of a source archive."""
    return f"sources/{project_id}/{deployment_id}.tar.gz"


def output_name(project_id: str, deployment_id: str) -> str:
    """The blob of a packed build, made when it is first asked for."""
    return f"outputs/{project_id}/{deployment_id}.tar.gz"
