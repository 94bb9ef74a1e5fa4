"""The durable queue: rows beside the executions that they belong to."""
