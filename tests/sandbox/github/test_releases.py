"""Releases are added, replaced, and tried again."""

from __future__ import annotations

import shutil

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
