"""Adapter: requests that leave this server for addresses which its users chose."""
