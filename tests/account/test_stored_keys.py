"""The stored key, and where a key comes from."""

import os
from pathlib import Path

import pytest

from nimbus_sdk import errors
from nimbus_sdk.config.keys import ApiKey
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE

KEY = "nbci_live_" + "0123456789ab" * 4
OTHER = "nbci_test_" + "ba9876543210" * 4


def test_a_key_is_saved_read_and_deleted(sdk, paths):
    """In a private file here; deleting returns whether there was one."""
    assert sdk.get_stored_api_key() is None
    assert sdk.save_api_key(f" {KEY}\n") == "file"
    assert sdk.get_stored_api_key() == KEY
    assert os.stat(paths.credentials).st_mode & 0o777 == 0o600
    assert sdk.save_api_key(OTHER) == "file"
    assert sdk.get_stored_api_key() == OTHER
    assert KEY.encode() not in Path(paths.credentials).read_bytes()
    assert sdk.delete_stored_api_key() is True
    assert sdk.delete_stored_api_key() is False
    assert sdk.get_stored_api_key() is None


def test_profiles_keep_their_own(sdk):
    """Deleting one leaves the other."""
    sdk.save_api_key(KEY)
    sdk.save_api_key(OTHER, profile="lab")
    assert sdk.delete_stored_api_key() is True
    assert sdk.get_stored_api_key(profile="lab") == OTHER


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", errors.InvalidKeyFormatError),
        ("nbci_live_xyz", errors.InvalidKeyFormatError),
        (None, errors.MissingKeyError),
    ],
)
def test_what_is_no_key_is_not_saved(sdk, paths, text, kind):
    """Nothing is written."""
    with pytest.raises(kind):
        sdk.save_api_key(text)
    assert not os.path.exists(paths.credentials)


def test_a_store_that_keeps_nothing_says_so(sdk, monkeypatch, paths):
    """none is an answer too."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    assert sdk.save_api_key(KEY) == "none"
    assert sdk.get_stored_api_key() is None
    assert not os.path.exists(paths.credentials)


def test_explain_tells_every_source_and_no_key(sdk, monkeypatch):
    """Which one gives the key, which ones it shadows, each masked."""
    monkeypatch.delenv("NIMBUS_SDK_API_URL", raising=False)
    sdk.save_api_key(KEY)
    monkeypatch.setenv("NIMBUS_API_KEY", OTHER)
    resolution = sdk.explain()
    assert resolution
    assert (resolution.winner.source, resolution.winner.key_masked) == (
        "environment",
        ApiKey.parse(OTHER).masked,
    )
    states = {report.source: report.state for report in resolution.sources}
    assert states["store"] == "shadowed"
    assert states["argument"] == "absent"
    assert not [key for key in (KEY, OTHER) if key in f"{resolution}{resolution.to_dict()}"]
    monkeypatch.delenv("NIMBUS_API_KEY")
    assert sdk.explain().winner.source == "store"
    sdk.delete_stored_api_key()
    assert not sdk.explain()
