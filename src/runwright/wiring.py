"""Settings -> running parts; the only module that knows adapters by name."""
