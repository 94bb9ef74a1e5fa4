"""The command line; everything but `serve` speaks the public API only."""
