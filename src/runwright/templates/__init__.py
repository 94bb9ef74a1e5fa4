"""Templates that are shipped: a folder each, with `template.json` and a source per language.

The sources are data for deployments. The server never imports them.
"""
