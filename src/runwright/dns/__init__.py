"""Adapter: DNS look-ups."""
