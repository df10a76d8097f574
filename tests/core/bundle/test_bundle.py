"""One file carries core, session and key to a machine without network, or nothing of it counts."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from nimbus_sdk.account.session import current_session
from nimbus_sdk.core.bundle import create_bundle, install_bundle, read_facts
from nimbus_sdk.core.bundle.contents import Contents
from nimbus_sdk.core.bundle.encryption import MAGIC, inspect, seal, unseal
from nimbus_sdk.errors import (
    ConfigurationError,
    CoreIncompatibleError,
    CoreIntegrityError,
    NimbusError,
    SessionExpiredError,
)
from tests.cli.conftest import nimbus

__all__ = ["nimbus"]

PASSPHRASE = "three words and more"


@pytest.fixture
def air_gapped(own_world, monkeypatch):
    """Makes this process another machine, one without network."""

    def enter():
        monkeypatch.setenv("NIMBUS_SDK_HOME", str(own_world / "elsewhere"))
        monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")

    return enter


@pytest.fixture
def bundle(sandbox, key, tmp_path):
    """A bundle of the sandbox's core and key."""
    path = tmp_path / "lab.nimbus"
    create_bundle(path, PASSPHRASE, key)
    return path


def test_a_bundle_costs_four_requests_and_leaves_only_itself(sandbox, key, tmp_path, own_world):
    """Making one asks for what an install asks for, and keeps neither key, session nor core."""
    path = tmp_path / "lab.nimbus"
    facts = create_bundle(path, PASSPHRASE, key)
    asked = [exchange.endpoint for exchange in sandbox.journal()]
    assert asked == ["validate", "github_token", "release", "asset", "storage"]
    assert facts == read_facts(path)
    assert facts.wheel == "nimbus_sdk_core-0.1.0-py3-none-any.whl"
    assert [file for _, _, files in os.walk(own_world / "nimbus") for file in files] == []
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert key.encode() not in path.read_bytes()


def test_a_machine_without_network_decodes_from_a_bundle(bundle, key, air_gapped, fresh, own_world):
    """Core, session and key arrive, with not one network call, and a fresh process decodes with them."""
    air_gapped()
    session = install_bundle(bundle, PASSPHRASE)
    assert (session.license_type, session.key_source, session.stale) == ("research", "file", False)
    assert current_session().key_fingerprint == session.key_fingerprint
    said = fresh(
        "import socket\n"
        "socket.socket.connect = None\n"
        "import nimbus_sdk\n"
        "model = nimbus_sdk.load_model(nimbus_sdk.NimbusLDA, 'motor_imagery_4class_v1')\n"
        "print(nimbus_sdk.current_session().license_type, bool(nimbus_sdk.check_installation()), model)\n"
    )
    assert said.stdout.startswith("research True <NimbusLDA 'motor_imagery_4class_v1'")
    assert key in (own_world / "elsewhere" / "config" / "credentials.json").read_text()
    assert os.listdir(own_world / "elsewhere" / "cache" / "downloads") == []


def test_a_bundled_key_goes_back_to_its_own_service_alone(bundle, air_gapped, own_world):
    """The key is bound to the service that confirmed it, not to this machine's settings."""
    air_gapped()
    session = install_bundle(bundle, PASSPHRASE)
    card = json.loads((own_world / "elsewhere" / "state" / "profiles" / "default" / "key.json").read_text())
    assert card["origin"] == session.api_origin


