"""The accounts with other providers by which users sign in."""

from typing import Annotated, Any, Final

from runwright.api.lists import Listing, SearchListing, cursor_errors, listed
from runwright.api.params import Id
from runwright.api.queries import Attributes
from runwright.api.routes.account_parts import user_of
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import oauth as shapes
from runwright.identity.oauth.grants import GrantSeal
from runwright.identity.oauth.identities import Identities
from runwright.model.identity import Identity
from runwright.values import dataclass

FILTERS: Final = Attributes(
    "userId provider providerUid providerEmail providerAccessTokenExpiry",
    dates=("providerAccessTokenExpiry",),
)


@dataclass(frozen=True, kw_only=True)
class OneIdentity:
    identity_id: Annotated[str, Id()]


class IdentityHandlers:
    def __init__(self, identities: Identities, grants: GrantSeal) -> None:
        self._identities = identities
        self._grants = grants

    async def list_own(self, call: Call, params: Listing) -> Answer:
        user = user_of(call)
        with cursor_errors("Identity"):
            page = await self._identities.list(
                user.project_id, params.query(FILTERS), user_id=user.id
            )
        return listed("identityList", "identities", page, self._shape)

    async def delete_own(self, call: Call, params: OneIdentity) -> Answer:
        user = user_of(call)
        await self._identities.delete(user.project_id, params.identity_id, user_id=user.id)
        return empty()

    async def list(self, call: Call, params: SearchListing) -> Answer:
        with cursor_errors("Identity"):
            page = await self._identities.list(call.project_id, params.query(FILTERS))
        return listed("identityList", "identities", page, self._shape)

    async def delete(self, call: Call, params: OneIdentity) -> Answer:
        await self._identities.delete(call.project_id, params.identity_id)
        return empty()

    def _shape(self, item: Identity) -> dict[str, Any]:
        return shapes.identity(item, self._grants.of(item))


def identities_routes(identities: Identities, grants: GrantSeal) -> list[Route]:
    of = IdentityHandlers(identities, grants)
    list_name, delete_name = "listIdentities", "deleteIdentity"
    return [
        _list("account", list_name, ("account",), of.list_own, Listing),
        _delete("account", delete_name, ("account",), of.delete_own),
        _list("users", list_name, ("users.read",), of.list, SearchListing),
        _delete("users", delete_name, ("users.write",), of.delete),
    ]


def _list(
    service: str, name: str, scopes: tuple[str, ...], handler: Any, params: type[Any]
) -> Route:
    return Route(
        name=f"{service}.{name}",
        method="GET",
        paths=(f"/v1/{service}/identities",),
        scopes=scopes,
        handler=handler,
        params=params,
        model="identityList",
        service=service,
    )


def _delete(service: str, name: str, scopes: tuple[str, ...], handler: Any) -> Route:
    return Route(
        name=f"{service}.{name}",
        method="DELETE",
        paths=(f"/v1/{service}/identities/{{identityId}}",),
        scopes=scopes,
        handler=handler,
        params=OneIdentity,
        status=204,
        service=service,
    )
