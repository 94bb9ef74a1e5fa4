"""What a provider lets us do in a person's name: its tokens, sealed at rest.

They are sealed for a person at a provider, not for a row: the session and the identity that come
of one sign-in hold the same bytes.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from runwright.model.identity import Identity, Session
from runwright.sealing import Sealer
from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    access_token: str = ""
    refresh_token: str = ""
    id_token: str = ""
    expires_at: datetime | None = None  # of the access token; None = the provider does not say


NOTHING: Final = Grant()


class GrantSeal:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, project_id: str, provider: str, uid: str, grant: Grant) -> bytes:
        parts = {
            "access": grant.access_token,
            "refresh": grant.refresh_token,
            "id": grant.id_token,
        }
        return self._sealer.seal(msgspec.json.encode(parts), _place(project_id, provider, uid))

    def of(self, item: Session | Identity) -> Grant:
        if not item.sealed_grant:
            return NOTHING
        place = _place(item.project_id, item.provider, item.provider_uid)
        plain = self._sealer.open(item.sealed_grant, place)
        parts: Mapping[str, str] = msgspec.json.decode(plain, type=dict[str, str])
        return Grant(
            access_token=parts["access"],
            refresh_token=parts["refresh"],
            id_token=parts["id"],
            expires_at=item.grant_expires_at,
        )


def _place(project_id: str, provider: str, uid: str) -> str:
    return f"grant:{project_id}:{provider}:{uid}"
