"""Runwright: self-hosted functions behind the Appwrite Functions API."""

from typing import Final

__version__ = "0.1.0"
API_VERSION: Final = "1.9.6"  # of the Appwrite API that is spoken here
