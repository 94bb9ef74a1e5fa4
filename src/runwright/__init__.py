"""Runwright: self-hosted functions behind the Appwrite Functions API."""

__version__ = "0.1.0"
