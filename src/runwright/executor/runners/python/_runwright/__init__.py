"""The parts of the Python runner; private to it."""
