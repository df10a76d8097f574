"""A bundle that is older than what a machine has takes nothing from it, and what it changes is told."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

import nimbus_sdk
from nimbus_sdk.account.session import current_session
from nimbus_sdk.account.session_cache import clear_cache
from nimbus_sdk.core.bundle import create_bundle, install_bundle
from nimbus_sdk.core.wheel import switching
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE

PASSPHRASE = "three words and more"


@pytest.fixture
def bundle(sandbox, key, tmp_path):
    """A bundle of the sandbox's core and key, made before anything else happens."""
    path = tmp_path / "lab.nimbus"
    create_bundle(path, PASSPHRASE, key)
    return path


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
    """It was asked for, so it is installed; the newer one is kept, and the log says how to return to it."""
    publish("0.9.0")
    nimbus_sdk.install_core(key)
    with caplog.at_level(logging.WARNING, "nimbus_sdk"):
        install_bundle(bundle, PASSPHRASE)
    assert "core 0.1.0 is in use now, in place of the newer 0.9.0" in caplog.text
    assert "core rollback" in caplog.text
    assert nimbus_sdk.check_installation().version == "0.1.0"
    assert switching.rollback(paths.core).version == "0.9.0"


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
