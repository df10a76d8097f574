"""A bundle is encrypted under a passphrase, and its header is checked before anything is computed."""

from __future__ import annotations

import io
import json
import os
import tracemalloc

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from nimbus_sdk.core.bundle import create_bundle, encryption, install_bundle, read_facts
from nimbus_sdk.core.bundle.encryption import MAGIC, read_header
from nimbus_sdk.errors import (
    ConfigurationError,
    CoreIncompatibleError,
    CoreIntegrityError,
    SessionExpiredError,
)
from tests.cli.conftest import nimbus
from tests.core.bundle.conftest import PASSPHRASE, USUAL_COSTS, opened, sealed

__all__ = ["nimbus"]


@pytest.mark.parametrize("expires_at", ["garbage", "2099-01-01T00:00:00", "9999-99-99", 5, [], "2099-01-01"])
def test_a_header_whose_end_is_no_time_is_damage(encrypted, expires_at):
    """The end is read before the seal is checked, so it may be anything."""
    for read in (read_facts, lambda path: install_bundle(path, PASSPHRASE)):
        with pytest.raises(CoreIntegrityError, match="no valid time at which its session ends"):
            read(encrypted(expires_at))


def test_an_end_at_either_end_of_time_is_one(encrypted):
    """What Python can read as a time passes; control characters in it are not printed."""
    with pytest.raises(CoreIntegrityError, match="does not contain core, session and key"):
        install_bundle(encrypted("9999-12-31T23:59:59-23:59"), PASSPHRASE)
    with pytest.raises(SessionExpiredError, match=r"ended at 0001-01-01T00:00:00\+23:59"):
        install_bundle(encrypted("0001-01-01\x1b00:00:00+23:59"), PASSPHRASE)


@pytest.mark.parametrize(
    "costs",
    [
        {"n": 2**30, "r": 8, "p": 1, "salt": "00"},
        {"n": 3, "r": 8, "p": 1, "salt": "00"},
        {"n": 2**15, "r": 8, "p": 10**6, "salt": "00"},
        {"n": 2**18, "r": 8, "p": 1, "salt": "00"},
        {"n": 2**15, "r": 8, "p": 5, "salt": "00"},
        {"n": "x", "r": 8, "p": 1, "salt": "00"},
        {"n": 1e400, "r": 8, "p": 1, "salt": "00"},
        {"n": 2.0**15, "r": 8, "p": 1, "salt": "00"},
        {"n": 2**15, "r": 8, "p": True, "salt": "00"},
        {"n": 2**15, "r": 8, "p": 1, "salt": 5},
        {"n": 2**15, "r": 8, "p": 1, "salt": "zz"},
        {},
        None,
    ],
)
def test_a_strange_header_costs_neither_time_nor_memory(costs):
    """The costs that a header asks for are checked before anything is computed."""
    header = json.dumps({"format": 1, "scrypt": costs, "nonce": "00" * 12}).encode()
    data = MAGIC + len(header).to_bytes(4, "big") + header + bytes(100)
    with pytest.raises(CoreIntegrityError, match="not a complete bundle"):
        opened(data)


def test_a_bundle_of_a_newer_version_is_not_called_damaged():
    """The message says what to do on this machine."""
    header = b'{"format": 2}'
    with pytest.raises(CoreIncompatibleError, match=r"newer version of the SDK.*Update"):
        opened(MAGIC + len(header).to_bytes(4, "big") + header + b"content")


@pytest.mark.parametrize("passphrase", ["caf\udce9 horse battery", b"correct horse battery", None])
def test_a_passphrase_that_is_no_text_is_reported(encrypted, tmp_path, key, passphrase):
    """Bytes that a terminal could not read, bytes, or nothing: and the error holds no part of it."""
    for use in (install_bundle, lambda path, given: create_bundle(f"{path}.new", given, key)):
        with pytest.raises(ConfigurationError, match="not text") as caught:
            use(encrypted(None), passphrase)
        assert "horse" not in str(caught.value)
        assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "written",
    [
        "d\u00e9j\u00e0 vu, d\u00e9j\u00e0 vu".encode(),
        "d\u00e9j\u00e0 vu, d\u00e9j\u00e0 vu\r\nnotes\r\n".encode("utf-8-sig"),
        "d\u00e9j\u00e0 vu, d\u00e9j\u00e0 vu\r\n".encode("utf-16"),
        "de\u0301ja\u0300 vu, de\u0301ja\u0300 vu\n".encode(),
    ],
    ids=["plain", "byte order mark", "UTF-16", "decomposed"],
)
def test_a_passphrase_opens_whichever_way_it_was_written(tmp_path, nimbus, written):
    """Windows editors, PowerShell and other keyboards write the same words in other bytes."""
    (tmp_path / "pass").write_bytes(written)
    path = tmp_path / "encrypted.nimbus"
    path.write_bytes(sealed({}, b"nothing", "d\u00e9j\u00e0 vu, d\u00e9j\u00e0 vu"))
    opened = nimbus("bundle", "install", str(path), "--passphrase-file", str(tmp_path / "pass"))
    assert "does not contain core, session and key" in opened.err


