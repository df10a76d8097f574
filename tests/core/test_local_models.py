"""The models that are on this machine."""

from __future__ import annotations

from pathlib import Path

from nimbus_sdk import install_core
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.local_models import find_local_models
from nimbus_sdk.sandbox import Sandbox


def test_without_core_and_downloads_there_are_none(isolated_home: Path) -> None:
    """A new machine has no models, and looking for them creates nothing."""
    assert find_local_models(Settings.load().paths) == ()
    assert list(isolated_home.rglob("*.nimbus")) == []


def test_the_models_of_the_core_come_before_downloads(sandbox: Sandbox, key: str) -> None:
    """Each is listed once, with the file that is loaded by its name."""
    session = install_core(key)
    assert session.license_type == "research"
    paths = Settings.load().paths
    folder = Path(paths.models)
    folder.mkdir(parents=True)
    for name in ("motor_imagery_4class_v1", "ssvep_multiclass_v1"):
        (folder / f"{name}.nimbus").touch()
    own, downloaded = find_local_models(paths)
    assert (own.name, own.origin) == ("motor_imagery_4class_v1", "core 0.1.0")
    assert Path(own.path).stat().st_size > 0
    assert (downloaded.name, downloaded.origin) == ("ssvep_multiclass_v1", "download")
    assert Path(downloaded.path) == folder / "ssvep_multiclass_v1.nimbus"
