"""The log of an account, as JSON."""

from typing import Any

from runwright.api.shapes.identity import client
from runwright.clock import iso_millis
from runwright.identity.activities import Entry


def activity(entry: Entry) -> dict[str, Any]:
    item, user = entry.activity, entry.user
    return {
        "event": item.name,
        "userId": user.id,
        "userEmail": user.email or "",
        "userName": user.name,
        "mode": "admin" if item.done_by == "admin" else "default",
        "userType": item.done_by,
        "ip": item.ip,
        "time": iso_millis(item.created_at),
        **client(item.user_agent),
    }
