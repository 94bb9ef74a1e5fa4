"""Providers of a project and identities of its users, as JSON."""

from typing import Any

from runwright.clock import iso_millis, millis_or_empty
from runwright.identity.oauth.grants import Grant
from runwright.identity.oauth.settings import ProviderSettings, every_setting
from runwright.model.identity import Identity, Project

Json = dict[str, Any]


def provider(settings: ProviderSettings) -> Json:
    """Secrets can be set and never read, so they are empty."""
    of = settings.provider
    shown: Json = {
        "$id": of.id,
        "enabled": settings.is_enabled,
        of.client: settings.client,
        of.secret: "",
    }
    if of.prompts:
        shown["prompt"] = settings.prompts
    return shown | {extra.name: settings.value(extra) for extra in of.extras}


def older_providers(project: Project) -> list[Json]:
    """As formats show them in which the project itself carried its providers."""
    return [
        {
            "key": settings.provider.id,
            "name": settings.provider.title,
            "appId": settings.client,
            "secret": "",
            "enabled": settings.is_enabled,
        }
        for settings in every_setting(project)
    ]


def identity(item: Identity, grant: Grant) -> Json:
    """`grant` holds what its reader may see of the provider's tokens."""
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "userId": item.user_id,
        "provider": item.provider,
        "providerUid": item.provider_uid,
        "providerEmail": item.provider_email,
        "providerAccessToken": grant.access_token,
        "providerAccessTokenExpiry": millis_or_empty(grant.expires_at),
        "providerRefreshToken": grant.refresh_token,
        "providerIdToken": grant.id_token,
    }


def of_session(grant: Grant) -> Json:
    """The fields of a session that came of a provider."""
    return {
        "providerAccessToken": grant.access_token,
        "providerAccessTokenExpiry": millis_or_empty(grant.expires_at),
        "providerRefreshToken": grant.refresh_token,
    }
