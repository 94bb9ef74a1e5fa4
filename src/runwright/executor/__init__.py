"""Adapter: here user code runs."""
