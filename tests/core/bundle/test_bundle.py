"""One file carries core, session and key to a machine without network; all of it is installed, or nothing."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import nimbus_sdk
from nimbus_sdk.account.session import current_session
from nimbus_sdk.account.session_lookup import clear_cache
from nimbus_sdk.core import bundle as module
from nimbus_sdk.core.bundle import create_bundle, install_bundle, read_facts
from nimbus_sdk.core.bundle.encryption import MAGIC, read_header
from nimbus_sdk.core.wheel import versions
from nimbus_sdk.errors import (
    ConfigurationError,
    CoreIncompatibleError,
    CoreIntegrityError,
    NimbusError,
    SessionExpiredError,
)
from tests.cli.conftest import nimbus
from tests.core.bundle.conftest import PASSPHRASE, opened, sealed, unpacked
from tests.support.evidence import everything_in
from tests.support.flows import TINY_CORE

__all__ = ["nimbus"]

pytestmark = TINY_CORE


def test_a_bundle_costs_four_requests_and_leaves_only_itself(sandbox, key, tmp_path, isolated_home):
    """Making one asks for what an install asks for, and keeps neither key, session nor core."""
    path = tmp_path / "lab.nimbus"
    facts = create_bundle(path, PASSPHRASE, key)
    asked = [exchange.endpoint for exchange in sandbox.journal()]
    assert asked == ["validate", "github_token", "release", "asset", "storage"]
    assert facts == read_facts(path)
    assert facts.wheel == "nimbus_sdk_core-0.1.0-py3-none-any.whl"
    assert [file for _, _, files in os.walk(isolated_home / "nimbus") for file in files] == []
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert key.encode() not in path.read_bytes()


def test_a_bundled_key_goes_back_to_its_own_service_alone(bundle, air_gapped, isolated_home):
    """The key is bound to the service that confirmed it, not to this machine's settings."""
    air_gapped()
    session = install_bundle(bundle, PASSPHRASE)
    stored = json.loads((isolated_home / "elsewhere" / "config" / "credentials.json").read_text())
    assert stored["default"]["origin"] == session.api_origin


