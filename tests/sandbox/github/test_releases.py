"""Releases are made from the core's sources or from any wheel, replaced, and tried again."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox import Sandbox


def test_a_first_release_that_failed_is_tried_again(tmp_path, http, core_source):
    """While the core cannot be built the release is 500; afterwards it is there."""
    source = tmp_path / "source"
    source.mkdir()
    with Sandbox(core_source=source) as sandbox:
        token = http.get(
            f"{sandbox.api_url}/v1/installer/github-token", headers={"X-API-Key": sandbox.new_key()}
        ).json()["github_token"]
        latest = f"{sandbox.github_url}/repos/nimbusbci/NimbusSDKCore/releases/latest"
        auth = {"Authorization": f"Bearer {token}"}
        assert http.get(latest, headers=auth).status_code == 500
        shutil.copytree(core_source, source, dirs_exist_ok=True)
        assert http.get(latest, headers=auth).json()["tag_name"] == "v0.1.0"


def test_a_replaced_release_removes_its_files(sandbox, http, link):
    """Publishing a version again removes the assets of the one before."""
    sandbox.publish("0.1.0", padding=10)
    assert http.get(link).status_code == 404


def test_any_wheel_can_be_released_as_it_is(tmp_path, sandbox, http):
    """A file that is not a valid wheel is served all the same: clients must find out."""
    evil = tmp_path / "nimbus_sdk_core-6.6.6-py3-none-any.whl"
    evil.write_bytes(b"not a zip")
    release = sandbox.publish_wheel(evil)
    assert (release.tag, release.notes) == ("v6.6.6", "")
    assert release.assets[0].sha256 == hashlib.sha256(b"not a zip").hexdigest()
    with Sandbox(wheel=evil) as other:
        token = http.get(
            f"{other.api_url}/v1/installer/github-token", headers={"X-API-Key": other.new_key()}
        ).json()["github_token"]
        latest = f"{other.github_url}/repos/nimbusbci/NimbusSDKCore/releases/latest"
        release = http.get(latest, headers={"Authorization": f"Bearer {token}"}).json()
    assert release["tag_name"] == "v6.6.6"


@pytest.mark.parametrize("name", ["core.zip", "nimbus_sdk_core-1.0-py3-none-any.whl"])
def test_files_that_are_not_wheels_are_not_released(tmp_path, sandbox, name):
    """A wrong name and a missing file are configuration errors."""
    if name.endswith(".zip"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigurationError, match="is not a wheel"):
        sandbox.publish_wheel(tmp_path / name)
