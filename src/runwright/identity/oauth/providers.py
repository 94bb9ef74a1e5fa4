"""The table of providers. Everything about them is driven from here: the routes of their settings,
where people are sent, how a code is traded, where the facts about a person stand.

Addresses may hold `{name}`, a setting of the provider in the project. Paths into an answer are
written `data.0.id`; a part `*primary` means the first member of a list in which `primary` is true,
and `|` stands between paths of which the first that leads to something counts.
An address of a person counts as verified only where the provider says so for each person, so
a provider without `verified` never leads into an account that exists already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

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


_OPENID: Final = ("openid", "profile", "email")
_NATIVE: Final = (
    Extra(name="nativeEnabled", kind="bool"),
    Extra(name="nativeClientIds", kind="list"),
)


def _claims(address: str) -> Profile:
    """The user info endpoint of OpenID Connect."""
    return Profile(address=address, name="name|preferred_username", verified="email_verified")


_GITHUB: Final = Provider(
    id="github",
    title="GitHub",
    prompts=("select_account",),
    authorize="https://github.com/login/oauth/authorize",
    token="https://github.com/login/oauth/access_token",
    profile=Profile(
        address="https://api.github.com/user",
        more="https://api.github.com/user/emails",
        headers=(("X-GitHub-Api-Version", "2022-11-28"),),
        uid="id",
        email="more.*primary.email|email",
        name="name|login",
        verified="more.*primary.verified",
    ),
    scopes=("user:email",),
    has_pkce=True,
)
_PAYPAL: Final = Provider(
    id="paypal",
    title="Paypal",
    secret="secretKey",
    authorize="https://www.paypal.com/signin/authorize",
    token="https://api-m.paypal.com/v1/oauth2/token",
    profile=Profile(
        address="https://api-m.paypal.com/v1/identity/oauth2/userinfo?schema=paypalv1.1",
        uid="user_id",
        email="emails.*primary.value",
        verified="emails.*primary.confirmed",
    ),
    scopes=_OPENID,
    is_basic=True,
)
_TRADESHIFT: Final = Provider(
    id="tradeshift",
    title="Tradeshift",
    client="oauth2ClientId",
    secret="oauth2ClientSecret",
    authorize="https://api.tradeshift.com/tradeshift/auth/login",
    token="https://api.tradeshift.com/tradeshift/auth/token",
    profile=Profile(
        address="https://api.tradeshift.com/tradeshift/rest/external/account/info/user",
        uid="Id",
        email="Username",
        name="FirstName",
    ),
    scopes=_OPENID,
    is_basic=True,
)

_ALL: Final = (
    _GITHUB,
    Provider(
        id="discord",
        title="Discord",
        prompts=("none", "consent"),
        authorize="https://discord.com/oauth2/authorize",
        token="https://discord.com/api/oauth2/token",
        profile=Profile(
            address="https://discord.com/api/users/@me",
            uid="id",
            name="global_name|username",
            verified="verified",
        ),
        scopes=("identify", "email"),
        has_pkce=True,
    ),
    Provider(
        id="figma",
        title="Figma",
        authorize="https://www.figma.com/oauth",
        token="https://api.figma.com/v1/oauth/token",
        profile=Profile(address="https://api.figma.com/v1/me", uid="id", name="handle"),
        scopes=("current_user:read",),
        is_basic=True,
    ),
    Provider(
        id="dropbox",
        title="Dropbox",
        client="appKey",
        secret="appSecret",
        authorize="https://www.dropbox.com/oauth2/authorize",
        token="https://api.dropboxapi.com/oauth2/token",
        profile=Profile(
            address="https://api.dropboxapi.com/2/users/get_current_account",
            method="POST",
            uid="account_id",
            name="name.display_name",
            verified="email_verified",
        ),
        scopes=("account_info.read",),
        query=(("token_access_type", "offline"),),
        has_pkce=True,
    ),
    Provider(
        id="dailymotion",
        title="Dailymotion",
        client="apiKey",
        secret="apiSecret",
        authorize="https://www.dailymotion.com/oauth/authorize",
        token="https://api.dailymotion.com/oauth/token",
        profile=Profile(
            address="https://api.dailymotion.com/user/me?fields=id,email,screenname",
            uid="id",
            name="screenname",
        ),
        scopes=("userinfo", "email"),
    ),
    Provider(
        id="bitbucket",
        title="Bitbucket",
        client="key",
        secret="secret",
        authorize="https://bitbucket.org/site/oauth2/authorize",
        token="https://bitbucket.org/site/oauth2/access_token",
        profile=Profile(
            address="https://api.bitbucket.org/2.0/user",
            more="https://api.bitbucket.org/2.0/user/emails",
            uid="uuid",
            email="more.values.*is_primary.email",
            name="display_name",
            verified="more.values.*is_primary.is_confirmed",
        ),
        scopes=("account", "email"),
        is_basic=True,
    ),
    Provider(
        id="bitly",
        title="Bitly",
        authorize="https://bitly.com/oauth/authorize",
        token="https://api-ssl.bitly.com/oauth/access_token",
        profile=Profile(
            address="https://api-ssl.bitly.com/v4/user",
            uid="login",
            email="emails.*is_primary.email",
            verified="emails.*is_primary.is_verified",
        ),
    ),
    Provider(
        id="box",
        title="Box",
        authorize="https://account.box.com/api/oauth2/authorize",
        token="https://api.box.com/oauth2/token",
        profile=Profile(address="https://api.box.com/2.0/users/me", uid="id", email="login"),
    ),
    Provider(
        id="autodesk",
        title="Autodesk",
        authorize="https://developer.api.autodesk.com/authentication/v2/authorize",
        token="https://developer.api.autodesk.com/authentication/v2/token",
        profile=_claims("https://api.userprofile.autodesk.com/userinfo"),
        scopes=("user-profile:read",),
        is_basic=True,
        has_pkce=True,
    ),
    Provider(
        id="google",
        title="Google",
        extras=_NATIVE,
        prompts=("none", "consent", "select_account"),
        authorize="https://accounts.google.com/o/oauth2/v2/auth",
        token="https://oauth2.googleapis.com/token",
        profile=_claims("https://openidconnect.googleapis.com/v1/userinfo"),
        scopes=_OPENID,
        query=(("access_type", "offline"),),
        has_pkce=True,
        issuer="https://accounts.google.com",
        keys="https://www.googleapis.com/oauth2/v3/certs",
        is_native=True,
    ),
    Provider(
        id="zoom",
        title="Zoom",
        authorize="https://zoom.us/oauth/authorize",
        token="https://zoom.us/oauth/token",
        profile=Profile(
            address="https://api.zoom.us/v2/users/me",
            uid="id",
            name="display_name",
            verified="verified",
        ),
        scopes=("user:read:user", "user:read:email"),
        is_basic=True,
        has_pkce=True,
    ),
    Provider(
        id="zoho",
        title="Zoho",
        prompts=("consent",),
        authorize="https://accounts.zoho.com/oauth/v2/auth",
        token="https://accounts.zoho.com/oauth/v2/token",
        profile=_claims("https://accounts.zoho.com/oauth/v2/userinfo"),
        scopes=_OPENID,
        query=(("access_type", "offline"),),
    ),
    Provider(
        id="yandex",
        title="Yandex",
        authorize="https://oauth.yandex.com/authorize",
        token="https://oauth.yandex.com/token",
        profile=Profile(
            address="https://login.yandex.ru/info?format=json",
            scheme="OAuth",
            uid="id",
            email="default_email",
            name="display_name",
        ),
    ),
    Provider(
        id="x",
        title="X",
        client="customerKey",
        secret="secretKey",
        authorize="https://x.com/i/oauth2/authorize",
        token="https://api.x.com/2/oauth2/token",
        profile=Profile(
            address="https://api.x.com/2/users/me?user.fields=confirmed_email",
            uid="data.id",
            email="data.confirmed_email",
            name="data.name",
            verified="data.confirmed_email",
        ),
        scopes=("users.read", "users.email", "tweet.read", "offline.access"),
        is_basic=True,
        has_pkce=True,
    ),
    Provider(
        id="wordpress",
        title="WordPress",
        authorize="https://public-api.wordpress.com/oauth2/authorize",
        token="https://public-api.wordpress.com/oauth2/token",
        profile=Profile(
            address="https://public-api.wordpress.com/rest/v1.1/me",
            uid="ID",
            name="display_name",
            verified="email_verified",
        ),
        scopes=("auth",),
    ),
    Provider(
        id="webflow",
        title="Webflow",
        authorize="https://webflow.com/oauth/authorize",
        token="https://api.webflow.com/oauth/access_token",
        profile=Profile(
            address="https://api.webflow.com/v2/token/authorized_by", uid="id", name="firstName"
        ),
        scopes=("authorized_user:read",),
    ),
    Provider(
        id="twitch",
        title="Twitch",
        authorize="https://id.twitch.tv/oauth2/authorize",
        token="https://id.twitch.tv/oauth2/token",
        profile=Profile(
            address="https://api.twitch.tv/helix/users",
            headers=(("Client-Id", "{client}"),),
            uid="data.0.id",
            email="data.0.email",
            name="data.0.display_name",
            verified="data.0.email",  # it is there only when it is verified
        ),
        scopes=("user:read:email",),
    ),
    Provider(
        id="stripe",
        title="Stripe",
        secret="apiSecretKey",
        authorize="https://connect.stripe.com/oauth/authorize",
        token="https://connect.stripe.com/oauth/token",
        profile=Profile(
            address="https://api.stripe.com/v1/account",
            uid="id",
            name="settings.dashboard.display_name",
        ),
        scopes=("read_write",),
    ),
    Provider(
        id="spotify",
        title="Spotify",
        authorize="https://accounts.spotify.com/authorize",
        token="https://accounts.spotify.com/api/token",
        profile=Profile(address="https://api.spotify.com/v1/me", uid="id", name="display_name"),
        scopes=("user-read-email",),
        is_basic=True,
        has_pkce=True,
    ),
    Provider(
        id="slack",
        title="Slack",
        authorize="https://slack.com/openid/connect/authorize",
        token="https://slack.com/api/openid.connect.token",
        profile=_claims("https://slack.com/api/openid.connect.userInfo"),
        scopes=_OPENID,
    ),
    Provider(
        id="podio",
        title="Podio",
        authorize="https://podio.com/oauth/authorize",
        token="https://podio.com/oauth/token",
        profile=Profile(
            address="https://api.podio.com/user/status",
            scheme="OAuth2",
            uid="user.user_id",
            email="user.mail",
            name="profile.name",
        ),
    ),
    Provider(
        id="notion",
        title="Notion",
        client="oauthClientId",
        secret="oauthClientSecret",
        authorize="https://api.notion.com/v1/oauth/authorize",
        token="https://api.notion.com/v1/oauth/token",
        profile=Profile(
            address="https://api.notion.com/v1/users/me",
            headers=(("Notion-Version", "2022-06-28"),),
            uid="bot.owner.user.id",
            email="bot.owner.user.person.email",
            name="bot.owner.user.name",
        ),
        query=(("owner", "user"),),
        is_basic=True,
        is_json=True,
    ),
    Provider(
        id="salesforce",
        title="Salesforce",
        client="customerKey",
        secret="customerSecret",
        prompts=("login", "consent"),
        authorize="https://login.salesforce.com/services/oauth2/authorize",
        token="https://login.salesforce.com/services/oauth2/token",
        profile=replace(
            _claims("https://login.salesforce.com/services/oauth2/userinfo"), uid="user_id"
        ),
        scopes=_OPENID,
        has_pkce=True,
    ),
    Provider(
        id="yahoo",
        title="Yahoo",
        authorize="https://api.login.yahoo.com/oauth2/request_auth",
        token="https://api.login.yahoo.com/oauth2/get_token",
        profile=_claims("https://api.login.yahoo.com/openid/v1/userinfo"),
        scopes=_OPENID,
        is_basic=True,
    ),
    Provider(
        id="linkedin",
        title="Linkedin",
        secret="primaryClientSecret",
        authorize="https://www.linkedin.com/oauth/v2/authorization",
        token="https://www.linkedin.com/oauth/v2/accessToken",
        profile=_claims("https://api.linkedin.com/v2/userinfo"),
        scopes=_OPENID,
    ),
    Provider(
        id="disqus",
        title="Disqus",
        client="publicKey",
        secret="secretKey",
        authorize="https://disqus.com/api/oauth/2.0/authorize/",
        token="https://disqus.com/api/oauth/2.0/access_token/",
        profile=Profile(
            address=(
                "https://disqus.com/api/3.0/users/details.json"
                "?access_token={access}&api_key={client}&api_secret={secret}"
            ),
            uid="response.id",
            email="response.email",
            name="response.name",
        ),
        scopes=("read", "email"),
        scope_joint=",",
    ),
    Provider(
        id="amazon",
        title="Amazon",
        authorize="https://www.amazon.com/ap/oa",
        token="https://api.amazon.com/auth/o2/token",
        profile=Profile(address="https://api.amazon.com/user/profile", uid="user_id"),
        scopes=("profile",),
    ),
    Provider(
        id="etsy",
        title="Etsy",
        client="keyString",
        secret="sharedSecret",
        authorize="https://www.etsy.com/oauth/connect",
        token="https://api.etsy.com/v3/public/oauth/token",
        profile=Profile(
            address="https://api.etsy.com/v3/application/users/me",
            more="https://api.etsy.com/v3/application/users/{uid}",
            headers=(("x-api-key", "{client}"),),
            uid="user_id",
            email="more.primary_email",
            name="more.first_name",
        ),
        scopes=("email_r", "profile_r"),
        has_pkce=True,
    ),
    Provider(
        id="facebook",
        title="Facebook",
        client="appId",
        secret="appSecret",
        authorize="https://www.facebook.com/v21.0/dialog/oauth",
        token="https://graph.facebook.com/v21.0/oauth/access_token",
        profile=Profile(
            address="https://graph.facebook.com/v21.0/me?fields=id,name,email", uid="id"
        ),
        scopes=("email", "public_profile"),
    ),
    _TRADESHIFT,
    replace(
        _TRADESHIFT,
        id="tradeshiftBox",
        title="TradeshiftSandbox",
        authorize="https://api-sandbox.tradeshift.com/tradeshift/auth/login",
        token="https://api-sandbox.tradeshift.com/tradeshift/auth/token",
        profile=replace(
            _TRADESHIFT.profile,
            address="https://api-sandbox.tradeshift.com/tradeshift/rest/external/account/info/user",
        ),
    ),
    _PAYPAL,
    replace(
        _PAYPAL,
        id="paypalSandbox",
        title="PaypalSandbox",
        authorize="https://www.sandbox.paypal.com/signin/authorize",
        token="https://api-m.sandbox.paypal.com/v1/oauth2/token",
        profile=replace(
            _PAYPAL.profile,
            address="https://api-m.sandbox.paypal.com/v1/identity/oauth2/userinfo?schema=paypalv1.1",
        ),
    ),
    Provider(
        id="gitlab",
        title="Gitlab",
        client="applicationId",
        secret="secret",
        extras=(Extra(name="endpoint", old="endpoint", kind="host", default="https://gitlab.com"),),
        authorize="{endpoint}/oauth/authorize",
        token="{endpoint}/oauth/token",
        profile=Profile(address="{endpoint}/api/v4/user", uid="id", verified="confirmed_at"),
        scopes=("read_user",),
        has_pkce=True,
    ),
    Provider(
        id="appwrite",
        title="Appwrite",
        why_not="its endpoints belong to a hosted service whose addresses are not published",
    ),
    Provider(
        id="authentik",
        title="Authentik",
        extras=(Extra(name="endpoint", old="authentikDomain", kind="host", is_needed=True),),
        authorize="{endpoint}/application/o/authorize/",
        token="{endpoint}/application/o/token/",
        profile=_claims("{endpoint}/application/o/userinfo/"),
        scopes=(*_OPENID, "offline_access"),
        has_pkce=True,
    ),
    Provider(
        id="auth0",
        title="Auth0",
        extras=(Extra(name="endpoint", old="auth0Domain", kind="host", is_needed=True),),
        prompts=("none", "login", "consent"),
        authorize="{endpoint}/authorize",
        token="{endpoint}/oauth/token",
        profile=_claims("{endpoint}/userinfo"),
        scopes=(*_OPENID, "offline_access"),
        has_pkce=True,
    ),
    Provider(
        id="fusionauth",
        title="FusionAuth",
        extras=(Extra(name="endpoint", old="fusionAuthDomain", kind="host", is_needed=True),),
        authorize="{endpoint}/oauth2/authorize",
        token="{endpoint}/oauth2/token",
        profile=_claims("{endpoint}/oauth2/userinfo"),
        scopes=(*_OPENID, "offline_access"),
        has_pkce=True,
    ),
    Provider(
        id="keycloak",
        title="Keycloak",
        extras=(
            Extra(name="endpoint", old="keycloakDomain", kind="host", is_needed=True),
            Extra(name="realmName", old="keycloakRealm", is_needed=True),
        ),
        authorize="{endpoint}/realms/{realmName}/protocol/openid-connect/auth",
        token="{endpoint}/realms/{realmName}/protocol/openid-connect/token",
        profile=_claims("{endpoint}/realms/{realmName}/protocol/openid-connect/userinfo"),
        scopes=_OPENID,
        has_pkce=True,
    ),
    Provider(
        id="oidc",
        title="Oidc",
        extras=(
            Extra(name="wellKnownURL", old="wellKnownEndpoint", kind="address"),
            Extra(name="authorizationURL", old="authorizationEndpoint", kind="address"),
            Extra(name="tokenURL", old="tokenEndpoint", kind="address"),
            Extra(name="userInfoURL", old="userInfoEndpoint", kind="address"),
            Extra(name="maxAge", kind="seconds"),
        ),
        prompts=("none", "login", "consent", "select_account"),
        authorize="{authorizationURL}",
        token="{tokenURL}",
        profile=_claims("{userInfoURL}"),
        scopes=_OPENID,
        has_pkce=True,
        is_discovered=True,
    ),
    Provider(
        id="apple",
        title="Apple",
        client="serviceId",
        secret="p8File",
        extras=(
            Extra(name="keyId", old="keyID", is_needed=True, is_secret=True),
            Extra(name="teamId", old="teamID", is_needed=True, is_secret=True),
            *_NATIVE,
        ),
        authorize="https://appleid.apple.com/auth/authorize",
        token="https://appleid.apple.com/auth/token",
        profile=Profile(verified="email_verified"),
        scopes=("name", "email"),
        query=(("response_mode", "form_post"),),
        is_signed=True,
        issuer="https://appleid.apple.com",
        keys="https://appleid.apple.com/auth/keys",
        is_native=True,
        needs_nonce=True,
    ),
    Provider(
        id="okta",
        title="Okta",
        extras=(
            Extra(name="domain", old="oktaDomain", kind="host", is_needed=True),
            Extra(name="authorizationServerId", old="authorizationServerId", default="default"),
        ),
        prompts=("none", "login", "consent"),
        authorize="{domain}/oauth2/{authorizationServerId}/v1/authorize",
        token="{domain}/oauth2/{authorizationServerId}/v1/token",
        profile=_claims("{domain}/oauth2/{authorizationServerId}/v1/userinfo"),
        scopes=(*_OPENID, "offline_access"),
        has_pkce=True,
    ),
    Provider(
        id="kick",
        title="Kick",
        authorize="https://id.kick.com/oauth/authorize",
        token="https://id.kick.com/oauth/token",
        profile=Profile(
            address="https://api.kick.com/public/v1/users",
            uid="data.0.user_id",
            email="data.0.email",
            name="data.0.name",
        ),
        scopes=("user:read",),
        has_pkce=True,
    ),
    Provider(
        id="microsoft",
        title="Microsoft",
        client="applicationId",
        secret="applicationSecret",
        extras=(Extra(name="tenant", old="tenantID", default="common"),),
        prompts=("none", "login", "consent", "select_account"),
        authorize="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
        token="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        # Whoever runs a tenant writes any address into `mail`: it proves nothing.
        profile=Profile(
            address="https://graph.microsoft.com/v1.0/me",
            uid="id",
            email="mail|userPrincipalName",
            name="displayName",
        ),
        scopes=("offline_access", "user.read"),
        has_pkce=True,
    ),
    Provider(
        id="huggingface",
        title="HuggingFace",
        authorize="https://huggingface.co/oauth/authorize",
        token="https://huggingface.co/oauth/token",
        profile=_claims("https://huggingface.co/oauth/userinfo"),
        scopes=_OPENID,
        has_pkce=True,
    ),
    Provider(
        id="resend",
        title="Resend",
        why_not="its endpoints are not published",
    ),
    Provider(
        id="cloudflare",
        title="Cloudflare",
        authorize="https://dash.cloudflare.com/oauth2/auth",
        token="https://dash.cloudflare.com/oauth2/token",
        profile=Profile(
            address="https://api.cloudflare.com/client/v4/user",
            uid="result.id",
            email="result.email",
            name="result.first_name",
        ),
        scopes=("user:read", "offline_access"),
        has_pkce=True,
    ),
    Provider(
        id="tiktok",
        title="TikTok",
        authorize="https://www.tiktok.com/v2/auth/authorize/",
        token="https://open.tiktokapis.com/v2/oauth/token/",
        profile=Profile(
            address="https://open.tiktokapis.com/v2/user/info/?fields=open_id,display_name",
            uid="data.user.open_id",
            email="data.user.email",
            name="data.user.display_name",
        ),
        scopes=("user.info.basic",),
        scope_joint=",",
        client_name="client_key",
    ),
    Provider(
        id="kakao",
        title="Kakao",
        prompts=("none", "login", "create", "select_account"),
        authorize="https://kauth.kakao.com/oauth/authorize",
        token="https://kauth.kakao.com/oauth/token",
        profile=Profile(
            address="https://kapi.kakao.com/v2/user/me",
            uid="id",
            email="kakao_account.email",
            name="kakao_account.profile.nickname",
            verified="kakao_account.is_email_verified",
        ),
        scopes=("account_email", "profile_nickname"),
        scope_joint=",",
    ),
)

PROVIDERS: Final[Mapping[str, Provider]] = {item.id: item for item in _ALL}
GONE: Final = ("yammer",)  # names that clients know and that lead nowhere any more
NATIVE: Final = tuple(item.id for item in _ALL if item.is_native)


def github_at(base: str) -> Provider:
    """GitHub Enterprise Server, whose API stands beside its pages."""
    api = f"{base}/api/v3"
    return replace(
        _GITHUB,
        authorize=f"{base}/login/oauth/authorize",
        token=f"{base}/login/oauth/access_token",
        profile=replace(_GITHUB.profile, address=f"{api}/user", more=f"{api}/user/emails"),
    )
