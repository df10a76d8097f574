"""Whatever the umask and the existing files: no other user can read a secret, or plant one."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.sandbox import Sandbox
from tests.security.users import (
    OTHER_USER,
    USER,
    give_to,
    modes,
    needs_root,
    run_as,
    run_under_umask,
)

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="Windows has no modes; a profile's folder is its user's own"
)
LOOK = "return nimbus_sdk.current_session()"
RUN = "return nimbus_sdk.BCIData"
RUN_ALL = "nimbus_sdk.BCIData; import nimbus_sdk_core.simulation.p300; return nimbus_sdk_core"
WHOLE = "return bool(nimbus_sdk.check_installation())"
SAVE = "return nimbus_sdk.save_api_key('nbci_test_' + 'feed' * 12)"
INSTALL = "return nimbus_sdk.install_core(open(os.environ['KEY_FILE']).read(), force=True)"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of the SDK, which every user can reach; pytest's folders are private."""
    with tempfile.TemporaryDirectory(prefix="nimbus-home-") as folder:
        Path(folder).chmod(0o711)
        home = Path(folder, "nimbus")
        home.mkdir()
        monkeypatch.setenv("NIMBUS_SDK_HOME", str(home))
        yield home


@pytest.fixture
def key_file(key: str, home: Path) -> str:
    """A file with a valid key that everybody may read."""
    path = home.parent / "key.txt"
    path.write_text(key)
    path.chmod(0o644)
    return str(path)


@pytest.fixture
def planted(key: str, home: Path) -> Path:
    """A home with key, session and core that another user has prepared, and that everybody may read."""
    nimbus_sdk.install_core(key)
    for path in (home, *home.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    give_to(OTHER_USER, home)
    return home


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o027], ids="{:03o}".format)
def test_no_umask_opens_or_closes_too_much(home: Path, sandbox: Sandbox, key_file: str, umask: int):
    """Under any umask all files are 0600 (0700 if executable) and all folders 0700, and everything works.

    This includes what Python compiles when the core is first used.
    """
    assert run_under_umask(umask, INSTALL, home, KEY_FILE=key_file)[0] == "done"
    assert run_under_umask(umask, RUN_ALL, home, PYTHONDONTWRITEBYTECODE="")[0] == "done"
    found = modes(home)
    assert any(name.endswith(".pyc") and "simulation" in name for name in found)
    assert {name for name, mode in found.items() if mode not in (0o600, 0o700)} == set()
    assert found["config/credentials.json"] == found["state/seal.key"] == 0o600
    assert run_under_umask(0o077, WHOLE, home) == ("done", "True")


def test_open_permissions_are_tightened_before_a_secret_is_written(home: Path, sandbox: Sandbox, key: str):
    """The next install corrects files and folders with permissive modes."""
    nimbus_sdk.install_core(key)
    secrets = [path for path in home.rglob("*") if "core/" not in str(path)]
    for path in secrets:
        path.chmod(0o777 if path.is_dir() else 0o666)
    paths = Settings.load().paths
    nimbus_sdk.install_core(key, force=True)
    nimbus_sdk.save_api_key(key)
    for folder in (paths.config, paths.state, os.path.dirname(paths.session)):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    for file in (paths.credentials, paths.seal, paths.session, paths.key_metadata, paths.last_seen):
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
@pytest.mark.parametrize("call", ["save", "install", "read", "delete"])
def test_a_credentials_path_that_leads_elsewhere_is_refused(
    home: Path, isolated_home: Path, sandbox: Sandbox, key: str, kind: str, call: str
):
    """A link instead of the credentials file: its target is neither read nor written."""
    elsewhere = isolated_home / "elsewhere.json"
    elsewhere.write_text("{}\n")
    (home / "config").mkdir()
    (os.symlink if kind == "symbolic" else os.link)(elsewhere, home / "config" / "credentials.json")
    calls = {
        "save": lambda: nimbus_sdk.save_api_key(key),
        "install": lambda: nimbus_sdk.install_core(key),
        "read": nimbus_sdk.get_stored_api_key,
        "delete": nimbus_sdk.delete_stored_api_key,
    }
    with pytest.raises(CredentialStoreError, match="is a link to somewhere else"):
        calls[call]()
    assert elsewhere.read_text() == "{}\n"
    assert [path for path in home.rglob("*") if path.is_file() and key.encode() in path.read_bytes()] == []


def test_a_dangling_link_is_refused_too(home: Path, isolated_home: Path, key: str):
    """A link to a missing file does not create that file."""
    (home / "config").mkdir()
    (home / "config" / "credentials.json").symlink_to(isolated_home / "not-there.json")
    with pytest.raises(CredentialStoreError, match="is a link to somewhere else"):
        nimbus_sdk.save_api_key(key)
    assert not (isolated_home / "not-there.json").exists()


