"""ID tokens of OpenID Connect: signed statements about who somebody is.

Only signatures by published keys count; a secret shared with the client, or none, proves nothing
here. Time is judged by our clock.
"""

import hmac
from collections.abc import Collection, Mapping
from typing import Any, Final

import jwt
from jwt.types import Options

from runwright.clock import Clock
from runwright.identity.oauth.documents import HASTE_S, Documents
from runwright.identity.oauth.errors import InvalidIdToken
from runwright.values import dataclass

MAX_CHARS: Final = 16_384
LEEWAY_S: Final = 60.0
_ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "EdDSA",
)
_NO_CHECKS: Final[Options] = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    audiences: Collection[str]
    issuers: Collection[str] = ()  # () = not known
    nonces: Collection[str] = ()  # any of which it may carry
    is_nonce_needed: bool = False  # else one that is missing in the token is not asked for
    max_age_s: float | None = None


class IdTokens:
    def __init__(self, documents: Documents, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    async def verify(self, token: str, keys: str, expected: Expected) -> Mapping[str, Any]:
        """Its claims. `keys` is where the issuer publishes its keys.

        Raises InvalidIdToken, ProviderFailed.
        """
        head = _head(token)
        key = await self._key(keys, head)
        if key is None:
            raise InvalidIdToken("it is not signed with a key of its issuer")
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token, key, algorithms=[head["alg"]], options=_NO_CHECKS
            )
        except (jwt.PyJWTError, ValueError, TypeError) as exc:
            raise InvalidIdToken("its signature is wrong") from exc
        self.check(claims, expected)
        return claims

    def unsigned(self, token: str, expected: Expected) -> Mapping[str, Any]:
        """Claims of a token that came from the token endpoint itself, whose certificate stands
        for it, of an issuer that publishes no keys. Raises InvalidIdToken."""
        _head(token)
        try:
            claims: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError) as exc:
            raise InvalidIdToken("it cannot be read") from exc
        self.check(claims, expected)
        return claims

    def check(self, claims: Mapping[str, Any], expected: Expected) -> None:
        now = self._clock.now().timestamp()
        if expected.issuers and claims.get("iss") not in expected.issuers:
            raise InvalidIdToken("it is from another issuer")
        _check_audience(claims, expected.audiences)
        if not _is_number(claims.get("exp")) or now >= claims["exp"] + LEEWAY_S:
            raise InvalidIdToken("it has expired")
        for name in ("nbf", "iat"):
            if _is_number(claims.get(name)) and claims[name] > now + LEEWAY_S:
                raise InvalidIdToken("it is not valid yet")
        _check_nonce(claims.get("nonce"), expected)
        if expected.max_age_s is not None:
            since: Any = claims.get("auth_time")
            if not _is_number(since) or now - since > expected.max_age_s + LEEWAY_S:
                raise InvalidIdToken("the sign-in at the provider is too long ago")
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise InvalidIdToken("it does not say whom it is about")

    async def _key(self, keys: str, head: Mapping[str, Any]) -> jwt.PyJWK | None:
        found = _chosen(await self._documents.get(keys), head)
        if found is None:  # issuers change their keys
            found = _chosen(await self._documents.get(keys, at_most_s=HASTE_S), head)
        return found


def _head(token: str) -> Mapping[str, Any]:
    if len(token) > MAX_CHARS:
        raise InvalidIdToken("it is too long")
    try:
        head = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as exc:
        raise InvalidIdToken("it cannot be read") from exc
    if head.get("alg") not in _ALGORITHMS:
        raise InvalidIdToken("it is not signed with a public key")
    return head


def _chosen(document: Mapping[str, Any], head: Mapping[str, Any]) -> jwt.PyJWK | None:
    """The key that the token names; a set of one key need not be named."""
    listed = document.get("keys")
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    kid = head.get("kid")
    fitting = keys if kid is None and len(keys) == 1 else [k for k in keys if k.get("kid") == kid]
    for key in fitting:
        if key.get("use", "sig") != "sig" or key.get("alg", head["alg"]) != head["alg"]:
            continue
        try:
            return jwt.PyJWK(key, algorithm=head["alg"])
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    return None


def _check_audience(claims: Mapping[str, Any], audiences: Collection[str]) -> None:
    sent = claims.get("aud")
    named = sent if isinstance(sent, list) else [sent]
    if not any(isinstance(name, str) and name and name in audiences for name in named):
        raise InvalidIdToken("it is meant for another client")
    party = claims.get("azp")
    if len(named) > 1 and party not in audiences:
        raise InvalidIdToken("it was made for another client")


def _check_nonce(sent: Any, expected: Expected) -> None:
    if sent is None and not expected.is_nonce_needed:
        return
    told = sent.encode() if isinstance(sent, str) else b""
    known = [hmac.compare_digest(told, nonce.encode()) for nonce in expected.nonces if nonce]
    if not any(known):
        raise InvalidIdToken("its nonce is not the one of this sign-in")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
