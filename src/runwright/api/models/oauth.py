"""Providers that people sign in with, and their accounts there."""

from typing import Final

from runwright.api.models.kinds import (
    ROW,
    Field,
    Kind,
    Model,
    flag,
    listing,
    moment,
    text,
    texts,
)
from runwright.identity.oauth.provider import Extra, Provider
from runwright.identity.oauth.providers import PROVIDERS

IDENTITY: Final = Model(
    name="identity",
    about="A user's account with another provider.",
    fields=(
        *ROW,
        text("userId", "The user."),
        text("provider", "The provider."),
        text("providerUid", "The id that the user has there."),
        text("providerEmail", "The email address that the provider knows, or empty."),
        text("providerAccessToken", "The newest access token of the provider."),
        moment("providerAccessTokenExpiry", "When that ends; empty if not known.", empty=True),
        text("providerRefreshToken", "What gets a new one, or empty."),
        text("providerIdToken", "The ID token of the newest sign-in without a browser."),
    ),
)


def _extra(extra: Extra) -> Field:
    about = "Always empty: it can be set and not read." if extra.is_secret else "A setting of it."
    if extra.kind == "list":
        return texts(extra.name, about)
    if extra.kind == "bool":
        return flag(extra.name, about)
    if extra.kind == "seconds":
        return Field(name=extra.name, about=about, kind=Kind.NUMBER, is_nullable=True)
    return text(extra.name, about)


def _provider(provider: Provider) -> Model:
    prompts = texts("prompt", "What it is to ask people for.", words=provider.prompts)
    return Model(
        name=f"oAuth2{provider.title}",
        about=f"How people sign in with {provider.title}.",
        fields=(
            text("$id", "Its id.", words=(provider.id,)),
            flag("enabled", "Whether people can sign in with it."),
            text(provider.client, "Id of the project's client there."),
            text(provider.secret, "Always empty: it can be set and not read."),
            *((prompts,) if provider.prompts else ()),
            *map(_extra, provider.extras),
        ),
    )


PROVIDER: Final = Model(
    name="oAuth2Provider",
    about="How people sign in with a provider.",
    tag="$id",
    variants={provider.id: _provider(provider) for provider in PROVIDERS.values()},
)

MODELS: Final = (
    IDENTITY,
    listing("identities", IDENTITY),
    PROVIDER,
    listing("providers", PROVIDER),
)