def test_a_link_in_the_place_of_a_small_file_is_not_written_through(
    home: Path, isolated_home: Path, sandbox: Sandbox, key: str
):
    """Links instead of other small files are replaced, and their targets are never written."""
    victim = isolated_home / "victim"
    victim.write_text("precious")
    nimbus_sdk.install_core(key)
    paths = Settings.load().paths
    small = (paths.session, paths.key_metadata, paths.last_seen, paths.core_pointer)
    for path in (*small, paths.lock):
        Path(path).unlink(missing_ok=True)
        os.symlink(victim, path)
    nimbus_sdk.install_core(key, force=True)
    assert victim.read_text() == "precious"
    assert run_under_umask(0o077, WHOLE, home) == ("done", "True")
    assert not any(os.path.islink(path) for path in (paths.session, paths.key_metadata, paths.last_seen))


def test_a_link_in_the_place_of_the_keys_lock_is_refused(
    home: Path, isolated_home: Path, sandbox: Sandbox, key: str
):
    """The same for the lock of the keys: the install fails with a clear error, and stores nothing."""
    victim = isolated_home / "victim"
    victim.write_text("precious")
    (home / "config").mkdir()
    (home / "config" / "credentials.json.lock").symlink_to(victim)
    with pytest.raises(CredentialStoreError, match=r"credentials\.json cannot be changed"):
        nimbus_sdk.install_core(key)
    assert victim.read_text() == "precious"
    assert not nimbus_sdk.check_installation().installed


@needs_root
def test_another_users_home_is_not_trusted(planted: Path):
    """A session and a core that another user has planted are neither used nor run."""
    kind, text = run_as(LOOK, USER, planted)
    assert (kind, "it belongs to another user" in text) == ("SessionError", True)
    kind, text = run_as(RUN, USER, planted)
    assert (kind, "it belongs to another user" in text) == ("CoreInstallError", True)
    assert run_as(RUN, OTHER_USER, planted)[0] == "done", "to its owner it is as good as ever"


@needs_root
@pytest.mark.parametrize("folder", ["state", "config", "data", "cache"])
def test_no_secret_goes_into_another_users_folder(
    home: Path, sandbox: Sandbox, key: str, key_file: str, folder: str
):
    """A folder that another user created first, and opened to all, gets no key and no session."""
    give_to(USER, home)
    (home / folder).mkdir()
    (home / folder).chmod(0o777)
    give_to(OTHER_USER, home / folder)
    kind, text = run_as(INSTALL, USER, home, KEY_FILE=key_file)
    assert kind in ("CoreInstallError", "SessionError", "CredentialStoreError")
    assert "belongs to another user" in text
    for path in (home / folder).rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes()
    assert not (home / "config" / "credentials.json").exists(), "half of an install was stored"


@needs_root
def test_another_users_credentials_file_is_refused(home: Path, isolated_home: Path):
    """Another user's keys are not used, and none is added to them."""
    config = home / "config"
    config.mkdir(mode=0o777)
    give_to(USER, home)
    (config / "credentials.json").write_text('{"default": "nbci_test_%s"}' % ("0" * 48))
    (config / "credentials.json").chmod(0o666)
    give_to(OTHER_USER, config / "credentials.json")
    for code in (SAVE, "return nimbus_sdk.get_stored_api_key()"):
        kind, text = run_as(code, USER, home)
        assert (kind, "belongs to another user" in text) == ("CredentialStoreError", True)
    assert "feed" not in (config / "credentials.json").read_text()


@needs_root
@pytest.mark.parametrize("mode", [0o600, 0o666], ids="{:03o}".format)
def test_another_users_lock_takes_nothing_from_an_install(
    home: Path, sandbox: Sandbox, key_file: str, mode: int
):
    """A lock file of another user (after sudo, for instance) does not stop an install."""
    (home / "state").mkdir()
    give_to(USER, home)
    lock = home / "state" / "nimbus-sdk.lock"
    lock.touch()
    lock.chmod(mode)
    give_to(OTHER_USER, lock)
    assert run_as(INSTALL, USER, home, KEY_FILE=key_file)[0] == "done"


@needs_root
def test_another_users_lock_of_the_keys_is_reported(home: Path):
    """If the lock of the keys cannot be acquired, the error names the file and no key is written."""
    (home / "config").mkdir()
    give_to(USER, home)
    lock = home / "config" / "credentials.json.lock"
    lock.touch(mode=0o600)
    give_to(OTHER_USER, lock)
    kind, text = run_as(SAVE, USER, home)
    assert kind == "CredentialStoreError"
    assert "credentials.json" in text
    assert not (home / "config" / "credentials.json").exists()


@needs_root
def test_other_users_can_read_and_list_nothing(home: Path, sandbox: Sandbox, key_file: str):
    """After an install another user finds no file that can be opened and no folder that can be listed."""
    give_to(USER, home)
    assert run_as(INSTALL, USER, home, KEY_FILE=key_file)[0] == "done"
    code = f"""
    home, seen = {str(home)!r}, []
    for folder in ("config", "data", "state", "cache"):
        try:
            seen += os.listdir(os.path.join(home, folder))
        except PermissionError:
            pass
    return seen"""
    assert run_as(code, OTHER_USER, home) == ("done", "[]")
