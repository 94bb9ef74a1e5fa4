"""Wake-ups and cache invalidation. Losing a signal may cost milliseconds, never work."""

from collections.abc import Callable
from typing import Protocol

Hear = Callable[[str, str], None]  # project id, item id


class Signals(Protocol):
    """Kinds in use, named by what has changed (item id "" = every one of the project):

    project     a project, its policies or its platforms
    key         an API key
    user        a user, or the sessions, memberships or labels of that user
    function    a function, its active deployment, or variables that it sees
    deployment  a deployment's state
    rule        a domain rule
    job         a job that may run now
    delayed     a job that will be due
    delivery    an event that may be delivered to a webhook now
    webhook     a webhook of the project
    event       an event that waits in the outbox
    timer       a function's next tick
    """

    def on(self, kind: str, hear: Hear) -> None:
        """Call `hear` from the event loop after each change of that kind. It must not block."""

    def announce(self, kind: str, project_id: str, item_id: str) -> None: ...
