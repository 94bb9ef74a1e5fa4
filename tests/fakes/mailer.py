"""Post that goes nowhere: an office that keeps letters, a carrier that does as it is told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from runwright.identity.errors import PhoneDisabled, SmtpDisabled
from runwright.model.identity import Project
from runwright.ports.carrier import NotCarried, Parcel, Relay
from runwright.ports.mailer import Letter
from runwright.ports.storage import UnitOfWork


@dataclass
class KeptLetters:
    """Answers the `Mailer` port. `off` names the kinds that cannot be sent."""

    off: set[str] = field(default_factory=set)
    letters: list[Letter] = field(default_factory=list)

    def require(self, project: Project | None, kind: Literal["email", "sms"]) -> None:
        if kind in self.off:
            raise SmtpDisabled() if kind == "email" else PhoneDisabled()

    def post(self, uow: UnitOfWork, project: Project | None, letter: Letter) -> None:
        self.letters.append(letter)

    @property
    def last(self) -> Letter:
        return self.letters[-1]

    def facts(self) -> dict[str, Any]:
        """Of the last letter."""
        return dict(self.last.facts)

    def link(self) -> dict[str, str]:
        """The query of the link in the last letter."""
        return dict(parse_qsl(urlsplit(self.facts()["url"]).query))

    def secret(self) -> str:
        """The code in the last letter, or the secret of its link."""
        return str(self.facts().get("otp") or self.link()["secret"])


@dataclass
class FakeCarrier:
    """Fails as a test says; `open` holds back every letter while it is not set."""

    fault: Callable[[Parcel], Exception | None] = lambda parcel: None
    parcels: list[Parcel] = field(default_factory=list)
    greeted: list[Relay] = field(default_factory=list)
    deaf: str = ""  # why no connection can be made
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def carry(self, relay: Relay, parcel: Parcel) -> None:
        self.parcels.append(parcel)
        await self.open.wait()
        fault = self.fault(parcel)
        if fault is not None:
            raise fault

    async def greet(self, relay: Relay) -> None:
        self.greeted.append(relay)
        if self.deaf:
            raise NotCarried(self.deaf)
