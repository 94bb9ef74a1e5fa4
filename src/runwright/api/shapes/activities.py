"""The log of an account, as JSON."""

from typing import Any

from runwright.clock import iso_millis
from runwright.identity.activities import Entry
from runwright.user_agents import parse_user_agent


def activity(entry: Entry) -> dict[str, Any]:
    item, user = entry.activity, entry.user
    seen = parse_user_agent(item.user_agent)
    return {
        "event": item.name,
        "userId": user.id,
        "userEmail": user.email or "",
        "userName": user.name,
        "mode": "admin" if item.done_by == "admin" else "default",
        "userType": item.done_by,
        "ip": item.ip,
        "time": iso_millis(item.created_at),
        "osCode": seen.os_code,
        "osName": seen.os_name,
        "osVersion": seen.os_version,
        "clientType": seen.client_type,
        "clientCode": seen.client_code,
        "clientName": seen.client_name,
        "clientVersion": seen.client_version,
        "clientEngine": seen.client_engine,
        "clientEngineVersion": "",
        "deviceName": seen.device_name,
        "deviceBrand": seen.device_brand,
        "deviceModel": seen.device_model,
        "countryCode": "--",  # the server has no geographic data
        "countryName": "Unknown",
    }
