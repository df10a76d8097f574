"""Waiting for another process that changes the stored files."""

import logging
import os

import pytest

from nimbus_sdk import errors
from nimbus_sdk.account import home_lock
from nimbus_sdk.storage.lock import Lock
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


def test_another_process_that_is_busy_for_too_long_is_reported(sdk, key, paths, monkeypatch):
    """With the lock's path, after the time that waiting is given; a renewal waits as long as it may take."""
    monkeypatch.setattr(home_lock, "LOCK_WAIT_SECONDS", 0.05)
    with Lock(paths.lock) as lock:
        assert lock.try_acquire()
        refresh = lambda: sdk.refresh_quota(timeout=0.05)  # noqa: E731
        for call in (lambda: sdk.install_core(key), refresh, sdk.uninstall_core):
            with pytest.raises(errors.NimbusTimeoutError, match=r"doing the same for 0\.1 s") as caught:
                call()
            assert paths.lock in caught.value.hint


def test_where_no_lock_can_be_made_one_goes_on_without(sdk, key, paths, caplog):
    """A lock saves work; nothing rests on it."""
    os.makedirs(paths.lock)
    with caplog.at_level(logging.DEBUG, "nimbus_sdk"):
        assert sdk.install_core(key).license_type == "research"
    assert "continuing without" in caplog.text
    assert sdk.check_installation()
