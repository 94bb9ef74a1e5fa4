"""A function with all that a run of it needs, worked out once per change, not per run."""

import hashlib
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from runwright.executions.errors import NoActiveDeployment, NotBuilt
from runwright.functions.environment import run_env
from runwright.functions.errors import RuntimeUnsupported
from runwright.identity.tokens import Tokens
from runwright.model.execution import Workload
from runwright.model.function import Deployment, DeploymentStatus, LiveFunction
from runwright.model.function import specification as specification_of
from runwright.model.identity import Project
from runwright.model.lineage import NO_LINEAGE, Lineage

KEY_GRACE_S: Final = 60  # an execution's key outlives its timeout by this
_KEYS: Final = 64
_SECOND: Final = timedelta(seconds=1)
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Runnable:
    """One function in its present form. Replaced as a whole when anything in it changes."""

    __slots__ = (
        "_keys",
        "_plain_key",
        "_since",
        "_tokens",
        "_until",
        "function",
        "live",
        "project",
        "workload",
    )

    def __init__(
        self, live: LiveFunction, project: Project, workload: Workload, tokens: Tokens
    ) -> None:
        self.live = live
        self.project = project
        self.function = live.function
        self.workload = workload
        self._tokens = tokens
        self._keys: dict[Lineage, str] = {}
        self._plain_key = ""  # the one that most runs have
        self._since = self._until = _LONG_AGO  # when these keys were made, and how long they do

    def key(self, lineage: Lineage, now: datetime) -> str:
        """The execution key of a run that starts now, and to which `lineage` led.

        Its claims hold nothing finer than a second, so runs of one second share the text.
        """
        if now >= self._until or now < self._since or len(self._keys) > _KEYS:
            self._keys.clear()
            self._plain_key = ""
            self._since = now.replace(microsecond=0)
            self._until = self._since + _SECOND
        if lineage is NO_LINEAGE:
            self._plain_key = found = self._plain_key or self._new_key(lineage)
            return found
        found = self._keys.get(lineage) or self._new_key(lineage)
        self._keys[lineage] = found
        return found

    def _new_key(self, lineage: Lineage) -> str:
        function = self.function
        return self._tokens.execution_key(
            function.project_id,
            function.scopes,
            function.timeout_s + KEY_GRACE_S,
            lineage.after(function.id),
        )


class Preparer:
    """Makes runnables."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        endpoint: str,
        artifact_path: Callable[[Deployment], str],
        runtimes: Callable[[], Collection[str]],
    ) -> None:
        self._tokens = tokens
        self._endpoint = endpoint
        self._artifact_path = artifact_path
        self._runtimes = runtimes

    def prepare(self, live: LiveFunction, project: Project) -> Runnable:
        """Raises, in this order, RuntimeUnsupported, NoActiveDeployment, NotBuilt."""
        function, deployment = live.function, live.deployment
        if function.runtime not in self._runtimes():
            raise RuntimeUnsupported(function.runtime)
        if deployment is None:
            raise NoActiveDeployment
        if deployment.status is not DeploymentStatus.READY:
            raise NotBuilt(deployment.id, deployment.status)
        return Runnable(live, project, self._workload(live, deployment, project), self._tokens)

    def _workload(self, live: LiveFunction, deployment: Deployment, project: Project) -> Workload:
        function = live.function
        size = specification_of(function.runtime_specification)
        env = run_env(live, deployment, size, region=project.region, endpoint=self._endpoint)
        entrypoint = deployment.entrypoint or function.entrypoint
        seen = [
            function.runtime,
            entrypoint,
            size.cpus,
            size.memory_mib,
            function.network,
            sorted(env.items()),
        ]
        version = hashlib.sha256(msgspec.json.encode(seen)).hexdigest()[:16]
        return Workload(
            key=f"{function.project_id}/{deployment.id}/{version}",
            project_id=function.project_id,
            function_id=function.id,
            deployment_id=deployment.id,
            runtime=function.runtime,
            artifact=self._artifact_path(deployment),
            entrypoint=entrypoint,
            env=env,
            cpus=size.cpus,
            memory_mib=size.memory_mib,
            max_instances=function.max_instances,
            network=function.network,
        )
