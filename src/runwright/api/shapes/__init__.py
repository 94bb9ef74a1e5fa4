"""Model values as JSON, in the newest format: one function per response model."""
