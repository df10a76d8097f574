"""Encryption of a bundle: scrypt (RFC 7914) derives the key, AES-256-GCM (NIST SP 800-38D) encrypts.

Both are those of the `cryptography` library. The header can be read without the passphrase; it is
authenticated as well, so that a change of a single bit anywhere is detected::

    NIMBUS-BUNDLE  |  length of the header, 4 bytes, big-endian  |  header, JSON  |  encrypted content  |  tag

Content passes through in parts, so that a large bundle needs little memory.
"""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from nimbus_sdk import errors
from nimbus_sdk.errors.python_environment import install_hint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import GCM

MAGIC = b"NIMBUS-BUNDLE"
FORMAT = 1
SHORTEST_PASSPHRASE = 12
LONGEST_HEADER = 64 * 1024
# 2**15 blocks of 1 KiB, 32 MiB for each guess: what RFC 7914 and OWASP recommend for a secret at rest.
WORK, BLOCK, LANES = 2**15, 8, 3
# The header is untrusted until the content was decrypted: it can cost at most 128 MiB and a few seconds.
_MOST_WORK, _MOST_LANES = 2**17, 4
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES, _TAG_BYTES, _LENGTH_BYTES = 16, 12, 32, 16, 4
CHUNK_BYTES = 2**18


@dataclass(frozen=True, slots=True)
class Header:
    """The readable head of a bundle: its fields, and the bytes that were authenticated."""

    fields: Mapping[str, Any]
    raw: bytes

    @property
    def end(self) -> int:
        """Where it ends in the file, and the content begins."""
        return len(MAGIC) + _LENGTH_BYTES + len(self.raw)


def require_usable(passphrase: str) -> None:
    """Make sure that ``encrypt`` accepts a passphrase, before the content is fetched."""
    if len(_normal(passphrase)) < SHORTEST_PASSPHRASE:
        raise errors.ConfigurationError(
            f"The passphrase has fewer than {SHORTEST_PASSPHRASE} characters.",
            hint="Whoever has the file can try passphrases without limit: use several words.",
        )
    _require_library()


def encrypt(
    facts: Mapping[str, object], content: Iterable[bytes], size: int, passphrase: str
) -> Iterator[bytes]:
    """Yield a bundle part by part: content encrypted, and facts that are readable and authenticated with it.

    ``size`` is that of the content, in bytes; the header contains it.
    """
    require_usable(passphrase)
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    fields = {
        "format": FORMAT,
        "scrypt": {"n": WORK, "r": BLOCK, "p": LANES, "salt": salt.hex()},
        "nonce": nonce.hex(),
        "size": size,
        "facts": dict(facts),
    }
    raw = json.dumps(fields, sort_keys=True).encode()
    yield MAGIC + len(raw).to_bytes(_LENGTH_BYTES, "big") + raw
    encryptor = _cipher(passphrase, salt, nonce, WORK, BLOCK, LANES).encryptor()
    encryptor.authenticate_additional_data(raw)
    yield from map(encryptor.update, content)
    yield encryptor.finalize() + encryptor.tag


def read_header(file: BinaryIO) -> Header:
    """Read the header at the start of a file, which is not to be trusted before ``decrypt`` has succeeded."""
    start = file.read(len(MAGIC) + _LENGTH_BYTES)
    length = int.from_bytes(start[len(MAGIC) :], "big")
    if not start.startswith(MAGIC) or not 0 < length <= LONGEST_HEADER:
        raise damaged("it does not start like a bundle")
    raw = file.read(length)
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        raise damaged("its header cannot be read") from None
    version = fields.get("format") if isinstance(fields, dict) else None
    if type(version) is int and version > FORMAT:
        raise errors.CoreIncompatibleError(
            "This bundle was written by a newer version of the SDK.", hint="Update the SDK on this machine."
        )
    if version != FORMAT:
        raise damaged("its format is not known")
    return Header(fields, raw)


