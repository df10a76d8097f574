"""A bundle of the sandbox's core and key, and files that only look like one."""

from __future__ import annotations

import io

import pytest
from cryptography.hazmat.primitives.kdf import scrypt
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from nimbus_sdk.core.bundle import create_bundle, encryption
from nimbus_sdk.core.bundle.contents import LARGEST_BYTES, Contents

PASSPHRASE = "three words and more"
USUAL_COSTS = (encryption.WORK, encryption.BLOCK, encryption.LANES)


def sealed(facts: dict[str, object], content: bytes, passphrase: str = PASSPHRASE) -> bytes:
    """A bundle of this content."""
    return b"".join(encryption.encrypt(facts, [content], len(content), passphrase))


def opened(data: bytes, passphrase: str = PASSPHRASE) -> bytes:
    """The content of a bundle."""
    file = io.BytesIO(data)
    return b"".join(encryption.decrypt(file, encryption.read_header(file), passphrase, LARGEST_BYTES))


def unpacked(content: bytes) -> tuple[Contents, bytes]:
    """The contents and the wheel in what was decrypted."""
    wheel = bytearray()
    return Contents.unpack([content], wheel.extend), bytes(wheel)


@pytest.fixture(autouse=True)
def quick_scrypt(monkeypatch):
    """Bundles whose header asks for the least that is accepted, and a derivation that is cheaper still."""
    monkeypatch.setattr(encryption, "WORK", 2**14)
    monkeypatch.setattr(encryption, "LANES", 1)
    monkeypatch.setattr(scrypt, "Scrypt", lambda n, **more: Scrypt(n=2, **more))


@pytest.fixture
def real_scrypt(quick_scrypt, monkeypatch):
    """Keys that are derived as the header says."""
    monkeypatch.setattr(scrypt, "Scrypt", Scrypt)


@pytest.fixture
def bundle(sandbox, key, tmp_path):
    """A bundle of the sandbox's core and key."""
    path = tmp_path / "lab.nimbus"
    create_bundle(path, PASSPHRASE, key)
    return path


@pytest.fixture
def encrypted(tmp_path):
    """Makes a bundle with such an end in its header, and nothing of use inside."""

    def write(expires_at):
        path = tmp_path / "encrypted.nimbus"
        path.write_bytes(sealed({"wheel": "core.whl", "expires_at": expires_at}, b"nothing"))
        return path

    return write


@pytest.fixture
def air_gapped(isolated_home, monkeypatch):
    """Makes this process another machine, one without network."""

    def enter():
        monkeypatch.setenv("NIMBUS_SDK_HOME", str(isolated_home / "elsewhere"))
        monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")

    return enter
