"""Webhooks as JSON."""

from typing import Any

from runwright.clock import iso_millis
from runwright.triggers.webhooks import ShownWebhook

Json = dict[str, Any]


def webhook(shown: ShownWebhook, *, with_password: bool) -> Json:
    item = shown.webhook
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "name": item.name,
        "description": item.description,
        "url": item.url,
        "events": list(item.events),
        "tls": item.is_tls_verified,
        "authUsername": item.auth_username,
        "authPassword": shown.auth_password if with_password else "",
        "secret": shown.secret,
        "enabled": item.is_enabled,
        "logs": item.logs,
        "attempts": item.attempts,
    }
