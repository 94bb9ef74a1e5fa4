"""Signed tokens and encoded sessions: user JWTs, execution keys, session values.

Both kinds of JWT are HS256. Each kind has a key of its own, derived from the installation's,
so one can never pass for the other.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, Final, TypeGuard

import jwt
import msgspec
from jwt.types import Options

from runwright.clock import Clock
from runwright.errors import RunwrightError
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.sealing import derive
from runwright.values import dataclass

KEY_PREFIX: Final = "ephemeral_"
KEY_PREFIXES: Final = (KEY_PREFIX, "dynamic_")  # the second is what older functions were given
MAX_TOKEN_CHARS: Final = 16384
MAX_LINEAGE: Final = 1024  # runs of a chain that a token remembers, the newest ones
MAX_LINEAGE_IDS: Final = 200  # different functions among them
REMEMBERED: Final = 4096
_REMEMBERED_CHARS: Final = 2048  # a longer token is verified each time

_ALGORITHM: Final = "HS256"
_HEAD: Final = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."  # {"alg":"HS256","typ":"JWT"}
# Time is judged by our clock below, and no claim of ours but `exp` has a registered meaning.
_OPTIONS: Final[Options] = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class UserJwtInvalid(RunwrightError):
    type: ClassVar[str] = "user_jwt_invalid"
    status: ClassVar[int] = 401

    def __init__(self, reason: str) -> None:
        super().__init__(f"Failed to verify JWT. Invalid token: {reason}")
        self.reason = reason


class _Unreadable(Exception):
    """The token is not ours, is damaged or is over; the text is the reason."""


@dataclass(frozen=True, slots=True)
class UserClaims:
    user_id: str
    session_id: str  # "" = not bound to a session
    project_id: str
    expires_at: float  # unix seconds
    lineage: Lineage = NO_LINEAGE  # what led to the holder


@dataclass(frozen=True, slots=True)
class KeyClaims:
    project_id: str
    scopes: tuple[str, ...]
    expires_at: float  # unix seconds
    lineage: Lineage = NO_LINEAGE  # what led to the holder


@dataclass(frozen=True, slots=True)
class SessionValue:
    """What a cookie or `X-Appwrite-Session` holds."""

    user_id: str
    secret: str


class Tokens:
    """Signatures of tokens that were seen before are not computed again; their end is still
    looked at each time."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._clock = clock
        self._verified: dict[tuple[bytes, str], Mapping[str, Any]] = {}
        self._user_key = derive(key, "user jwt")
        self._execution_key = derive(key, "execution key")
        self._proof_key = derive(key, "one-time secret")

    def user_jwt(
        self,
        user_id: str,
        session_id: str,
        lifetime_s: float,
        *,
        project_id: str,
        lineage: Lineage = NO_LINEAGE,
    ) -> str:
        """A token that acts as the user until it expires.

        Bound to the session unless `session_id` is empty, and always to the project: ids are
        chosen by clients, so the same id in another project may be somebody else.
        """
        claims = {
            "userId": user_id,
            "sessionId": session_id,
            "projectId": project_id,
            "exp": self._end(lifetime_s),
            **_lineage_claims(lineage),
        }
        return _signed(claims, self._user_key)

    def read_user_jwt(self, text: str) -> UserClaims:
        """Raises UserJwtInvalid."""
        try:
            claims = self._open(text, self._user_key)
        except _Unreadable as exc:
            raise UserJwtInvalid(str(exc)) from exc
        user_id, session_id = claims.get("userId"), claims.get("sessionId", "")
        project_id = claims.get("projectId")
        if not (
            isinstance(user_id, str) and isinstance(session_id, str) and isinstance(project_id, str)
        ):
            raise UserJwtInvalid("Incomplete claims")
        lineage = _lineage_of(claims) or NO_LINEAGE
        return UserClaims(user_id, session_id, project_id, claims["exp"], lineage)

    def execution_key(
        self,
        project_id: str,
        scopes: tuple[str, ...] | list[str],
        lifetime_s: float,
        lineage: Lineage = NO_LINEAGE,
    ) -> str:
        """An API key that is stored nowhere and ends by itself."""
        claims: dict[str, Any] = {
            "projectId": project_id,
            "scopes": list(scopes),
            "exp": self._end(lifetime_s),
            **_lineage_claims(lineage),
        }
        return KEY_PREFIX + _signed(claims, self._execution_key)

    def read_execution_key(self, text: str, project_id: str) -> KeyClaims | None:
        """The claims, or None when it is expired, forged, or for another project."""
        prefix = next((known for known in KEY_PREFIXES if text.startswith(known)), None)
        if prefix is None:
            return None
        try:
            claims = self._open(text[len(prefix) :], self._execution_key)
        except _Unreadable:
            return None
        scopes, lineage = claims.get("scopes"), _lineage_of(claims)
        if claims.get("projectId") != project_id or not _texts(scopes) or lineage is None:
            return None
        return KeyClaims(project_id, tuple(scopes), claims["exp"], lineage)

    def proof(self, token_id: str, secret: str) -> str:
        """What is stored of a one-time secret. Such secrets may be six digits, so a digest that
        anybody can compute would tell them to whoever reads the database."""
        text = f"{token_id}:{secret}".encode()
        return hmac.new(self._proof_key, text, hashlib.sha256).hexdigest()

    def _end(self, lifetime_s: float) -> int:
        return int(self._clock.now().timestamp() + lifetime_s)

    def _open(self, text: str, key: bytes) -> Mapping[str, Any]:
        """Claims whose `exp` is a number in the future. Raises _Unreadable."""
        claims = self._verified.get((key, text))
        if claims is None:
            claims = _verify(text, key)
            self._remember(text, key, claims)
        if self._clock.now().timestamp() >= claims["exp"]:
            raise _Unreadable("Expired")
        return claims

    def _remember(self, text: str, key: bytes, claims: Mapping[str, Any]) -> None:
        if len(text) > _REMEMBERED_CHARS:
            return
        if len(self._verified) >= REMEMBERED:
            self._verified.pop(next(iter(self._verified)))
        self._verified[key, text] = claims


