"""Password hashes made with scrypt, plain and as Firebase does it. See `schemes.py`."""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from runwright.identity.schemes import BadCost, Options

MAX_BLOCKS: Final = 2**20  # of 128 bytes, held at once
MAX_WORK: Final = 2**22  # blocks made in all
MIN_BYTES: Final = 16
MAX_BYTES: Final = 1024

_FIREBASE_CPU: Final = 2**14
_FIREBASE_MEMORY: Final = 8
_SPARE_BYTES: Final = 1024 * 1024  # OpenSSL counts its own book-keeping


def scrypt_work(text: str, options: Options) -> None:
    cpu, memory, parallel, length = _numbers(options)
    if cpu < 2 or cpu & (cpu - 1):
        raise BadCost("The CPU cost of scrypt is a power of two greater than 1.")
    if memory < 1 or parallel < 1 or not MIN_BYTES <= length <= MAX_BYTES:
        raise BadCost(
            f"scrypt takes a memory cost and a parallelism of at least 1 and makes {MIN_BYTES} "
            f"to {MAX_BYTES} bytes."
        )
    if cpu * memory > MAX_BLOCKS or cpu * memory * parallel > MAX_WORK:
        raise BadCost(
            f"scrypt hashes may cost at most {MAX_BLOCKS} (CPU times memory) and {MAX_WORK} "
            "(CPU times memory times parallelism)."
        )


def _numbers(options: Options) -> tuple[int, int, int, int]:
    return options["costCpu"], options["costMemory"], options["costParallel"], options["length"]


def scrypt_fits(password: str, text: str, options: Options) -> bool:
    cpu, memory, parallel, length = _numbers(options)
    wanted = binascii.unhexlify(text)
    if len(wanted) != length:
        return False
    made = _scrypt(password, options["salt"].encode(), cpu, memory, parallel, length)
    return hmac.compare_digest(made, wanted)


def scrypt_modified_fits(password: str, text: str, options: Options) -> bool:
    """Firebase makes a key with scrypt and encrypts the signer key of its project with it."""
    salt = _bytes(options["salt"]) + _bytes(options["saltSeparator"])
    signer_key, wanted = _bytes(options["signerKey"]), _bytes(text)
    if len(wanted) != len(signer_key):
        return False
    made = _scrypt(password, salt, _FIREBASE_CPU, _FIREBASE_MEMORY, 1, 64)
    encryptor = Cipher(algorithms.AES(made[:32]), modes.CTR(bytes(16))).encryptor()
    return hmac.compare_digest(encryptor.update(signer_key) + encryptor.finalize(), wanted)


def _scrypt(password: str, salt: bytes, cpu: int, memory: int, parallel: int, length: int) -> bytes:
    return hashlib.scrypt(
        password.encode(),
        salt=salt,
        n=cpu,
        r=memory,
        p=parallel,
        dklen=length,
        maxmem=128 * memory * (cpu + parallel + 2) + _SPARE_BYTES,
    )


def _bytes(text: str) -> bytes:
    """Base64 of either alphabet, padded or not. Raises ValueError."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
