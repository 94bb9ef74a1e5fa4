"""Signing in with accounts of other providers: OAuth 2 and OpenID Connect."""
