"""Signing in with other providers: what is shared, and who asks them."""

from contextlib import AsyncExitStack
from typing import Final

from runwright.identity.oauth.providers import PROVIDERS, github_at
from runwright.identity.oauth.sign_in import OAuthParts
from runwright.outgoing.lookup import SystemLookup
from runwright.outgoing.poster import WEB_PORTS, HttpPoster
from runwright.ports.mailer import Mailer
from runwright.ports.poster import Poster
from runwright.settings import Settings
from runwright.wiring.core import Core

ANSWER_S: Final = 10.0
ANSWER_BYTES: Final = 512 * 1024  # of the largest: descriptions and keys have some dozens of KiB
LOOKUPS: Final = 8


def open_provider_poster(settings: Settings, stack: AsyncExitStack) -> Poster:
    """Owners of projects choose some of the addresses, so it goes to public ones only."""
    lookup = SystemLookup(threads=LOOKUPS)
    stack.callback(lookup.close)
    return HttpPoster(
        lookup,
        allows_private=settings.oauth_allow_private == "on",
        own_ports=WEB_PORTS | {settings.port, settings.tls_port},
        total_s=ANSWER_S,
        max_answer_bytes=ANSWER_BYTES,
        kept_bytes=ANSWER_BYTES,
    )


def oauth_parts(settings: Settings, core: Core, poster: Poster, mailer: Mailer) -> OAuthParts:
    providers = dict(PROVIDERS)
    if settings.github_url:
        providers["github"] = github_at(settings.github_url.rstrip("/"))
    return OAuthParts.over(
        core.storage,
        core.clock,
        tokens=core.tokens,
        sealer=core.sealer,
        poster=poster,
        mailer=mailer,
        providers=providers,
    )
