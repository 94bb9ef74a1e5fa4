"""Open connections that are told of events as they happen."""
