"""What a part of the scenario works with: a project of its own, and callers who use one SDK.

    def people_and_their_names(world: World) -> None:
        made = world.key("users.create", userId="ann", name="Ann")
        assert world.key("users.get", userId=made["$id"])["name"] == "Ann"
        world.guest.refused("users.get", 401, "general_unauthorized_scope", userId="ann")

A method is named in the way of the JavaScript SDKs, its arguments and its answer as on the wire.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

import pytest

from runwright.identity.scopes import PROJECT_SCOPES
from tests.acceptance.console import Console
from tests.acceptance.running import Running
from tests.acceptance.sdk.driver import Driver, Refused
from tools.sdk_methods import plain

CONSOLE: Final = "console"


@dataclass(slots=True)
class Record:
    """Which methods one SDK was seen to call, in lower case."""

    answered: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)  # in the way that the step states


@dataclass(frozen=True, slots=True)
class Caller:
    """A client of the SDK with the credentials of somebody."""

    driver: Driver
    record: Record
    client: Mapping[str, Any]

    def __call__(self, method: str, /, **arguments: Any) -> Any:
        """What the method gives back. Raises Refused."""
        answer = self.driver.call(self.client, method, arguments)
        self.record.answered.add(plain(method))
        return answer

    def refused(self, method: str, code: int, type_: str, /, **arguments: Any) -> None:
        """Make a call that must be refused in just this way."""
        with pytest.raises(Refused) as told:
            self.driver.call(self.client, method, arguments)
        assert (told.value.code, told.value.type) == (code, type_), str(told.value)
        self.record.refused.add(plain(method))

    def having(self, **headers: str) -> "Caller":
        """The same with more headers, `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        merged = {**self.client.get("headers", {}), **named}
        return Caller(self.driver, self.record, {**self.client, "headers": merged})


class World:
    def __init__(self, server: Running, console: Console, driver: Driver, record: Record) -> None:
        self.server, self.driver, self._record = server, driver, record
        self.console_api = console
        self.project_id = console.new_project()  # its organization has the same id
        self.api_key = console.new_key(self.project_id, [scope.id for scope in PROJECT_SCOPES])
        self.key = self.by_key(self.api_key)
        self.guest = self._caller()
        signed_in = {"session": _session_of(console)}
        self.guest_of_the_console = self._caller(project=CONSOLE)
        self.console = self._caller(project=CONSOLE, **signed_in)
        self.admin = self._caller(**signed_in, headers={"x-appwrite-mode": "admin"})

    @property
    def sdk(self) -> str:
        return self.driver.sdk

    def has(self, method: str) -> bool:
        """Whether this SDK has the method: some came with the newest."""
        return self.driver.has(method)

    def by_key(self, secret: str) -> Caller:
        return self._caller(key=secret)

    def by_session(self, secret: str) -> Caller:
        """`secret` is that of a session which a key has made."""
        return self._caller(session=secret)

    def by_jwt(self, jwt: str) -> Caller:
        return self._caller(jwt=jwt)

    def signed_in(self, user_id: str, **fields: Any) -> Caller:
        """A new user of the project, and a client with a session of theirs."""
        self.key("users.create", userId=user_id, **fields)
        return self.by_session(self.key("users.createSession", userId=user_id)["secret"])

    def _caller(self, project: str = "", **client: Any) -> Caller:
        whole = {"endpoint": self.server.endpoint, "project": project or self.project_id, **client}
        return Caller(self.driver, self._record, whole)


def _session_of(console: Console) -> str:
    name, _, value = str(console.api.headers["cookie"]).partition("=")
    assert name == "a_session_console"
    return unquote(value)
