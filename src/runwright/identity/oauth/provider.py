"""What has to be known of a provider, so that everything about it can be driven from a table.

Addresses may hold `{name}`, a setting of the provider in the project. Paths into an answer are
written `data.0.id`; a part `*primary` means the first member of a list in which `primary` is true,
and `|` stands between paths of which the first that leads to something counts.
"""

from typing import Literal

from runwright.values import dataclass

Kind = Literal["text", "address", "host", "list", "bool", "seconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """A setting besides the client's id and secret."""

    name: str  # on the wire
    old: str = ""  # in the JSON that the older route takes for a secret
    kind: Kind = "text"
    is_needed: bool = False  # to be switched on
    is_secret: bool = False  # sealed, never shown
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where the facts about a person come from. Without an address: from the ID token."""

    address: str = ""
    more: str = ""  # another one, whose answer stands under `more`
    method: Literal["GET", "POST"] = "GET"
    scheme: str = "Bearer"
    headers: tuple[tuple[str, str], ...] = ()  # values may hold `{client}`
    uid: str = "sub"
    email: str = "email"
    name: str = "name"
    verified: str = ""  # "" = the provider does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    id: str
    title: str  # as the SDKs write it in names of methods
    client: str = "clientId"  # names on the wire
    secret: str = "clientSecret"
    extras: tuple[Extra, ...] = ()
    prompts: tuple[str, ...] = ()
    authorize: str = ""  # "" = people cannot sign in with it, see `why_not`
    token: str = ""
    profile: Profile = Profile()
    scopes: tuple[str, ...] = ()
    scope_joint: str = " "
    query: tuple[tuple[str, str], ...] = ()  # more of it for the authorization address
    client_name: str = "client_id"  # of the parameter that names the client
    is_basic: bool = False  # the client proves itself by basic authorization
    is_json: bool = False  # the token endpoint takes JSON
    has_pkce: bool = False
    is_signed: bool = False  # the secret is a key that signs short-lived ones
    issuer: str = ""  # of ID tokens; "" = there are none that we look at
    keys: str = ""  # where the issuer publishes its keys
    is_native: bool = False  # apps may hand in ID tokens that they got themselves
    needs_nonce: bool = False  # with them
    is_discovered: bool = False  # endpoints are settings, or found at its well-known address
    why_not: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names on the wire in the order in which they are shown."""
        names = [self.client, self.secret]
        names += ["prompt"] if self.prompts else []
        return (*names, *(extra.name for extra in self.extras))

    @property
    def can_sign_in(self) -> bool:
        return bool(self.authorize)