def test_a_passphrase_file_that_is_no_text_is_reported(encrypted, tmp_path, nimbus):
    """And not taken with signs in place of what could not be read."""
    (tmp_path / "pass").write_bytes("d\u00e9j\u00e0 vu, d\u00e9j\u00e0 vu\n".encode("latin-1"))
    done = nimbus("bundle", "install", str(encrypted(None)), "--passphrase-file", str(tmp_path / "pass"))
    assert done.code == 2
    assert "is not UTF-8 text" in done.err
    gone = nimbus("bundle", "install", "any.nimbus", "--passphrase-file", str(tmp_path / "none"))
    assert gone.code == 2
    assert "cannot be read (No such file" in gone.err


@pytest.mark.usefixtures("real_scrypt")
def test_the_header_has_the_costs_of_the_key(monkeypatch):
    """32 MiB for each guess, three times over; and what is asked for is what was spent."""
    assert USUAL_COSTS == (2**15, 8, 3)
    monkeypatch.setattr(encryption, "LANES", 2)
    encrypted = sealed({}, b"nothing")
    costs = read_header(io.BytesIO(encrypted)).fields["scrypt"]
    assert isinstance(costs, dict)
    assert (costs["n"], costs["r"], costs["p"]) == (encryption.WORK, 8, 2)
    assert opened(encrypted) == b"nothing"


@pytest.mark.parametrize("size", [0, 1, 2**18 - 1, 2**18, 2**18 + 1, 2**20])
def test_content_of_any_size_comes_back(size):
    """Whether it fits into one part, into several, or into none."""
    content = os.urandom(size)
    assert opened(sealed({}, content)) == content


@pytest.mark.usefixtures("real_scrypt")
def test_a_bundle_of_the_first_version_opens():
    """Its header does not say how large the content is."""
    salt, nonce = bytes(16), bytes(12)
    costs = {"n": 2**14, "r": 8, "p": 1, "salt": salt.hex()}
    header = json.dumps({"format": 1, "scrypt": costs, "nonce": nonce.hex(), "facts": {}}).encode()
    secret = Scrypt(salt=salt, length=32, n=2**14, r=8, p=1).derive(PASSPHRASE.encode())
    content = AESGCM(secret).encrypt(nonce, b"a core", header)
    assert opened(MAGIC + len(header).to_bytes(4, "big") + header + content) == b"a core"


@pytest.mark.parametrize("size", [-1, 99, 101, 2**62, 1e2, "100", True, None])
def test_a_size_that_is_not_that_of_the_file_is_damage(size):
    """What the header says and what the file has must agree before a key is derived."""
    header = json.dumps({"format": 1, "size": size}).encode()
    with pytest.raises(CoreIntegrityError, match="not a complete bundle"):
        opened(MAGIC + len(header).to_bytes(4, "big") + header + bytes(100 + 16))


def test_facts_of_a_large_file_take_little_memory(tmp_path, encrypted):
    """The head is read, and not what comes after it."""
    path = encrypted("2099-01-01T00:00:00+00:00")
    os.truncate(path, 2**32)
    tracemalloc.start()
    try:
        assert read_facts(path).wheel == "core.whl"
        with pytest.raises(CoreIntegrityError, match="not a complete bundle: it has 42"):
            install_bundle(path, PASSPHRASE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**22


def test_a_header_that_lacks_its_size_is_bounded(tmp_path):
    """A file without end is refused before a key is derived."""
    header = json.dumps({"format": 1, "facts": {}}).encode()
    path = tmp_path / "endless.nimbus"
    path.write_bytes(MAGIC + len(header).to_bytes(4, "big") + header)
    os.truncate(path, 2**33)
    with pytest.raises(CoreIntegrityError, match="more than"):
        install_bundle(path, PASSPHRASE)
