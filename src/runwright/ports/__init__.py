"""The promises between services and adapters; protocols only."""
