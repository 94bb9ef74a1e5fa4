"""Password hashes of other systems whose passwords are known. The first ones are those that the
suite of the original server brings users along with; others were published by their makers."""

from typing import Final

from runwright.identity import hashes
from runwright.identity.hashes import Hash

FIREBASE_KEY: Final = (
    "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
)

# name -> (password, hash)
KNOWN: Final[dict[str, tuple[str, Hash]]] = {
    "argon2i": (
        "appwrite",
        hashes.argon2(
            "$argon2i$v=19$m=20,t=3,p=2$YXBwd3JpdGU$A/54i238ed09ZR4NwlACU5XnkjNBZU9QeOEuhjLiexI"
        ),
    ),
    "argon2id": (
        "password",
        hashes.argon2(
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
        ),
    ),
    "md5": ("appwrite", hashes.md5("144fa7eaa4904e8ee120651997f70dcc")),
    "phpass": ("appwrite", hashes.phpass("$P$Br387rwferoKN7uwHZqNMu98q3U8RO.")),
    "wordpress": ("test12345", hashes.phpass("$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0")),
    "phpbb": ("test12345", hashes.phpass("$H$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0")),
    "sha512": (
        "appwrite",
        hashes.sha(
            "4243da0a694e8a2f727c8060fe0507c8fa01ca68146c76d2c190805b638c20c6"
            "bf6ba04e21f11ae138785d0bff63c416e6f87badbffad37f6dee50094cc38c70",
            "sha512",
        ),
    ),
    "scrypt": (
        "appwrite",
        hashes.scrypt(
            "3fdef49701bc4cfaacd551fe017283513284b4731e6945c263246ef948d3cf63"
            "b5d269c31fd697246085111a428245e24a4ddc6b64c687bc60a8910dbafc1d5b",
            salt="appwrite",
            cpu=16384,
            memory=13,
            parallel=2,
            length=64,
        ),
    ),
    "scrypt of RFC 7914": (
        "password",
        hashes.scrypt(
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
            "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
            salt="NaCl",
            cpu=1024,
            memory=8,
            parallel=16,
            length=64,
        ),
    ),
    "scrypt-modified": (
        "appwrite",
        hashes.scrypt_modified(
            "UlM7JiXRcQhzAGlaonpSqNSLIz475WMddOgLjej5De9vxTy48K6WtqlEzrRFeK4t0COfMhWCb8wuMHgxOFCHFQ==",
            salt="UxLMreBr6tYyjQ==",
            separator="Bw==",
            signer_key="XyEKE9RcTDeLEsL/RjwPDBv/RqDl8fb3gpYEOQaPihbxf1ZAtSOHCjuAAa7Q3oHpCYhXSN9tizHgVOwn6krflQ==",
        ),
    ),
    "firebase": (
        "user1password",
        hashes.scrypt_modified(
            "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
            salt="42xEC+ixf3L2lw==",
            separator="Bw==",
            signer_key=FIREBASE_KEY,
        ),
    ),
    "firebase, the other alphabet": (
        "user1password",
        hashes.scrypt_modified(
            "lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ",
            salt="42xEC-ixf3L2lw",
            separator="Bw",
            signer_key=FIREBASE_KEY.replace("+", "-").replace("/", "_").rstrip("="),
        ),
    ),
    "bcrypt 2a": (
        "U*U",
        hashes.bcrypt("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ),
    "bcrypt 2b": (
        "U*U",
        hashes.bcrypt("$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ),
    "bcrypt 2y": (
        "U*U",
        hashes.bcrypt("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ),
    "bcrypt behind phpass": (
        "U*U",
        hashes.phpass("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ),
}