def decrypt(file: BinaryIO, header: Header, passphrase: str, largest: int) -> Iterator[bytes]:
    """Yield the content part by part; none of it may be used before the last part was yielded.

    A file whose content has more than ``largest`` bytes is refused.
    """
    left = _content_size(file, header, largest)
    decryptor = _cipher_of(header, passphrase).decryptor()
    decryptor.authenticate_additional_data(header.raw)
    file.seek(header.end)
    while left and (chunk := file.read(min(left, CHUNK_BYTES))):
        left -= len(chunk)
        yield decryptor.update(chunk)
    from cryptography.exceptions import InvalidTag

    try:
        decryptor.finalize_with_tag(file.read(_TAG_BYTES))
    except (InvalidTag, ValueError):
        raise errors.CoreIntegrityError(
            "The bundle cannot be decrypted: the passphrase is wrong, or the file was changed.",
            hint="Type the passphrase again; if it is right, copy the file again or create a new bundle.",
        ) from None


def _content_size(file: BinaryIO, header: Header, largest: int) -> int:
    """Return the size of the content, if the file has what the header says; older headers say nothing."""
    present = file.seek(0, os.SEEK_END) - header.end - _TAG_BYTES
    size = header.fields.get("size", present)
    if type(size) is not int or size < 0:
        raise damaged("its header is incomplete")
    if size > largest:
        raise damaged(f"its content would be {size} bytes, more than {largest}")
    if size != present:
        raise damaged(f"it has {max(0, present)} bytes of content, not {size}")
    return size


def _cipher_of(header: Header, passphrase: str) -> Cipher[GCM]:
    """Return the cipher that a header describes, unless it demands too much."""
    try:
        costs = header.fields["scrypt"]
        work, block, lanes = costs["n"], costs["r"], costs["p"]
        salt, nonce = bytes.fromhex(costs["salt"]), bytes.fromhex(str(header.fields["nonce"]))
    except (KeyError, TypeError, ValueError):
        raise damaged("its header is incomplete") from None
    if {type(work), type(block), type(lanes)} != {int} or len(nonce) != _NONCE_BYTES:
        raise damaged("its header is incomplete")
    cheap = 2**14 <= work <= _MOST_WORK and block == BLOCK and 1 <= lanes <= _MOST_LANES
    if not cheap or work & (work - 1):
        raise damaged("its header demands unusual scrypt costs")
    return _cipher(passphrase, salt, nonce, work, block, lanes)


def _cipher(passphrase: str, salt: bytes, nonce: bytes, work: int, block: int, lanes: int) -> Cipher[GCM]:
    _require_library()
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.ciphers.modes import GCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    scrypt = Scrypt(salt=salt, length=_KEY_BYTES, n=work, r=block, p=lanes)
    return Cipher(AES256(scrypt.derive(_normal(passphrase).encode())), GCM(nonce))


def _normal(passphrase: object) -> str:
    """Return the passphrase in Unicode's form NFC, which is the same from every keyboard and editor."""
    if not isinstance(passphrase, str):
        raise errors.ConfigurationError("The passphrase is not text (str).", hint="Decode it first.")
    # Not found out by encoding it: the error of a failed encoding contains the text.
    if any("\ud800" <= letter <= "\udfff" for letter in passphrase):
        raise errors.ConfigurationError(
            "The passphrase contains bytes that are not text.",
            hint="Save its file as UTF-8, or type it again.",
        )
    return unicodedata.normalize("NFC", passphrase)


def _require_library() -> None:
    try:
        import cryptography.hazmat.primitives.ciphers  # noqa: F401
    except ImportError:
        raise errors.MissingLibraryError(
            "Bundles need the library cryptography, which is not installed.",
            hint=install_hint(["cryptography"]),
        ) from None


def damaged(reason: str) -> errors.CoreIntegrityError:
    """Return the error for a file that is not a complete bundle."""
    return errors.CoreIntegrityError(
        f"This is not a complete bundle: {reason}.", hint="Copy the file again, or create a new bundle."
    )
