"""The hot path: requests to domains, from the raw request to the raw answer."""
