"""Wheels are edited and stay valid."""

from __future__ import annotations

from zipfile import ZIP_STORED, ZipFile

from installer.sources import WheelFile

from tests.support.sandbox_requests import (
    core_metadata,
)


def test_edited_wheels_stay_valid(sandbox):
    """Tags, requirements and padding are where installers look, and RECORD matches."""
    release = sandbox.publish(
        "0.4.0",
        padding=300_000,
        tags=("py3-none-any", "cp39.cp310-abi3-win_amd64"),
        requires=("lorem-ipsum>=9",),
        requires_python=">=3.99",
    )
    assert [asset.name for asset in release.assets] == [
        "nimbus_sdk_core-0.4.0-py3-none-any.whl",
        "nimbus_sdk_core-0.4.0-cp39.cp310-abi3-win_amd64.whl",
        "SHA256SUMS",
    ]
    assert release.notes.splitlines() == [
        "Requires-Dist: numpy>=1.26",
        "Requires-Dist: lorem-ipsum>=9",
        "Requires-Python: >=3.99",
    ]
    for asset in release.assets[:2]:
        with WheelFile.open(asset.path) as wheel:
            wheel.validate_record()
        assert "Requires-Python: >=3.99\n" in core_metadata(asset.path)
        with ZipFile(asset.path) as archive:
            filler = archive.getinfo("nimbus_sdk_core/_padding.bin")
        assert (filler.file_size, filler.compress_type) == (300_000, ZIP_STORED)
    with ZipFile(release.assets[1].path) as archive:
        assert archive.read("nimbus_sdk_core-0.4.0.dist-info/WHEEL").decode().splitlines()[-2:] == [
            "Tag: cp310-abi3-win_amd64",
            "Tag: cp39-abi3-win_amd64",
        ]
