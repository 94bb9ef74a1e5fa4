"""Why the scenario has no steps for some methods of the SDKs: reason -> methods."""

from collections.abc import Mapping
from typing import Final

REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "apps that are installed into teams need an OAuth2 authorization server, which this is not": (
        "teams.listInstallations",
        "teams.createInstallation",
        "teams.getInstallation",
        "teams.updateInstallation",
        "teams.deleteInstallation",
        "organization.listInstallations",
        "organization.createInstallation",
        "organization.getInstallation",
        "organization.updateInstallation",
        "organization.deleteInstallation",
    ),
    "consents belong to an OAuth2 authorization server, which this is not": (
        "account.listConsents",
        "account.getConsent",
        "account.deleteConsent",
        "account.listConsentTokens",
        "account.getConsentToken",
        "account.deleteConsentToken",
        "project.updateOAuth2Server",
    ),
    "there is no cache between clients and functions": ("proxy.createInvalidation",),
    "no mail is received": ("proxy.createSmtpRule",),
}
