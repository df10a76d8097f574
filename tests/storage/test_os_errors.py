"""What the disk refuses is reported with the folder and its free space."""

from __future__ import annotations

import errno
import io
import shutil

import pytest

from nimbus_sdk.errors import CoreInstallError
from nimbus_sdk.storage import os_errors


def test_a_refusal_is_reported_even_where_the_space_is_unknown(tmp_path, monkeypatch):
    """A disk that answers nothing at all is still reported in our words."""

    def broken(folder):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    with pytest.raises(CoreInstallError, match=r"in /no/such/folder .*: ENOENT \(free space unknown\)"):  # noqa: SIM117
        with os_errors.disk_errors("/no/such/folder"):
            raise OSError(errno.ENOENT, "ENOENT")


def test_an_error_without_words_is_named(tmp_path):
    """Not every OSError carries a text."""
    with pytest.raises(CoreInstallError, match="UnsupportedOperation"), os_errors.disk_errors(str(tmp_path)):
        raise io.UnsupportedOperation


def test_our_own_errors_pass_untouched(tmp_path):
    """Only what the disk refuses is turned into words about the disk."""
    with pytest.raises(ValueError, match="ours"), os_errors.disk_errors(str(tmp_path)):
        raise ValueError("ours")
