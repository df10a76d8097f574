"""`nimbus-sdk core …`: several versions on one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from nimbus_sdk.install import install_core
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import Nimbus


@pytest.fixture
def two_versions(sandbox: Sandbox, key: str) -> None:
    """A machine that had 0.1.0 and has 0.2.0."""
    install_core(key)
    sandbox.publish("0.2.0")
    install_core(key, force=True)


def _current(nimbus: Nimbus) -> object:
    return nimbus("core", "list", "--json").document["current"]


def test_an_empty_machine_has_no_versions(nimbus: Nimbus) -> None:
    """Where nothing is installed, the list is empty and says what to run."""
    assert nimbus("core", "list", "--json").document == {"current": None, "versions": []}
    told = nimbus("core", "list")
    assert told.code == 0
    assert "nimbus-sdk install" in told.out


@pytest.mark.usefixtures("two_versions")
def test_the_list_shows_which_version_is_in_use(nimbus: Nimbus) -> None:
    """Every installed version, with exactly one in use."""
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
        "installed_at",
        "tag",
        "path",
    }
    text = nimbus("core", "list").out
    assert "0.1.0" in text
    assert "0.2.0" in text


@pytest.mark.usefixtures("two_versions")
def test_switching_and_rolling_back(nimbus: Nimbus) -> None:
    """`use` switches, `rollback` undoes it, and once more does it again."""
    assert nimbus("core", "use", "0.1.0", "--json").document["version"] == "0.1.0"
    assert _current(nimbus) == "0.1.0"
    assert "0.2.0" in nimbus("core", "rollback").out
    assert _current(nimbus) == "0.2.0"
    assert nimbus("core", "rollback", "--json").document["version"] == "0.1.0"
    assert _current(nimbus) == "0.1.0"


@pytest.mark.usefixtures("two_versions")
def test_a_version_that_is_not_there_cannot_be_used(nimbus: Nimbus) -> None:
    """It ends with 11 and changes nothing."""
    told = nimbus("core", "use", "9.9.9")
    assert told.code == 11
    assert "9.9.9" in told.err
    assert _current(nimbus) == "0.2.0"


@pytest.mark.usefixtures("two_versions")
def test_one_version_can_be_removed(nimbus: Nimbus) -> None:
    """The other one stays in use."""
    assert nimbus("core", "uninstall", "0.1.0", "--json").document == {"removed": ["0.1.0"]}
    assert _current(nimbus) == "0.2.0"


@pytest.mark.usefixtures("two_versions")
def test_all_versions_can_be_removed(nimbus: Nimbus) -> None:
    """Without a version everything goes, and a second time finds nothing."""
    told = nimbus("core", "uninstall")
    assert told.code == 0
    assert "0.1.0" in told.out
    assert "0.2.0" in told.out
    assert _current(nimbus) is None
    assert "nothing was installed" in nimbus("core", "uninstall").out


@pytest.mark.usefixtures("two_versions")
def test_a_whole_core_is_verified(nimbus: Nimbus) -> None:
    """Every file is compared with what was installed."""
    found = nimbus("core", "verify", "--json").document
    assert found["version"] == "0.2.0"
    assert found["files"] > 10
    assert "whole" in nimbus("core", "verify").out


@pytest.mark.usefixtures("two_versions")
def test_a_changed_core_is_named_file_by_file(nimbus: Nimbus) -> None:
    """All faults are listed, and the exit code is 11."""
    library = Path(nimbus("core", "verify", "--json").document["path"]) / "lib" / "nimbus_sdk_core"
    with (library / "__init__.py").open("a") as file:
        file.write("# changed\n")
    (library / "stranger.py").write_text("")
    told = nimbus("core", "verify", "--json")
    assert told.code == 11
    assert len(told.complaint["issues"]) == 2
    text = nimbus("core", "verify")
    assert "stranger.py" in text.err
    assert "__init__.py" in text.err


def test_nothing_can_be_verified_or_rolled_back_on_an_empty_machine(nimbus: Nimbus) -> None:
    """Both say that there is no core."""
    assert nimbus("core", "verify").code == 11
    assert nimbus("core", "rollback").code == 11
