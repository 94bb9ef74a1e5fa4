"""Webhooks out, and sources of events from outside."""

from datetime import datetime

from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is told of events. Secrets are sealed and never leave in that form."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    name: str
    url: str
    events: tuple[str, ...]
    is_enabled: bool = True
    is_tls_verified: bool = False
    auth_username: str = ""
    sealed_auth_password: bytes = b""  # b"" = none
    sealed_secret: bytes = b""  # of the signature
    logs: str = ""  # of the last failure
    attempts: int = 0  # failures in a row
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """Another server whose signed webhook deliveries are taken as events."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    name: str
    url: str  # the address under which the sender calls us, which its signature covers
    sealed_secret: bytes
