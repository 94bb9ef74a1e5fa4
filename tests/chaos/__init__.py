"""The crash rig: `make chaos`. See docs/how-to/chaos.md."""