def test_no_bit_of_a_bundle_can_be_changed(bundle, air_gapped, isolated_home):
    """A change anywhere, in the header too, is refused, and nothing is installed."""
    air_gapped()
    whole = bundle.read_bytes()
    header = read_header(io.BytesIO(whole)).end
    places = [0, 5, len(MAGIC), len(MAGIC) + 3, *range(len(MAGIC) + 4, header, 41)]
    places += [header, header + 1, len(whole) // 2, len(whole) - 17, len(whole) - 1]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1
        bundle.write_bytes(damaged)
        with pytest.raises(NimbusError):
            install_bundle(bundle, PASSPHRASE)
    assert not (isolated_home / "elsewhere" / "data").exists()


@pytest.mark.parametrize("length", [0, 5, 17, 40, 400, -1])
def test_a_bundle_that_was_cut_short_is_refused(bundle, length):
    """However much of it is there."""
    bundle.write_bytes(bundle.read_bytes()[:length])
    with pytest.raises(CoreIntegrityError):
        install_bundle(bundle, PASSPHRASE)


def test_another_passphrase_does_not_open_it(bundle):
    """And the message does not say which of the two is wrong, for nobody can know."""
    with pytest.raises(CoreIntegrityError, match="passphrase is wrong, or the file was changed"):
        install_bundle(bundle, PASSPHRASE + " ")


def test_a_short_passphrase_is_refused_before_anything_is_written(sandbox, key, tmp_path):
    """Eleven characters are tried out too quickly."""
    with pytest.raises(ConfigurationError, match="fewer than 12"):
        create_bundle(tmp_path / "lab.nimbus", "x" * 11, key)
    assert os.listdir(tmp_path) == []


def without_library(monkeypatch):
    """A machine on which the extra was not installed."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)


@pytest.mark.parametrize(
    ("name", "passphrase", "prepare", "words"),
    [
        ("lab.nimbus", "x" * 11, None, "fewer than 12"),
        ("none/lab.nimbus", PASSPHRASE, None, "does not exist"),
        ("closed/lab.nimbus", PASSPHRASE, None, "is not writable"),
        ("lab.nimbus", PASSPHRASE, without_library, 'install .*"cryptography"'),
    ],
)
def test_what_hinders_a_bundle_is_reported_before_anything_is_asked_for(
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
    with pytest.raises(ConfigurationError, match="already exists"):
        create_bundle(bundle, PASSPHRASE, key)
    assert bundle.read_bytes() == before


def test_an_expired_bundle_is_refused(sandbox, tmp_path, monkeypatch):
    """Once its session has ended there is nothing to install."""
    limited = sandbox.new_key("research", expires_at=datetime.now(UTC) + timedelta(hours=1))
    create_bundle(tmp_path / "lab.nimbus", PASSPHRASE, limited)
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")

    class Later(datetime):
        """A clock two hours ahead."""

        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=2)

    monkeypatch.setattr(module, "datetime", Later)
    with pytest.raises(SessionExpiredError, match="ended at"):
        install_bundle(tmp_path / "lab.nimbus", PASSPHRASE)


def test_a_core_for_another_platform_is_refused_with_the_reason(bundle, tmp_path):
    """The message names the wheel and this machine's kind."""
    contents, wheel = unpacked(opened(bundle.read_bytes()))
    foreign = replace(contents, wheel_name="nimbus_sdk_core-0.1.0-cp39-cp39-win32.whl")
    other = tmp_path / "other.nimbus"
    other.write_bytes(sealed({"wheel": foreign.wheel_name}, b"".join(foreign.pack([wheel]))))
    with pytest.raises(CoreIncompatibleError, match=r"cp39-win32\.whl, is for another") as caught:
        install_bundle(other, PASSPHRASE)
    assert sys.implementation.cache_tag in str(caught.value)


def test_no_key_hangs_on_an_error(bundle, key, tmp_path):
    """What opens and holds something else is refused, and no frame or context of the error has the key."""
    packed = bytearray(opened(bundle.read_bytes()))
    contents, _ = unpacked(bytes(packed))
    packed[-1] ^= 1
    other = tmp_path / "other.nimbus"
    other.write_bytes(sealed({}, bytes(packed)))
    with pytest.raises(CoreIntegrityError, match="not the one that was packed") as caught:
        install_bundle(other, PASSPHRASE)
    assert key not in repr(contents)
    assert key not in everything_in(caught.value)
    assert caught.value.__context__ is None


def test_without_its_library_the_extra_is_named(bundle, monkeypatch):
    """The message says what to install."""
    without_library(monkeypatch)
    with pytest.raises(ConfigurationError, match=r"install .*\"cryptography\""):
        install_bundle(bundle, PASSPHRASE)


def test_what_cannot_be_read_is_reported(tmp_path):
    """A file that is not there, and a folder."""
    for path in (tmp_path / "none.nimbus", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            install_bundle(path, PASSPHRASE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_no_bundle(tmp_path):
    """Nobody waits for somebody to write into it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="a pipe, and not a file"):
        install_bundle(tmp_path / "pipe", PASSPHRASE)


def test_the_commands_make_and_install_a_bundle(sandbox, key, tmp_path, nimbus, air_gapped, monkeypatch):
    """The passphrase comes from a file here, never from an option; both print JSON where asked."""
    (tmp_path / "pass").write_text(f"{PASSPHRASE}\n")
    words = [str(tmp_path / "lab.nimbus"), "--passphrase-file", str(tmp_path / "pass"), "--json"]
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    made = nimbus("bundle", "create", *words)
    assert json.loads(made.out)["path"] == words[0]
    monkeypatch.delenv("NIMBUS_API_KEY")
    air_gapped()
    done = nimbus("bundle", "install", *words)
    assert json.loads(done.out)["license_type"] == "research"
    alone = nimbus("bundle", "install", words[0])
    assert (alone.code, alone.out) == (2, "")
    assert "--passphrase-file" in alone.err
    assert key not in made.out + made.err + done.out + done.err


def test_a_session_that_was_confirmed_later_stays(bundle, key):
    """The same key, renewed since the bundle was made: what the service said last counts."""
    newer = nimbus_sdk.install_core(key)
    installed = install_bundle(bundle, PASSPHRASE)
    clear_cache()
    assert installed.validated_at == newer.validated_at
    assert current_session().validated_at == newer.validated_at


def test_a_later_session_that_has_ended_makes_way(bundle, key, age):
    """One that ended would leave the machine with nothing to use."""
    nimbus_sdk.install_core(key)
    ended = datetime.now(UTC) - timedelta(seconds=1)
    age(expires_at=ended)
    assert install_bundle(bundle, PASSPHRASE).expires_at != ended
    clear_cache()
    assert not current_session().is_expired()


def test_the_session_of_another_key_makes_way(bundle, key, sandbox):
    """Whoever installs a bundle wants its account."""
    nimbus_sdk.install_core(sandbox.new_key("enterprise"))
    assert install_bundle(bundle, PASSPHRASE).license_type == "research"
    assert current_session().license_type == "research"


def test_a_session_that_was_edited_makes_way(bundle, key, paths):
    """A bundle mends what cannot be read."""
    nimbus_sdk.install_core(key)
    with open(paths.session, "r+b") as file:
        file.write(b"[")
    clear_cache()
    assert install_bundle(bundle, PASSPHRASE).license_type == "research"


def test_a_lower_version_of_the_core_comes_with_a_warning_and_a_way_back(bundle, key, publish, paths, caplog):
    """It was asked for, so it is installed; the newer one stays, and the log says how to return to it."""
    publish("0.9.0")
    nimbus_sdk.install_core(key)
    with caplog.at_level(logging.WARNING, "nimbus_sdk"):
        install_bundle(bundle, PASSPHRASE)
    assert "Core 0.1.0 from the bundle replaces the newer 0.9.0" in caplog.text
    assert "core rollback" in caplog.text
    assert nimbus_sdk.check_installation().version == "0.1.0"
    assert versions.rollback(paths.core).version == "0.9.0"


def test_the_same_version_comes_without_a_word(bundle, key, caplog):
    """Nothing is said where nothing is older."""
    nimbus_sdk.install_core(key)
    with caplog.at_level(logging.WARNING, "nimbus_sdk"):
        install_bundle(bundle, PASSPHRASE)
    assert caplog.text == ""


def test_a_core_that_is_damaged_makes_way_without_a_word(bundle, key, paths, caplog):
    """Its version is not known, and its files are of no use."""
    nimbus_sdk.install_core(key)
    with open(paths.core_pointer, "wb") as file:
        file.write(b"{")
    with caplog.at_level(logging.WARNING, "nimbus_sdk"):
        install_bundle(bundle, PASSPHRASE)
    assert caplog.text == ""
    assert nimbus_sdk.check_installation()
