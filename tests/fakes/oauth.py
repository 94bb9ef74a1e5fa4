"""Providers without a network: answers by method and address, and a record of what was asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from runwright.api.redirects import Redirects
from runwright.api.routes.oauth import oauth_routes
from runwright.api.routes.oauth_settings import oauth_settings_routes
from runwright.api.routing import Route
from runwright.clock import Clock
from runwright.identity.oauth.settings import OAuthSettings
from runwright.identity.oauth.sign_in import OAuthParts
from runwright.identity.services import Identity
from runwright.identity.tokens import Tokens
from runwright.ports.poster import NotPosted, Post, Posted
from runwright.ports.storage import Storage
from runwright.sealing import Sealer
from tests.fakes.mailer import KeptLetters

SEALER: Final = Sealer(b"o" * 32)

Answer = Mapping[str, Any] | list[Any] | bytes | Callable[[Post], Posted]


@dataclass
class FakePoster:
    """`answers` by `METHOD address`; what is not there cannot be reached."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Post] = field(default_factory=list)

    async def post(self, post: Post) -> Posted:
        self.asked.append(post)
        found = self.answers.get(f"{post.method} {post.url}")
        if found is None:
            raise NotPosted("There is nobody.")
        if callable(found):
            return found(post)
        return Posted(200, found if isinstance(found, bytes) else msgspec.json.encode(found))

    def form(self, url: str) -> dict[str, str]:
        """The form that was sent last to an address."""
        post = next(item for item in reversed(self.asked) if item.url == url)
        return dict(parse_qsl(post.body.decode()))


def oauth_parts(
    storage: Storage,
    clock: Clock,
    tokens: Tokens,
    poster: FakePoster | None = None,
    mailer: KeptLetters | None = None,
) -> OAuthParts:
    return OAuthParts.over(
        storage,
        clock,
        tokens=tokens,
        sealer=SEALER,
        poster=poster or FakePoster(),
        mailer=mailer or KeptLetters(),
    )


def oauth_table(
    storage: Storage, clock: Clock, identity: Identity, redirects: Redirects
) -> list[Route]:
    """The routes of providers and of signing in with them, as a server has them."""
    settings = OAuthSettings(storage, clock, identity.oauth.secrets, allows_plain=False)
    return [
        *oauth_settings_routes(settings, identity.projects),
        *oauth_routes(identity.oauth, redirects, ""),
    ]
