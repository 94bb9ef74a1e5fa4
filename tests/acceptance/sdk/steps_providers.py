"""Providers that people sign in with: their settings, and the way to them."""

from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.acceptance.sdk.world import World

# Method -> id of the provider, and what it calls the id and the secret of a client.
PROVIDERS: Final[dict[str, tuple[str, str, str]]] = {
    "project.updateOAuth2Amazon": ("amazon", "clientId", "clientSecret"),
    "project.updateOAuth2Apple": ("apple", "serviceId", "p8File"),
    "project.updateOAuth2Appwrite": ("appwrite", "clientId", "clientSecret"),
    "project.updateOAuth2Auth0": ("auth0", "clientId", "clientSecret"),
    "project.updateOAuth2Authentik": ("authentik", "clientId", "clientSecret"),
    "project.updateOAuth2Autodesk": ("autodesk", "clientId", "clientSecret"),
    "project.updateOAuth2Bitbucket": ("bitbucket", "key", "secret"),
    "project.updateOAuth2Bitly": ("bitly", "clientId", "clientSecret"),
    "project.updateOAuth2Box": ("box", "clientId", "clientSecret"),
    "project.updateOAuth2Cloudflare": ("cloudflare", "clientId", "clientSecret"),
    "project.updateOAuth2Dailymotion": ("dailymotion", "apiKey", "apiSecret"),
    "project.updateOAuth2Discord": ("discord", "clientId", "clientSecret"),
    "project.updateOAuth2Disqus": ("disqus", "publicKey", "secretKey"),
    "project.updateOAuth2Dropbox": ("dropbox", "appKey", "appSecret"),
    "project.updateOAuth2Etsy": ("etsy", "keyString", "sharedSecret"),
    "project.updateOAuth2Facebook": ("facebook", "appId", "appSecret"),
    "project.updateOAuth2Figma": ("figma", "clientId", "clientSecret"),
    "project.updateOAuth2FusionAuth": ("fusionauth", "clientId", "clientSecret"),
    "project.updateOAuth2GitHub": ("github", "clientId", "clientSecret"),
    "project.updateOAuth2Gitlab": ("gitlab", "applicationId", "secret"),
    "project.updateOAuth2Google": ("google", "clientId", "clientSecret"),
    "project.updateOAuth2HuggingFace": ("huggingface", "clientId", "clientSecret"),
    "project.updateOAuth2Kakao": ("kakao", "clientId", "clientSecret"),
    "project.updateOAuth2Keycloak": ("keycloak", "clientId", "clientSecret"),
    "project.updateOAuth2Kick": ("kick", "clientId", "clientSecret"),
    "project.updateOAuth2Linkedin": ("linkedin", "clientId", "primaryClientSecret"),
    "project.updateOAuth2Microsoft": ("microsoft", "applicationId", "applicationSecret"),
    "project.updateOAuth2Notion": ("notion", "oauthClientId", "oauthClientSecret"),
    "project.updateOAuth2Oidc": ("oidc", "clientId", "clientSecret"),
    "project.updateOAuth2Okta": ("okta", "clientId", "clientSecret"),
    "project.updateOAuth2Paypal": ("paypal", "clientId", "secretKey"),
    "project.updateOAuth2PaypalSandbox": ("paypalSandbox", "clientId", "secretKey"),
    "project.updateOAuth2Podio": ("podio", "clientId", "clientSecret"),
    "project.updateOAuth2Resend": ("resend", "clientId", "clientSecret"),
    "project.updateOAuth2Salesforce": ("salesforce", "customerKey", "customerSecret"),
    "project.updateOAuth2Slack": ("slack", "clientId", "clientSecret"),
    "project.updateOAuth2Spotify": ("spotify", "clientId", "clientSecret"),
    "project.updateOAuth2Stripe": ("stripe", "clientId", "apiSecretKey"),
    "project.updateOAuth2TikTok": ("tiktok", "clientId", "clientSecret"),
    "project.updateOAuth2Tradeshift": ("tradeshift", "oauth2ClientId", "oauth2ClientSecret"),
    "project.updateOAuth2TradeshiftSandbox": (
        "tradeshiftBox",
        "oauth2ClientId",
        "oauth2ClientSecret",
    ),
    "project.updateOAuth2Twitch": ("twitch", "clientId", "clientSecret"),
    "project.updateOAuth2Webflow": ("webflow", "clientId", "clientSecret"),
    "project.updateOAuth2WordPress": ("wordpress", "clientId", "clientSecret"),
    "project.updateOAuth2X": ("x", "customerKey", "secretKey"),
    "project.updateOAuth2Yahoo": ("yahoo", "clientId", "clientSecret"),
    "project.updateOAuth2Yandex": ("yandex", "clientId", "clientSecret"),
    "project.updateOAuth2Zoho": ("zoho", "clientId", "clientSecret"),
    "project.updateOAuth2Zoom": ("zoom", "clientId", "clientSecret"),
}
MORE: Final[dict[str, dict[str, Any]]] = {
    "auth0": {"endpoint": "shop.eu.auth0.com"},
    "authentik": {"endpoint": "login.example.com"},
    "fusionauth": {"endpoint": "login.example.com"},
    "gitlab": {"endpoint": "https://gitlab.example.com"},
    "keycloak": {"endpoint": "login.example.com", "realmName": "shop"},
    "microsoft": {"tenant": "common"},
    "oidc": {
        "authorizationURL": "https://login.example.com/authorize",
        "tokenURL": "https://login.example.com/token",
        "userInfoURL": "https://login.example.com/userinfo",
    },
    "okta": {"domain": "shop.okta.com"},
}


def settings_of_providers(world: World) -> None:
    key = world.key
    for method, (provider, client, secret) in PROVIDERS.items():
        if not world.has(method):
            continue
        more = MORE.get(provider, {})
        given = {client: f"id-{provider}", secret: "secret", **more}
        changed = key(method, **given, enabled=False)
        assert changed["$id"] == provider, method
        assert (changed[client], changed[secret]) == (f"id-{provider}", ""), method
        assert {name: changed[name] for name in more} == more, method
    found = key("project.listOAuth2Providers")
    assert found["total"] == len(found["providers"]) >= 40
    shown = key("project.getOAuth2Provider", providerId="gitlab")
    assert (shown["applicationId"], shown["secret"]) == ("id-gitlab", "")


def the_way_to_a_provider(world: World) -> None:
    given = {"clientId": "shop", "clientSecret": "secret", **MORE["oidc"]}
    world.key("project.updateOAuth2Oidc", **given, enabled=True)
    address = world.guest(
        "account.createOAuth2Token",
        provider="oidc",
        success="http://localhost/in",
        failure="http://localhost/out",
    )
    asked = parse_qs(urlsplit(address).query)
    assert address.startswith("https://login.example.com/authorize?")
    assert (asked["client_id"], asked["response_type"]) == (["shop"], ["code"])
    assert asked["redirect_uri"][0].endswith(f"/callback/oidc/{world.project_id}")
