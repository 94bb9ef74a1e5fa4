"""Runtimes in containers of the public open-runtimes images, through the Docker Engine API."""
