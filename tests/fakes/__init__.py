"""Stand-ins for adapters, for tests without sockets and processes."""
