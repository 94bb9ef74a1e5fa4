"""Adapters of the storage port: SQL through SQLAlchemy Core, blobs through obstore."""
