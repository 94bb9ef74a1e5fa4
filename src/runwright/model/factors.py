"""What people prove themselves with beside a password: second factors and passkeys."""

from datetime import datetime

from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactors:
    """The authenticator app and the recovery codes of one user; `id` is the user's."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    sealed_totp: bytes = b""  # the secret shared with the app; b"" = no authenticator
    is_totp_verified: bool = False
    totp_step: int = 0  # of the newest code that was taken; that one and older ones are used up
    sealed_codes: bytes = b""  # recovery codes that are left, a JSON list; b"" = none were made


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaChallenge:
    """A second factor that one session was asked for and has not given yet."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    user_id: str
    session_id: str
    factor: str  # totp, email, phone, recoverycode, custom
    code_hash: str = ""  # of the code that was sent; "" where the user brings one along
    sealed_code: bytes = b""  # the same code, for a server that delivers it itself
    failures: int = 0
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A credential that a device of a user keeps; we know its public key."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    user_id: str
    credential_id: str  # base64url; unique within the project
    public_key: bytes  # COSE
    sign_count: int  # as the device counted at the last use; 0 = it does not count
    rp_id: str  # the domain it is bound to
    name: str = ""
    transports: tuple[str, ...] = ()  # how the device can be reached: internal, usb, ...
    accessed_at: datetime | None = None  # last sign-in


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyCeremony:
    """A challenge that a device is to sign, once: to register a passkey or to sign in."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    challenge: bytes
    rp_id: str
    expires_at: datetime
    user_id: str = ""  # who registers; "" = anybody signs in
    session_id: str = ""  # in which session
    passkey_id: str = ""  # what it will be called
    name: str = ""
