"""Encryption of a bundle: scrypt (RFC 7914) derives the key, AES-256-GCM (NIST SP 800-38D) encrypts.

Both are those of the `cryptography` library. The header can be read without the passphrase; it is
authenticated as well, so that a change of a single bit anywhere is detected::

    NIMBUS-BUNDLE  |  length of the header, 4 bytes, big-endian  |  header, JSON  |  encrypted content
"""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nimbus_sdk.errors import (
    ConfigurationError,
    CoreIncompatibleError,
    CoreIntegrityError,
    MissingLibraryError,
)
from nimbus_sdk.errors.environment import install_hint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MAGIC = b"NIMBUS-BUNDLE"
FORMAT = 1
SHORTEST_PASSPHRASE = 12
LONGEST_HEADER = 64 * 1024
# 2**15 blocks of 1 KiB, 32 MiB for each guess: what RFC 7914 and OWASP recommend for a secret at rest.
WORK, BLOCK, LANES = 2**15, 8, 3
# The header is untrusted until the content was decrypted: it can cost at most 128 MiB and a few seconds.
_MOST_WORK, _MOST_LANES = 2**17, 4
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32


@dataclass(frozen=True, slots=True)
class EncryptedBundle:
    """A bundle as it is on disk: a readable header and encrypted content."""

    header: Mapping[str, Any]
    header_bytes: bytes
    content: bytes


def require_usable(passphrase: str) -> None:
    """Make sure that ``encrypt`` accepts a passphrase, before the content is fetched.

    Raises:
        ConfigurationError: The passphrase is too short or not text, or the ``bundle`` extra is not installed.
    """
    if len(_normal(passphrase)) < SHORTEST_PASSPHRASE:
        raise ConfigurationError(
            f"The passphrase has fewer than {SHORTEST_PASSPHRASE} characters.",
            hint="Whoever has the file can try passphrases without limit: use several words.",
        )
    _load_library()


def encrypt(facts: Mapping[str, object], content: bytes, passphrase: str) -> bytes:
    """Encrypt content, and authenticate facts with it, which are readable without the passphrase.

    Raises:
        ConfigurationError: As for ``require_usable``.
    """
    require_usable(passphrase)
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    header = {
        "format": FORMAT,
        "scrypt": {"n": WORK, "r": BLOCK, "p": LANES, "salt": salt.hex()},
        "nonce": nonce.hex(),
        "facts": dict(facts),
    }
    header_bytes = json.dumps(header, sort_keys=True).encode()
    cipher = _cipher(passphrase, salt, WORK, BLOCK, LANES)
    length = len(header_bytes).to_bytes(4, "big")
    return MAGIC + length + header_bytes + cipher.encrypt(nonce, content, header_bytes)


def read_header(data: bytes) -> EncryptedBundle:
    """Read the header of a bundle, which is not to be trusted before ``decrypt`` has succeeded.

    Raises:
        CoreIntegrityError: It is not a bundle, or was damaged.
    """
    start = len(MAGIC) + 4
    length = int.from_bytes(data[len(MAGIC) : start], "big")
    if not data.startswith(MAGIC) or not 0 < length <= LONGEST_HEADER or len(data) < start + length:
        raise damaged("it does not start like a bundle")
    header_bytes = data[start : start + length]
    try:
        header = json.loads(header_bytes)
    except (ValueError, RecursionError):
        raise damaged("its header cannot be read") from None
    version = header.get("format") if isinstance(header, dict) else None
    if type(version) is int and version > FORMAT:
        raise CoreIncompatibleError(
            "This bundle was written by a newer version of the SDK.", hint="Update the SDK on this machine."
        )
    if not isinstance(header, dict) or version != FORMAT:
        raise damaged("its format is not known")
    return EncryptedBundle(header, header_bytes, data[start + length :])


def decrypt(bundle: EncryptedBundle, passphrase: str) -> bytes:
    """Decrypt the content.

    Raises:
        CoreIntegrityError: The passphrase is wrong, or the file was changed.
        ConfigurationError: The passphrase is not text, or the ``bundle`` extra is not installed.
    """
    try:
        costs = bundle.header["scrypt"]
        work, block, lanes = costs["n"], costs["r"], costs["p"]
        salt, nonce = bytes.fromhex(costs["salt"]), bytes.fromhex(str(bundle.header["nonce"]))
    except (KeyError, TypeError, ValueError):
        raise damaged("its header is incomplete") from None
    if {type(work), type(block), type(lanes)} != {int} or len(nonce) != _NONCE_BYTES:
        raise damaged("its header is incomplete")
    cheap = 2**14 <= work <= _MOST_WORK and block == BLOCK and 1 <= lanes <= _MOST_LANES
    if not cheap or work & (work - 1):
        raise damaged("its header demands unusual scrypt costs")
    cipher = _cipher(passphrase, salt, work, block, lanes)
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(nonce, bundle.content, bundle.header_bytes)
    except InvalidTag:
        raise CoreIntegrityError(
            "The bundle cannot be decrypted: the passphrase is wrong, or the file was changed.",
            hint="Type the passphrase again; if it is right, copy the file again or create a new bundle.",
        ) from None


def _cipher(passphrase: str, salt: bytes, work: int, block: int, lanes: int) -> AESGCM:
    aesgcm, scrypt = _load_library()
    secret = _normal(passphrase).encode()
    return aesgcm(scrypt(salt=salt, length=_KEY_BYTES, n=work, r=block, p=lanes).derive(secret))


def _normal(passphrase: object) -> str:
    """Return the passphrase in Unicode's form NFC, which is the same from every keyboard and editor."""
    if not isinstance(passphrase, str):
        raise ConfigurationError("The passphrase is not text (str).", hint="Decode it first.")
    # Not found out by encoding it: the error of a failed encoding contains the text.
    if any("\ud800" <= letter <= "\udfff" for letter in passphrase):
        raise ConfigurationError(
            "The passphrase contains bytes that are not text.",
            hint="Save its file as UTF-8, or type it again.",
        )
    return unicodedata.normalize("NFC", passphrase)


def _load_library() -> tuple[type[AESGCM], type[Scrypt]]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    except ImportError:
        raise MissingLibraryError(
            "Bundles need the library cryptography, which is not installed.",
            hint=install_hint(["cryptography"]),
        ) from None
    return AESGCM, Scrypt


def damaged(reason: str) -> CoreIntegrityError:
    """Return the error for a file that is not a complete bundle."""
    return CoreIntegrityError(
        f"This is not a complete bundle: {reason}.", hint="Copy the file again, or create a new bundle."
    )
