"""Webhooks of a project."""

import json

from tests.acceptance.sdk.world import World

ADDRESS = "https://hooks.example.com/in"


def webhooks_and_their_secrets(world: World) -> None:
    key, fields = world.key, {"url": ADDRESS, "events": ["custom.never"]}
    made = key("webhooks.create", webhookId="hook", name="Hook", authUsername="ann", **fields)
    assert len(made["secret"]) == 128
    without_tls = json.dumps({"method": "equal", "attribute": "tls", "values": [False]})
    assert key("webhooks.list", queries=[without_tls])["total"] == 1
    assert key("webhooks.get", webhookId="hook")["secret"] == ""
    changed = key("webhooks.update", webhookId="hook", name="New", enabled=False, **fields)
    assert (changed["name"], changed["enabled"]) == ("New", False)
    chosen = key("webhooks.updateSecret", webhookId="hook", secret="a new secret")
    assert chosen["secret"] == "a new secret"
    key("webhooks.delete", webhookId="hook")
    key.refused("webhooks.get", 404, "webhook_not_found", webhookId="hook")
