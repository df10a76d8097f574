"""One file under a passphrase: scrypt (RFC 7914) makes the key, AES-256-GCM (NIST SP 800-38D) the seal.

All of it is the `cryptography` library's. The header can be read without the passphrase and is covered by
the seal as well, so that a change of a single bit anywhere is evident::

    NIMBUS-BUNDLE  |  length of the header, 4 bytes, big-endian  |  header, JSON  |  sealed content
"""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nimbus_sdk.errors import ConfigurationError, CoreIntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"NIMBUS-BUNDLE"
FORMAT = 1
SHORTEST_PASSPHRASE = 12
LONGEST_HEADER = 64 * 1024
# 2**15 blocks of 1 KiB, 32 MiB for each guess: what RFC 7914 and OWASP hold fit for a secret at rest.
WORK, BLOCK, LANES = 2**15, 8, 3
# The header is a stranger's until the seal was checked: 128 MiB and a few seconds are the most it can cost.
_MOST_WORK, _MOST_LANES = 2**17, 4
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32


@dataclass(frozen=True, slots=True)
class Sealed:
    """A bundle as it lies on a disk: facts that anyone may read, and content that nobody may."""

    header: Mapping[str, object]
    header_bytes: bytes
    content: bytes


def require_sealable(passphrase: str) -> None:
    """Make sure that :func:`seal` will do with a passphrase, before anything is spent on what it seals.

    Raises:
        ConfigurationError: The passphrase is too short or no text, or the ``bundle`` extra is not installed.
    """
    if len(_normal(passphrase)) < SHORTEST_PASSPHRASE:
        raise ConfigurationError(
            f"The passphrase has fewer than {SHORTEST_PASSPHRASE} characters.",
            hint="Whoever finds the file can try passphrases for ever: take several words.",
        )
    _require_library()


def seal(facts: Mapping[str, object], content: bytes, passphrase: str) -> bytes:
    """Encrypt content, and bind readable facts to it.

    Args:
        facts: Readable without the passphrase, and safe from change.
        content: Readable with the passphrase alone.
        passphrase: At least 12 characters.

    Raises:
        ConfigurationError: As for :func:`require_sealable`.
    """
    require_sealable(passphrase)
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


def inspect(data: bytes) -> Sealed:
    """Read the header of a bundle, whose facts count only once :func:`unseal` has succeeded.

    Raises:
        CoreIntegrityError: It is no bundle, or was damaged.
    """
    start = len(MAGIC) + 4
    length = int.from_bytes(data[len(MAGIC) : start], "big")
    if not data.startswith(MAGIC) or not 0 < length <= LONGEST_HEADER or len(data) < start + length:
        raise damaged("it does not begin as a bundle does")
    header_bytes = data[start : start + length]
    try:
        header = json.loads(header_bytes)
    except (ValueError, RecursionError):
        raise damaged("its header cannot be read") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise damaged("it is of another format")
    return Sealed(header, header_bytes, data[start + length :])


def unseal(sealed: Sealed, passphrase: str) -> bytes:
    """Decrypt the content.

    Raises:
        CoreIntegrityError: The passphrase is another, or one bit of the file was changed.
        ConfigurationError: The passphrase is no text, or the ``bundle`` extra is not installed.
    """
    try:
        costs = sealed.header["scrypt"]
        work, block, lanes = (_whole(costs[name]) for name in ("n", "r", "p"))  # type: ignore[index]
        salt, nonce = bytes.fromhex(costs["salt"]), bytes.fromhex(str(sealed.header["nonce"]))  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        raise damaged("its header is incomplete") from None
    cheap = 2**14 <= work <= _MOST_WORK and block == BLOCK and 1 <= lanes <= _MOST_LANES
    if not cheap or work & (work - 1):
        raise damaged("its header asks for unheard-of costs")
    if len(nonce) != _NONCE_BYTES:
        raise damaged("its header is incomplete")
    cipher = _cipher(passphrase, salt, work, block, lanes)
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(nonce, sealed.content, sealed.header_bytes)
    except InvalidTag:
        raise CoreIntegrityError(
            "The bundle does not open: the passphrase is another one, or the file was changed.",
            hint="Type the passphrase again; if it is right, copy the file once more or make a new bundle.",
        ) from None


def _whole(number: object) -> int:
    if type(number) is not int:
        raise TypeError("a cost is no whole number")
    return number


def _cipher(passphrase: str, salt: bytes, work: int, block: int, lanes: int) -> AESGCM:
    _require_library()
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    secret = _normal(passphrase).encode()
    return AESGCM(Scrypt(salt=salt, length=_KEY_BYTES, n=work, r=block, p=lanes).derive(secret))


def _normal(passphrase: object) -> str:
    """The passphrase as it is the same from every keyboard and editor (Unicode's NFC)."""
    if not isinstance(passphrase, str):
        raise ConfigurationError("The passphrase is no text (str).", hint="Decode it first.")
    # Looked for and not tried out: the error of a failed encoding carries the text.
    if any("\ud800" <= letter <= "\udfff" for letter in passphrase):
        raise ConfigurationError(
            "The passphrase holds bytes that are no text.", hint="Save its file as UTF-8, or type it again."
        )
    return unicodedata.normalize("NFC", passphrase)


def _require_library() -> None:
    try:
        import cryptography.hazmat.primitives.ciphers.aead
        import cryptography.hazmat.primitives.kdf.scrypt  # noqa: F401
    except ImportError:
        raise ConfigurationError(
            "Bundles need the library cryptography, which is not installed.",
            hint='Run `python -m pip install "nimbusbci-sdk[bundle]"`.',
        ) from None


def damaged(reason: str) -> CoreIntegrityError:
    """The error over a file that is no whole bundle."""
    return CoreIntegrityError(
        f"This is not a whole bundle: {reason}.", hint="Copy the file once more, or make a new bundle."
    )
