"""A device that keeps passkeys, in software: what a browser would hand to a page, as JSON.

It signs whatever it is asked to, and can be told to do it wrong.
"""

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

Json = dict[str, Any]

USER_PRESENT, USER_VERIFIED, HAS_CREDENTIAL = 0x01, 0x04, 0x40


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Kept:
    key: ec.EllipticCurvePrivateKey
    rp_id: str
    user_handle: bytes
    count: int = 0


@dataclass
class Device:
    counts: bool = True  # some devices do not, and say 0 for ever
    verifies_user: bool = True
    is_framed: bool = False  # the page is inside another site's page
    kept: dict[str, Kept] = field(default_factory=dict)  # by credential id

    def create(self, options: Json, origin: str, *, challenge: str = "", rp_id: str = "") -> Json:
        """`navigator.credentials.create({publicKey: options})` on a page of `origin`."""
        party = rp_id or options["rp"]["id"]
        key, credential_id = ec.generate_private_key(ec.SECP256R1()), os.urandom(32)
        kept = Kept(key, party, decoded(options["user"]["id"]), int(self.counts))
        self.kept[encoded(credential_id)] = kept
        numbers = key.public_key().public_numbers()
        cose = {
            1: 2,
            3: -7,
            -1: 1,
            -2: numbers.x.to_bytes(32, "big"),
            -3: numbers.y.to_bytes(32, "big"),
        }
        credential = (
            bytes(16) + len(credential_id).to_bytes(2, "big") + credential_id + cbor2.dumps(cose)
        )
        data = self._data(kept, HAS_CREDENTIAL) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = _client_data(
            "webauthn.create", challenge or options["challenge"], origin, self.is_framed
        )
        return {
            "id": encoded(credential_id),
            "rawId": encoded(credential_id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encoded(client),
                "attestationObject": encoded(attestation),
                "transports": ["internal", "hybrid", "telepathy"],
            },
        }

    def get(
        self,
        options: Json,
        origin: str,
        *,
        challenge: str = "",
        rp_id: str = "",
        handle: bytes = b"",
    ) -> Json:
        """`navigator.credentials.get({publicKey: options})`, with the newest passkey."""
        credential_id, kept = list(self.kept.items())[-1]
        kept.count += int(self.counts)
        data = self._data(kept, 0, rp_id=rp_id)
        client = _client_data(
            "webauthn.get", challenge or options["challenge"], origin, self.is_framed
        )
        signed = data + hashlib.sha256(client).digest()
        return {
            "id": credential_id,
            "rawId": credential_id,
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encoded(client),
                "authenticatorData": encoded(data),
                "signature": encoded(kept.key.sign(signed, ec.ECDSA(SHA256()))),
                "userHandle": encoded(handle or kept.user_handle),
            },
        }

    def _data(self, kept: Kept, flags: int, *, rp_id: str = "") -> bytes:
        flags |= USER_PRESENT | (USER_VERIFIED if self.verifies_user else 0)
        party = hashlib.sha256((rp_id or kept.rp_id).encode()).digest()
        return party + bytes([flags]) + kept.count.to_bytes(4, "big")


def _client_data(kind: str, challenge: str, origin: str, is_framed: bool) -> bytes:
    data = {"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": is_framed}
    return json.dumps(data).encode()
