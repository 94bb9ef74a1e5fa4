"""The log of an account."""

from typing import Final

from runwright.api.models.kinds import Model, listing, moment, text

LOG: Final = Model(
    name="log",
    about="Something that a user did, or that was done to a user's account.",
    fields=(
        text("event", "What, such as session.create."),
        text("userId", "Whose account."),
        text("userEmail", "The user's email address."),
        text("userName", "The user's name."),
        text("mode", "In what way.", words=("default", "admin")),
        text(
            "userType",
            "By whom.",
            words=("user", "impersonator", "keyProject", "admin", "platform"),
        ),
        text("ip", "From which address."),
        moment("time", "When."),
        text("osCode", "Code of the operating system."),
        text("osName", "Name of the operating system."),
        text("osVersion", "Its version."),
        text("clientType", "Kind of client."),
        text("clientCode", "Code of the client."),
        text("clientName", "Name of the client."),
        text("clientVersion", "Its version."),
        text("clientEngine", "Engine of the client."),
        text("clientEngineVersion", "Always empty."),
        text("deviceName", "Kind of device."),
        text("deviceBrand", "Its brand."),
        text("deviceModel", "Its model."),
        text("countryCode", "Always --: the server has no geographic data."),
        text("countryName", "Always Unknown."),
    ),
)
MODELS: Final = (LOG, listing("logs", LOG))
