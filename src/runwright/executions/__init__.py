"""Running it: synchronous executions, their records, and what may be read and deleted."""
