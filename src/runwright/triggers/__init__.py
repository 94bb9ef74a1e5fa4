"""What starts runs without a caller: events and schedules. And what is told of events."""
