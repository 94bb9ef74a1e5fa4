"""Somebody who signs ID tokens."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm


@cache
def a_key(name: str) -> RSAPrivateKey:
    """The same one for the same name: making them takes time."""
    return generate_private_key(65537, 2048)


@dataclass
class Issuer:
    url: str
    at: datetime
    kid: str = "first"
    claims: dict[str, Any] = field(default_factory=dict)  # of every token

    def keys(self) -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(a_key(self.kid).public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.kid, "use": "sig", "alg": "RS256"}]}

    def token(self, *, signed_by: str = "", **claims: Any) -> str:
        """`signed_by` names another key; None takes a claim away."""
        every = {
            "iss": self.url,
            "sub": "u-1",
            "iat": int(self.at.timestamp()),
            "exp": int((self.at + timedelta(minutes=5)).timestamp()),
            **self.claims,
            **claims,
        }
        every = {name: value for name, value in every.items() if value is not None}
        key = a_key(signed_by or self.kid)
        return jwt.encode(every, key, algorithm="RS256", headers={"kid": self.kid})

    def unsigned(self, **claims: Any) -> str:
        return jwt.encode(msgspec.json.decode(msgspec.json.encode(claims)), "", algorithm="none")
