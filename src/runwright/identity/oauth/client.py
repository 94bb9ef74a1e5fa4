"""Talking to providers: where to send people, codes for tokens, tokens for facts."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import jwt
import msgspec

from runwright.clock import Clock
from runwright.identity.oauth.documents import Documents, json_object, send
from runwright.identity.oauth.endpoints import Endpoints, Setup, endpoints_of, filled
from runwright.identity.oauth.errors import BadReturn, NoProviderId, ProviderFailed, ProviderRefused
from runwright.identity.oauth.facts import Facts, read_facts
from runwright.identity.oauth.grants import Grant
from runwright.identity.oauth.id_tokens import Expected, IdTokens
from runwright.identity.oauth.state import Departure
from runwright.ports.poster import Poster
from runwright.values import dataclass

_SIGNED_S: Final = 300
_APPLE: Final = "https://appleid.apple.com"
_MAX_TOLD: Final = 300  # chars of what a provider says that are passed on


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody as the provider knows them, with what it lets us do in their name."""

    facts: Facts
    grant: Grant


class ProviderClient:
    """Methods raise ProviderFailed, ProviderRefused, InvalidIdToken."""

    def __init__(
        self, poster: Poster, documents: Documents, tokens: IdTokens, clock: Clock
    ) -> None:
        self._poster = poster
        self._documents = documents
        self._tokens = tokens
        self._clock = clock

    async def address(
        self, setup: Setup, departure: Departure, state: str, scopes: tuple[str, ...]
    ) -> str:
        """Where a person is sent to sign in."""
        provider = setup.provider
        asked = tuple(dict.fromkeys((*provider.scopes, *scopes)))
        query = {
            provider.client_name: setup.client,
            "redirect_uri": departure.redirect,
            "response_type": "code",
            "state": state,
            **({"scope": provider.scope_joint.join(asked)} if asked else {}),
            **dict(provider.query),
        }
        if provider.has_pkce:
            query |= {"code_challenge": departure.challenge, "code_challenge_method": "S256"}
        if setup.is_openid:
            query["nonce"] = departure.nonce
        if setup.prompts:
            query["prompt"] = " ".join(setup.prompts)
        if setup.max_age_s is not None:
            query["max_age"] = f"{setup.max_age_s:g}"
        base = (await endpoints_of(setup, self._documents)).authorize
        return f"{base}{'&' if '?' in base else '?'}{urlencode(query)}"

    async def check_issuer(self, setup: Setup, sent: str) -> None:
        """Providers may say who they are when they send people back (RFC 9207), so that an answer
        of one does not pass for another's. Raises BadReturn."""
        if not sent:
            return
        issuers = (await endpoints_of(setup, self._documents)).issuers
        if issuers and sent not in issuers:
            raise BadReturn("The answer is another provider's.")

    async def arrive(self, setup: Setup, departure: Departure, code: str) -> Arrived:
        """Trade the code of somebody who comes back. Raises NoProviderId too."""
        endpoints = await endpoints_of(setup, self._documents)
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": departure.redirect,
            **({"code_verifier": departure.verifier} if setup.provider.has_pkce else {}),
        }
        grant = await self._grant(setup, endpoints, asked)
        claims = await self._claims(setup, endpoints, grant, departure.nonce)
        return Arrived(await self._facts(setup, endpoints, grant, claims), grant)

    async def refresh(self, setup: Setup, grant: Grant) -> Grant:
        """New tokens for a refresh token, which stays good when no new one comes."""
        endpoints = await endpoints_of(setup, self._documents)
        asked = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
        renewed = await self._grant(setup, endpoints, asked)
        return Grant(
            access_token=renewed.access_token,
            refresh_token=renewed.refresh_token or grant.refresh_token,
            id_token=grant.id_token,
            expires_at=renewed.expires_at,
        )

    async def _grant(self, setup: Setup, endpoints: Endpoints, asked: dict[str, str]) -> Grant:
        headers = [("Accept", "application/json")]
        if endpoints.is_basic:
            pair = f"{quote(setup.client, safe='')}:{quote(setup.secret, safe='')}"
            headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
        else:
            asked = {**asked, setup.provider.client_name: setup.client}
            asked["client_secret"] = self._secret(setup)
        is_json = setup.provider.is_json
        kind = "application/json" if is_json else "application/x-www-form-urlencoded"
        body = msgspec.json.encode(asked) if is_json else urlencode(asked).encode()
        headers.append(("Content-Type", kind))
        answer = await send(self._poster, "POST", endpoints.token, tuple(headers), body)
        said = _said(answer.body)
        if "error" in said or 400 <= answer.status < 500:
            raise ProviderRefused(f"The provider gave no tokens: {_reason(said, answer.status)}")
        access = said.get("access_token")
        if answer.status != 200 or not isinstance(access, str) or not access:
            raise ProviderFailed(f"The provider gave no tokens: its answer was {answer.status}.")
        return Grant(
            access_token=access,
            refresh_token=_text(said.get("refresh_token")),
            id_token=_text(said.get("id_token")),
            expires_at=self._clock.now() + lifetime if (lifetime := _lifetime(said)) else None,
        )

    def _secret(self, setup: Setup) -> str:
        """The client's secret, or one that its key signs for these minutes."""
        if not setup.provider.is_signed:
            return setup.secret
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": setup.secrets.get("teamId", ""),
            "sub": setup.client,
            "aud": _APPLE,
            "iat": now,
            "exp": now + _SIGNED_S,
        }
        key_id = setup.secrets.get("keyId", "")
        try:
            return jwt.encode(claims, setup.secret, algorithm="ES256", headers={"kid": key_id})
        except (jwt.PyJWTError, ValueError, TypeError) as exc:
            raise ProviderFailed(
                "The key of this project for the provider is no ES256 key."
            ) from exc

    async def _claims(
        self, setup: Setup, endpoints: Endpoints, grant: Grant, nonce: str
    ) -> Mapping[str, Any]:
        """What the ID token says; nothing where there is none."""
        if not setup.is_openid:
            return {}
        if not grant.id_token:
            if endpoints.keys:
                raise ProviderFailed("The provider gave no ID token.")
            return {}
        expected = Expected(
            audiences=(setup.client,),
            issuers=endpoints.issuers,
            nonces=(nonce,),
            is_nonce_needed=True,
            max_age_s=setup.max_age_s,
        )
        if endpoints.keys:
            return await self._tokens.verify(grant.id_token, endpoints.keys, expected)
        return self._tokens.unsigned(grant.id_token, expected)

    async def _facts(
        self, setup: Setup, endpoints: Endpoints, grant: Grant, claims: Mapping[str, Any]
    ) -> Facts:
        told: dict[str, Any] = {}
        if endpoints.profile:
            told = await self._profile(setup, endpoints.profile, grant)
            if claims and told.get("sub") != claims["sub"]:
                raise ProviderFailed("The provider's answers are about two people.")
        if "email" in told:  # never one's address with the other's word for it
            claims = {k: v for k, v in claims.items() if k not in ("email", "email_verified")}
        facts = read_facts(setup.provider.profile, {**claims, **told})
        if facts.uid and setup.provider.profile.more:
            place = filled(setup, setup.provider.profile.more, uid=facts.uid)
            try:
                more = await self._profile(setup, place, grant)
            except (ProviderFailed, ProviderRefused):
                more = {}  # a client without the right to see addresses; people can do without
            facts = read_facts(setup.provider.profile, {**told, "more": more.get("", more)})
        if not facts.uid:
            raise NoProviderId()
        return facts

    async def _profile(self, setup: Setup, place: str, grant: Grant) -> dict[str, Any]:
        profile = setup.provider.profile
        url = filled(setup, place, access=grant.access_token, secret=setup.secret)
        headers = (
            ("Accept", "application/json"),
            ("Authorization", f"{profile.scheme} {grant.access_token}"),
            *((name, filled(setup, value)) for name, value in profile.headers),
        )
        answer = await send(self._poster, profile.method, url, headers)
        if answer.status != 200:
            raise ProviderFailed(f"The provider did not say who you are: it said {answer.status}.")
        if answer.body.lstrip()[:1] == b"[":
            return {"": json_object(b'{"":' + answer.body + b"}")[""]}
        return json_object(answer.body)


def _said(body: bytes) -> Mapping[str, Any]:
    """Most providers speak JSON, some forms."""
    try:
        return json_object(body)
    except ProviderFailed:
        return dict(parse_qsl(body.decode(errors="replace")[:16_384]))


def _reason(said: Mapping[str, Any], status: int) -> str:
    words = [said.get("error"), said.get("error_description")]
    text = ", ".join(word for word in words if isinstance(word, str) and word)
    return printable(text) or f"it said {status}"


def printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:_MAX_TOLD]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _lifetime(said: Mapping[str, Any]) -> timedelta | None:
    value: Any = said.get("expires_in")
    if isinstance(value, str) and value.isdecimal() and len(value) < 12:
        value = int(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return timedelta(seconds=value) if is_number and 0 < value < 10**10 else None
