"""Adapter: signals within one process, later between hosts."""
