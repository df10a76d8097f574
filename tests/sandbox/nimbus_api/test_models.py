"""The registry of the reference models."""

from __future__ import annotations

import hashlib

from nimbus_sdk.sandbox import Sandbox


def test_the_reference_models_match_their_checksums(http):
    """The registry of the reference core has the true sizes and digests of its files."""
    with Sandbox() as sandbox:
        auth = {"X-API-Key": sandbox.new_key("enterprise")}
        models = http.get(f"{sandbox.api_url}/v1/models/list", headers=auth).json()["models"]
        assert "motor_imagery_4class_v1" in [model["name"] for model in models]
        for model in models:
            data = http.get(model["download_url"], headers=auth).content
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" == model["checksum"]
            assert model["size_mb"] == len(data) / 1e6
