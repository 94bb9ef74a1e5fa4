"""Figures, each printed beside its peer's figure from the same run, with their ratio."""