def test_no_bit_of_a_bundle_can_be_changed(bundle, air_gapped, own_world):
    """A change anywhere, in the header too, is refused, and nothing is installed."""
    air_gapped()
    whole = bundle.read_bytes()
    header = len(MAGIC) + 4 + len(inspect(whole).header_bytes)
    places = [0, 5, len(MAGIC), len(MAGIC) + 3, *range(len(MAGIC) + 4, header, 41)]
    places += [header, header + 1, len(whole) // 2, len(whole) - 17, len(whole) - 1]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1
        bundle.write_bytes(damaged)
        with pytest.raises(NimbusError):
            install_bundle(bundle, PASSPHRASE)
    assert not (own_world / "elsewhere" / "data").exists()


@pytest.mark.parametrize("kept", [0, 5, 17, 40, 400, -1])
def test_a_bundle_that_was_cut_short_is_refused(bundle, kept):
    """However much of it is there."""
    bundle.write_bytes(bundle.read_bytes()[:kept])
    with pytest.raises(CoreIntegrityError):
        install_bundle(bundle, PASSPHRASE)


def test_another_passphrase_does_not_open_it(bundle):
    """And the message does not say which of the two is wrong, for nobody can know."""
    with pytest.raises(CoreIntegrityError, match="passphrase is another one, or the file was changed"):
        install_bundle(bundle, PASSPHRASE + " ")


def test_a_short_passphrase_is_refused_before_anything_is_written(sandbox, key, tmp_path):
    """Eleven characters are tried out too quickly."""
    with pytest.raises(ConfigurationError, match="fewer than 12"):
        create_bundle(tmp_path / "lab.nimbus", "x" * 11, key)
    assert os.listdir(tmp_path) == []


def without_library(monkeypatch):
    """A machine on which the extra was not installed."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)


@pytest.mark.parametrize(
    ("name", "passphrase", "prepare", "words"),
    [
        ("lab.nimbus", "x" * 11, None, "fewer than 12"),
        ("none/lab.nimbus", PASSPHRASE, None, "There is no folder"),
        ("closed/lab.nimbus", PASSPHRASE, None, "Nothing can be written in"),
        ("lab.nimbus", PASSPHRASE, without_library, r"nimbusbci-sdk\[bundle\]"),
    ],
)
def test_what_hinders_a_bundle_is_told_before_anything_is_asked_for(
    sandbox, key, tmp_path, monkeypatch, name, passphrase, prepare, words
):
    """No request is spent, and no token lent, for a file that cannot be made."""
    (tmp_path / "closed").mkdir(mode=0o500)
    real = os.access
    # Root, as which some run these tests, may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: "closed" not in str(path) and real(path, mode))
    if prepare is not None:
        prepare(monkeypatch)
    with pytest.raises(ConfigurationError, match=words):
        create_bundle(tmp_path / name, passphrase, key)
    assert sandbox.journal() == []


def test_a_bundle_never_replaces_a_file(sandbox, key, bundle):
    """What is there already stays."""
    before = bundle.read_bytes()
    with pytest.raises(ConfigurationError, match="already"):
        create_bundle(bundle, PASSPHRASE, key)
    assert bundle.read_bytes() == before


def test_an_expired_bundle_is_refused(sandbox, tmp_path, monkeypatch):
    """Once its session has ended there is nothing to install."""
    soon = sandbox.new_key("research", expires_at=datetime.now(UTC) + timedelta(seconds=0.8))
    create_bundle(tmp_path / "lab.nimbus", PASSPHRASE, soon)
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    import time

    time.sleep(0.9)
    with pytest.raises(SessionExpiredError, match="ended at"):
        install_bundle(tmp_path / "lab.nimbus", PASSPHRASE)


@pytest.fixture
def sealed(tmp_path):
    """Makes a bundle with such an end in its header, and nothing of use inside."""

    def write(expires_at):
        path = tmp_path / "sealed.nimbus"
        path.write_bytes(seal({"wheel": "core.whl", "expires_at": expires_at}, b"nothing", PASSPHRASE))
        return path

    return write


@pytest.mark.parametrize("told", ["garbage", "2099-01-01T00:00:00", "9999-99-99", 5, [], "2099-01-01"])
def test_a_header_whose_end_is_no_time_is_damage(sealed, told):
    """The end is read before the seal is checked, so it may be anything."""
    for read in (read_facts, lambda path: install_bundle(path, PASSPHRASE)):
        with pytest.raises(CoreIntegrityError, match="no time at which its session ends"):
            read(sealed(told))


def test_an_end_at_either_end_of_time_is_one(sealed):
    """What Python can tell as a time passes; control characters beside it are not shown."""
    with pytest.raises(CoreIntegrityError, match="holds something else"):
        install_bundle(sealed("9999-12-31T23:59:59-23:59"), PASSPHRASE)
    with pytest.raises(SessionExpiredError, match=r"ended at 0001-01-01T00:00:00\+23:59"):
        install_bundle(sealed("0001-01-01\x1b00:00:00+23:59"), PASSPHRASE)


def test_a_core_for_another_platform_is_refused_with_the_reason(bundle, tmp_path):
    """The message names the wheel and this machine's kind."""
    contents = Contents.unpack(unseal(inspect(bundle.read_bytes()), PASSPHRASE))
    foreign = Contents(
        contents.key, contents.session, "nimbus_sdk_core-0.1.0-cp39-cp39-win32.whl", contents.wheel
    )
    other = tmp_path / "other.nimbus"
    other.write_bytes(seal({"wheel": foreign.wheel_name}, foreign.pack(), PASSPHRASE))
    with pytest.raises(CoreIncompatibleError, match=r"cp39-win32\.whl, is for another") as caught:
        install_bundle(other, PASSPHRASE)
    assert sys.implementation.cache_tag in str(caught.value)


def test_no_key_hangs_on_an_error(bundle, key, tmp_path):
    """What opens and holds something else is refused, and no frame or context of the error has the key."""
    contents = Contents.unpack(unseal(inspect(bundle.read_bytes()), PASSPHRASE))
    packed = bytearray(contents.pack())
    packed[-1] ^= 1
    other = tmp_path / "other.nimbus"
    other.write_bytes(seal({}, bytes(packed), PASSPHRASE))
    with pytest.raises(CoreIntegrityError, match="not the one that was put into it") as caught:
        install_bundle(other, PASSPHRASE)
    assert key not in repr(contents)
    assert key not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("content", [b"", b"\0\0\0\1{", b"\0\0\0\2{}", b"\xff" * 8, b'\0\0\0\x0a{"key": 1}'])
def test_what_opens_and_is_no_bundle_is_refused(content):
    """Whoever knows the passphrase can put anything inside; none of it gets further."""
    with pytest.raises(CoreIntegrityError, match="holds something else"):
        Contents.unpack(content)


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
    data = MAGIC + len(header).to_bytes(4, "big") + header + b"content"
    with pytest.raises(CoreIntegrityError, match="not a whole bundle"):
        unseal(inspect(data), PASSPHRASE)


@pytest.mark.parametrize("passphrase", ["caf\udce9 horse battery", b"correct horse battery", None])
def test_a_passphrase_that_is_no_text_is_told(sealed, tmp_path, key, passphrase):
    """Bytes that a terminal could not read, bytes, or nothing: and the error holds no part of it."""
    for use in (install_bundle, lambda path, given: create_bundle(f"{path}.new", given, key)):
        with pytest.raises(ConfigurationError, match="no text") as caught:
            use(sealed(None), passphrase)
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
    path = tmp_path / "sealed.nimbus"
    path.write_bytes(seal({}, b"nothing", "d\u00e9j\u00e0 vu, d\u00e9j\u00e0 vu"))
    opened = nimbus("bundle", "install", str(path), "--passphrase-file", str(tmp_path / "pass"))
    assert "opens, but holds something else" in opened.err


def test_a_passphrase_file_that_is_no_text_is_told(sealed, tmp_path, nimbus):
    """And not taken with signs in place of what could not be read."""
    (tmp_path / "pass").write_bytes("d\u00e9j\u00e0 vu, d\u00e9j\u00e0 vu\n".encode("latin-1"))
    told = nimbus("bundle", "install", str(sealed(None)), "--passphrase-file", str(tmp_path / "pass"))
    assert told.code == 2
    assert "no text in UTF-8" in told.err
    gone = nimbus("bundle", "install", "any.nimbus", "--passphrase-file", str(tmp_path / "none"))
    assert gone.code == 2
    assert "cannot be read (No such file" in gone.err


def test_without_its_library_the_extra_is_named(bundle, monkeypatch):
    """The message says what to install."""
    without_library(monkeypatch)
    with pytest.raises(ConfigurationError, match=r"nimbusbci-sdk\[bundle\]"):
        install_bundle(bundle, PASSPHRASE)


def test_what_cannot_be_read_is_told(tmp_path):
    """A file that is not there, and a folder."""
    for path in (tmp_path / "none.nimbus", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            install_bundle(path, PASSPHRASE)


def test_the_commands_make_and_install_a_bundle(sandbox, key, tmp_path, fresh, own_world):
    """The passphrase comes from a file here, never from an option; both print JSON where asked."""
    (tmp_path / "pass").write_text(f"{PASSPHRASE}\n")
    path = str(tmp_path / "lab.nimbus")
    command = "import sys\nfrom nimbus_sdk.cli import main\nmain(sys.argv[1:] or {!r})\n"
    words = ["bundle", "create", path, "--passphrase-file", str(tmp_path / "pass"), "--json"]
    made = fresh(command.format(words), NIMBUS_API_KEY=key)
    assert json.loads(made.stdout)["path"] == path
    words = ["bundle", "install", path, "--passphrase-file", str(tmp_path / "pass"), "--json"]
    offline = {"NIMBUS_SDK_OFFLINE": "1", "NIMBUS_SDK_HOME": str(own_world / "elsewhere")}
    done = fresh(command.format(words), **offline)
    assert json.loads(done.stdout)["license_type"] == "research"
    alone = fresh(command.format(words[:3]), check=False, **offline)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "--passphrase-file" in alone.stderr
    assert key not in made.stdout + made.stderr + done.stdout + done.stderr