def _signed(claims: Mapping[str, Any], key: bytes) -> str:
    """A JWT. Every cold call of a function needs one, so nothing is looked up or checked here."""
    text = _HEAD + _base64url(msgspec.json.encode(claims))
    return (text + b"." + _base64url(hmac.digest(key, text, "sha256"))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _verify(text: str, key: bytes) -> Mapping[str, Any]:
    """Claims with a good signature and a number as `exp`. Raises _Unreadable."""
    if len(text) > MAX_TOKEN_CHARS or text.count(".") != 2:
        raise _Unreadable("Incomplete segments")
    try:
        claims: Mapping[str, Any] = jwt.decode(text, key, algorithms=[_ALGORITHM], options=_OPTIONS)
    except jwt.InvalidSignatureError as exc:
        raise _Unreadable("Signature failed") from exc
    except jwt.InvalidAlgorithmError as exc:
        raise _Unreadable("Algorithm not supported") from exc
    except (jwt.InvalidTokenError, UnicodeError) as exc:
        raise _Unreadable("Malformed segments") from exc
    end = claims.get("exp")
    if isinstance(end, bool) or not isinstance(end, (int, float)):
        raise _Unreadable("Expiry missing")
    return claims


def _lineage_claims(lineage: Lineage) -> dict[str, Any]:
    """Each function once, then the order of the runs: loops are long and their ids few."""
    if not lineage.functions:
        return {}
    runs = lineage.functions[-MAX_LINEAGE:]
    ids = list(dict.fromkeys(runs))
    if len(ids) > MAX_LINEAGE_IDS:
        runs = runs[-MAX_LINEAGE_IDS:]
        ids = list(dict.fromkeys(runs))
    place = {name: at for at, name in enumerate(ids)}
    claims: dict[str, Any] = {"lineage": ids}
    if len(ids) < len(runs):
        claims["runs"] = [place[name] for name in runs]
    if lineage.chain_id:
        claims["chain"] = lineage.chain_id
    return claims


def _lineage_of(claims: Mapping[str, Any]) -> Lineage | None:
    """None when the claims are not of the form that we sign."""
    ids, chain = claims.get("lineage", []), claims.get("chain", "")
    if not _texts(ids) or not isinstance(chain, str):
        return None
    runs = claims.get("runs", range(len(ids)))
    if not isinstance(runs, (list, range)) or any(
        not isinstance(at, int) or not 0 <= at < len(ids) for at in runs
    ):
        return None
    return Lineage(tuple(ids[at] for at in runs), chain)


def _texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def encode_session(user_id: str, secret: str) -> str:
    """The value that clients keep: base64 of a JSON object."""
    return base64.b64encode(msgspec.json.encode({"id": user_id, "secret": secret})).decode()


def decode_session(text: str) -> SessionValue | None:
    """None for anything that is not a session value; that is never an error."""
    if not text or len(text) > MAX_TOKEN_CHARS:
        return None
    try:
        value = msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, msgspec.DecodeError, RecursionError, ValueError):
        return None
    if not isinstance(value, dict):
        return None
    user_id, secret = value.get("id"), value.get("secret")
    if not isinstance(user_id, str) or not isinstance(secret, str) or not (user_id and secret):
        return None
    return SessionValue(user_id, secret)


def hash_secret(secret: str) -> str:
    """How keys and sessions are stored: their secrets have 1024 random bits, so a plain
    digest is enough and can be looked up."""
    return hashlib.sha256(secret.encode()).hexdigest()
