"""Checks of this machine: core, session, key, keyring, disk, permissions."""

from __future__ import annotations

import os
import time
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.doctor import local_checks
from nimbus_sdk.errors import InvalidKeyError
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.storage import key_removal, keyring_breaker
from tests.doctor.conftest import Examine
from tests.support.flows import TINY_CORE
from tests.support.forked import ForkedPython

pytestmark = TINY_CORE

DAY = timedelta(days=1)
Usage = namedtuple("Usage", "total used free")


def one_module(paths: Paths) -> Path:
    """A file of the installed core."""
    return next(Path(paths.core).rglob("nimbus_sdk_core/__init__.py"))


def test_a_changed_file_of_the_core_is_named(installed: str, examine: Examine, paths: Paths) -> None:
    """Which file, and the command that installs the core again."""
    module = one_module(paths)
    module.chmod(0o600)
    module.write_text(module.read_text() + "\n# changed\n")
    seen = examine()
    assert seen["core"].verdict == "fault"
    assert "__init__.py" in seen["core"].cause
    assert "install --force" in seen["core"].fix
    assert not seen.diagnosis.usable_offline


@pytest.mark.parametrize("damage", ["a file is gone", "the pointer is no JSON", "the pointer leads nowhere"])
def test_a_damaged_core_is_a_fault(installed: str, examine: Examine, paths: Paths, damage: str) -> None:
    """Whatever is wrong with it is reported, and the other checks run."""
    if damage == "a file is gone":
        one_module(paths).unlink()
    elif damage == "the pointer is no JSON":
        Path(paths.core_pointer).write_text("{")
    else:
        pointer = Path(paths.core_pointer)
        pointer.write_text(pointer.read_text().replace('"install_id": "', '"install_id": "x'))
    seen = examine()
    assert seen["core"].verdict == "fault"
    assert "--force" in seen["core"].fix
    assert seen["api"].verdict == "ok"


