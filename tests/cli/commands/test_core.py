"""`nimbus-sdk core …`: several versions on one machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nimbus_sdk.core.install import install_core
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import Nimbus
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE


@pytest.fixture
def two_versions(sandbox: Sandbox, key: str) -> None:
    """A machine that had 0.1.0 and has 0.2.0."""
    install_core(key)
    sandbox.publish("0.2.0")
    install_core(key, force=True)


def _current(nimbus: Nimbus) -> object:
    return nimbus("core", "list", "--json").document["current"]


def test_an_empty_machine_has_no_versions(nimbus: Nimbus) -> None:
    """If nothing is installed, the list is empty and says what to run."""
    assert nimbus("core", "list", "--json").document == {"current": None, "versions": []}
    done = nimbus("core", "list")
    assert done.code == 0
    assert "nimbus-sdk install" in done.out


@pytest.mark.usefixtures("two_versions")
def test_the_list_shows_which_version_is_in_use(nimbus: Nimbus) -> None:
    """Every installed version, with exactly one in use; `use` and `rollback` change which."""
    found = nimbus("core", "list", "--json").document
    assert found["current"] == "0.2.0"
    assert [(one["version"], one["in_use"]) for one in found["versions"]] == [
        ("0.1.0", False),
        ("0.2.0", True),
    ]
    assert found["versions"][0].keys() == {
        "version",
        "install_id",
        "in_use",
        "previous",
        "installed_at",
        "tag",
        "path",
    }
    text = nimbus("core", "list").out
    assert "0.1.0" in text
    assert "0.2.0" in text
    assert nimbus("core", "use", "0.1.0", "--json").document["version"] == "0.1.0"
    assert _current(nimbus) == "0.1.0"
    assert "0.2.0" in nimbus("core", "rollback").out
    assert _current(nimbus) == "0.2.0"


def test_installs_of_one_version_are_distinguished(nimbus: Nimbus, sandbox: Sandbox, key: str) -> None:
    """When each was installed, which is in use and which was before; a rollback says from which to which."""
    for _ in range(3):
        install_core(key, force=True)
    listed = nimbus("core", "list", "--json").document["versions"]
    ids = [one["install_id"] for one in listed]
    assert sorted((one["in_use"], one["previous"]) for one in listed) == [
        (False, False),
        (False, True),
        (True, False),
    ]
    used, before = (next(one["install_id"] for one in listed if one[name]) for name in ("in_use", "previous"))
    lines = nimbus("core", "list").out.splitlines()
    assert len([line for line in lines if "0.1.0" in line and " UTC" in line]) == 3
    assert all(any(one in line for line in lines) for one in ids)
    assert next(line for line in lines if used in line).split()[1:3] == ["in", "use"]
    assert next(line for line in lines if before in line).split()[1] == "previous"
    lines = nimbus("core", "rollback").out.splitlines()
    assert lines[0] == f"in use    0.1.0, install {before}"
    assert lines[1] == f"previous  0.1.0, install {used}"
    again = nimbus("core", "rollback", "--json").document
    assert again["install_id"] == used
    assert again["previous"] == {"version": "0.1.0", "install_id": before}


def test_a_time_that_was_edited_is_shown_as_it_stands(nimbus: Nimbus, sandbox: Sandbox, key: str) -> None:
    """An invalid time does not make the list fail."""
    install_core(key)
    path = Path(nimbus("core", "list", "--json").document["versions"][0]["path"]) / "manifest.json"
    manifest = json.loads(path.read_text())
    path.chmod(0o600)
    path.write_text(json.dumps({**manifest, "installed_at": "some day"}))
    assert "some day" in nimbus("core", "list").out


@pytest.mark.usefixtures("two_versions")
def test_versions_are_removed_one_by_one_or_all(nimbus: Nimbus) -> None:
    """One that is not there cannot be used; one that goes leaves the other in use; then all go."""
    unknown = nimbus("core", "use", "9.9.9")
    assert unknown.code == 11
    assert "9.9.9" in unknown.err
    assert nimbus("core", "uninstall", "0.1.0", "--json").document == {"removed": ["0.1.0"]}
    assert _current(nimbus) == "0.2.0"
    done = nimbus("core", "uninstall")
    assert done.code == 0
    assert "0.2.0" in done.out
    assert _current(nimbus) is None
    assert nimbus("core", "uninstall").out == "No core is installed.\n"


def test_a_changed_core_is_named_file_by_file(nimbus: Nimbus, sandbox: Sandbox, key: str) -> None:
    """An undamaged core is ok; for a changed one every fault is listed, and the exit code is 11."""
    install_core(key)
    found = nimbus("core", "verify", "--json").document
    assert found["version"] == "0.1.0"
    files = [path for path in Path(found["path"], "lib").rglob("*") if path.is_file()]
    assert found["files"] == len([path for path in files if "__pycache__" not in path.parts])
    assert "undamaged  yes" in nimbus("core", "verify").out
    library = Path(found["path"]) / "lib" / "nimbus_sdk_core"
    with (library / "__init__.py").open("a") as file:
        file.write("# changed\n")
    (library / "stranger.py").write_text("")
    done = nimbus("core", "verify", "--json")
    assert done.code == 11
    assert len(done.error["issues"]) == 2
    text = nimbus("core", "verify")
    assert "stranger.py" in text.err
    assert "__init__.py" in text.err


def test_nothing_can_be_verified_or_rolled_back_on_an_empty_machine(nimbus: Nimbus) -> None:
    """Both say that there is no core."""
    assert nimbus("core", "verify").code == 11
    assert nimbus("core", "rollback").code == 11
