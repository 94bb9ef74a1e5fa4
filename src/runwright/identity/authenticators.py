"""What is said to devices that hold passkeys, and what they answer (WebAuthn).

The answers come from anybody, and are JSON, CBOR and certificates inside each other. Whatever
the library makes of one that is not as it should be, it is refused in the same way.

What needs the library is called on threads and imports it there: loading it takes a sixth of a
second, which every start would pay and few projects need.
"""

import base64
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from runwright.identity.factor_errors import PasskeyRefused
from runwright.identity.relying_party import RelyingParty
from runwright.model.factors import Passkey
from runwright.model.identity import User
from runwright.values import dataclass

log = logging.getLogger(__name__)

T = TypeVar("T")
Json = dict[str, Any]

MAX_CREDENTIAL_ID_CHARS: Final = 1364  # 1023 bytes in base64url, the most that devices may use
MAX_SIGN_COUNT: Final = 2**32 - 1
TRANSPORTS: Final = frozenset({"usb", "nfc", "ble", "smart-card", "internal", "cable", "hybrid"})


@dataclass(frozen=True, slots=True)
class Registered:
    credential_id: str
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer says of itself; nothing of it has been verified."""

    credential_id: str
    origin: str
    user_handle: str | None


def creation_options(
    party: RelyingParty,
    user: User,
    challenge: bytes,
    known: Iterable[Passkey],
    *,
    timeout_s: float,
) -> Json:
    """A passkey that the device finds by itself and gives after it made sure of its user."""
    import webauthn
    from webauthn.helpers import options_to_json_dict, structs

    name = user.email or user.phone or user.name or user.id
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=user.id.encode(),
        user_name=name,
        user_display_name=user.name or name,
        challenge=challenge,
        timeout=int(timeout_s * 1000),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            structs.PublicKeyCredentialDescriptor(
                id=_decoded(item.credential_id),
                transports=[structs.AuthenticatorTransport(way) for way in item.transports] or None,
            )
            for item in known
        ],
    )
    return options_to_json_dict(options)


def request_options(rp_id: str, challenge: bytes, *, timeout_s: float) -> Json:
    """The device offers its user every passkey that it has for the domain."""
    import webauthn
    from webauthn.helpers import options_to_json_dict, structs

    options = webauthn.generate_authentication_options(
        rp_id=rp_id,
        challenge=challenge,
        timeout=int(timeout_s * 1000),
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def read_answer(credential: Json) -> Answered:
    """Raises PasskeyRefused."""
    return _read(lambda: _answered(credential))


def registered(credential: Json, *, challenge: bytes, rp_id: str, origin: str) -> Registered:
    """Verify a new passkey. Raises PasskeyRefused."""
    import webauthn

    def read() -> Registered:
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            require_user_verification=True,
        )
        return Registered(
            base64.urlsafe_b64encode(made.credential_id).decode().rstrip("="),
            made.credential_public_key,
            made.sign_count,
            _transports(credential["response"]),
        )

    return _read(read)


def signed_in(
    credential: Json, passkey: Passkey, *, challenge: bytes, rp_id: str, origin: str
) -> int:
    """Verify a sign-in; how often the device has signed by now. Raises PasskeyRefused.

    A count that does not grow is refused: the passkey may have been copied.
    """
    import webauthn

    def read() -> int:
        seen = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
        return seen.new_sign_count

    return _read(read)


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except Exception as exc:  # see above: of the library's own kinds and of any other
        log.info("passkey refused", extra={"action": "passkey_refused", "reason": _reason(exc)})
        raise PasskeyRefused() from exc


def _reason(error: Exception) -> str:
    """The library's texts quote challenges and origins: the kind of failure is enough."""
    return type(error).__name__


def _answered(credential: Json) -> Answered:
    response = credential["response"]
    client_data = json.loads(_decoded(response["clientDataJSON"]))
    credential_id, origin = credential["id"], client_data["origin"]
    handle = response.get("userHandle")
    if not isinstance(credential_id, str) or not 0 < len(credential_id) <= MAX_CREDENTIAL_ID_CHARS:
        raise ValueError("no credential id")
    if not isinstance(origin, str):
        raise ValueError("no origin")
    # A page inside another one, which may cover it with something to click on.
    if client_data.get("crossOrigin") is True:
        raise ValueError("used inside another site's page")
    user = _decoded(handle).decode() if handle else None
    return Answered(credential_id, origin, user)


def _transports(response: Mapping[str, Any]) -> tuple[str, ...]:
    """Hints of the browser, for the next time; unknown ones are left out."""
    given = response.get("transports")
    if not isinstance(given, list):
        return ()
    return tuple(dict.fromkeys(item for item in given if item in TRANSPORTS))


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(f"{text}===")  # too much padding does no harm