def test_a_core_that_does_not_load_is_a_fault(
    installed: str, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undamaged files are not enough."""
    from nimbus_sdk.core.wheel import loader
    from nimbus_sdk.errors import CoreInstallError

    def refuse() -> object:
        raise CoreInstallError("The core does not load: no module named numpy.")

    monkeypatch.setattr(loader, "load", refuse)
    assert "does not load" in examine()["core"].cause


def test_a_session_that_has_ended_is_a_fault(installed: str, examine: Examine, age) -> None:
    """When it ended, and what to do."""
    age(hours=50, expires_at=datetime.now(UTC) - DAY)
    seen = examine()
    assert seen["session"].verdict == "fault"
    assert "expired at" in seen["session"].cause
    assert "nimbus-sdk refresh" in seen["session"].fix
    assert not seen.diagnosis.usable_offline


def test_an_edited_session_is_a_fault(installed: str, examine: Examine, paths: Paths) -> None:
    """It was set aside, and the message says where."""
    path = Path(paths.session)
    path.write_text(path.read_text().replace('"research"', '"enterprise"'))
    seen = examine()
    assert seen["session"].verdict == "fault"
    assert "set aside as" in seen["session"].cause


def test_a_clock_that_was_set_back_is_a_fault_of_the_session(installed: str, examine: Examine, age) -> None:
    """Both times are in the message."""
    age(hours=-24)
    assert "clock says" in examine()["session"].cause


def test_another_key_in_the_environment_is_reported(
    installed: str, sandbox: Sandbox, examine: Examine
) -> None:
    """If a variable has another key, the finding names the variable."""
    seen = examine(NIMBUS_API_KEY=sandbox.new_key("research"))
    assert seen["session"].verdict == "fault"
    assert "NIMBUS_API_KEY" in seen["session"].cause
    expected = "from NIMBUS_API_KEY in the environment; not used, because this one comes first: file, saved "
    assert expected in seen["key"].cause


def test_a_rejected_key_is_reported(installed: str, sandbox: Sandbox, examine: Examine) -> None:
    """When it was rejected, and what to do."""
    assert examine()["key"].verdict == "ok"
    sandbox.revoke_key(installed)
    with pytest.raises(InvalidKeyError):
        nimbus_sdk.refresh_quota()
    seen = examine()
    assert seen["key"].verdict == "warning"
    assert "the service rejected it on 20" in seen["key"].cause
    assert "(INVALID_KEY)" in seen["key"].cause
    assert "hello@nimbusbci.com" in seen["key"].fix


def test_an_edited_record_of_a_rejection_counts(
    installed: str, sandbox: Sandbox, examine: Examine, paths: Paths
) -> None:
    """The key is not called usable, and the session is not either, until the service has answered."""
    fingerprint = nimbus_sdk.current_session().key_fingerprint
    note = Path(paths.rejection(fingerprint, sandbox.api_url))
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text("{}")
    seen = examine()
    assert "counts as rejected" in seen["key"].cause
    assert "counts as rejected" in seen["session"].cause


def test_the_age_of_a_session_is_in_words(installed: str, examine: Examine, age) -> None:
    """In hours, minutes and seconds, and never negative."""
    age(hours=3)
    assert "confirmed 3 h" in examine()["session"].cause
    age(hours=-0.05)
    assert "confirmed 0 s ago" in examine()["session"].cause


def test_a_malformed_key_is_reported_by_its_place_and_length(sandbox: Sandbox, examine: Examine) -> None:
    """The variable and what is wrong with it; the text itself is not printed."""
    seen = examine(NIMBUS_API_KEY="nbci_live_1234")
    assert seen["key"].verdict == "warning"
    assert "NIMBUS_API_KEY" in seen["key"].cause
    assert "4 characters" in seen["key"].cause
    assert seen["session"].verdict == "fault"


def test_a_session_without_its_key_works_and_cannot_be_renewed(installed: str, examine: Examine) -> None:
    """A machine needs no key offline: a warning, and usable."""
    nimbus_sdk.delete_stored_api_key()
    seen = examine()
    assert seen["key"].verdict == "warning"
    assert "Renewing the session needs a key" in seen["key"].fix
    assert seen.diagnosis


def test_a_paused_keyring_is_reported_with_the_reason(installed: str, examine: Examine, paths: Paths) -> None:
    """What it did, how long ago, and when it is asked again."""
    keyring_breaker.trip(
        paths.keyring_breaker, reason="did not answer within 2.0 s", patience=2.0, now=time.time() - 120
    )
    seen = examine(NIMBUS_SDK_CREDENTIAL_STORE="")
    assert seen["keyring"].verdict == "warning"
    assert "did not answer within 2.0 s 2 min ago" in seen["keyring"].cause
    assert "NIMBUS_SDK_CREDENTIAL_STORE=file" in seen["keyring"].fix
    assert "--retry-keyring" in seen["keyring"].fix
    assert seen.diagnosis


def test_a_key_that_is_still_to_be_removed_is_reported(
    installed: str, examine: Examine, paths: Paths
) -> None:
    """Which key, of which profile, and how to go on."""
    key_removal.postpone_removal(paths, "stayed locked", masked="nbci_live_0123…89ab")
    seen = examine()
    assert seen["keyring"].verdict == "warning"
    assert "default: nbci_live_0123…89ab in the keyring, which stayed locked" in seen["keyring"].cause
    assert "--retry-keyring" in seen["keyring"].fix


def test_a_required_keyring_that_is_missing_is_reported(installed: str, examine: Examine) -> None:
    """If a setting requires a keyring, one that does not work is a warning."""
    seen = examine(
        NIMBUS_SDK_CREDENTIAL_STORE="keyring", PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring"
    )
    assert seen["keyring"].verdict == "warning"
    assert "keyring" in seen["keyring"].cause


def test_little_space_is_reported_before_there_is_none(
    installed: str, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How much is left, and where."""
    monkeypatch.setattr(local_checks, "disk_usage", lambda path: Usage(10**12, 10**12, 7 * 2**20))
    seen = examine()
    assert seen["folder data"].verdict == "warning"
    assert "7 MiB free" in seen["folder data"].cause


def test_a_disk_that_does_not_answer_is_reported(
    installed: str, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a stale network mount is the cause."""

    def stale(path: str) -> Usage:
        raise OSError(116, os.strerror(116))

    monkeypatch.setattr(local_checks, "disk_usage", stale)
    seen = examine()
    assert os.strerror(116) in seen["folder state"].cause
    assert seen["folder state"].verdict == "warning"


@pytest.mark.parametrize("name", ["credentials", "seal", "session"])
def test_a_file_that_others_can_read_is_a_fault(
    installed: str, examine: Examine, paths: Paths, name: str
) -> None:
    """Which one, and the command that makes it private."""
    path = getattr(paths, name)
    os.chmod(path, 0o644)
    seen = examine()
    assert seen["permissions"].verdict == "fault"
    assert f"chmod 600 {path}" in seen["permissions"].fix
    assert not seen.diagnosis


def test_a_folder_that_others_can_read_is_not_called_ok(
    installed: str, examine: Examine, paths: Paths
) -> None:
    """A warning with what to do, also if the file system stores no permissions."""
    os.chmod(paths.state, 0o755)
    seen = examine()
    assert seen["folder state"].verdict == "warning"
    assert f"chmod 700 {paths.state}" in seen["folder state"].fix
    assert "another disk" in seen["folder state"].fix
    assert seen["folder data"].verdict == "ok"


def test_a_file_that_is_a_link_is_a_fault(
    installed: str, examine: Examine, paths: Paths, tmp_path: Path
) -> None:
    """A credentials file that is a link was not created by the SDK."""
    elsewhere = tmp_path / "elsewhere"
    os.rename(paths.credentials, elsewhere)
    os.symlink(elsewhere, paths.credentials)
    assert "is a link" in examine()["permissions"].cause


def test_a_home_that_cannot_be_written_is_reported(
    sandbox: Sandbox, isolated_home: Path, forked_python: ForkedPython
) -> None:
    """A fault before the install, with the variable that names another folder."""
    home = isolated_home / "nimbus"
    home.chmod(0o500)
    code = (
        "import json\nfrom nimbus_sdk.doctor import diagnose\n"
        "print(json.dumps([[f.check, f.verdict, f.fix] for f in diagnose().findings]))"
    )
    done = forked_python.run(["-c", code], environ=os.environ, become=["become_stranger"])
    home.chmod(0o700)
    for check in ("config", "data", "state", "cache"):
        fix = "Set NIMBUS_SDK_HOME to a writable folder. What is installed still works."
        assert f'["folder {check}", "fault", "{fix}"]' in done.stdout
