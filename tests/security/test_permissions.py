"""Whatever the umask, and whatever lies there already: nobody else can read a secret, or plant one."""

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
from tests.security.permissions import (
    SOMEBODY,
    SOMEBODY_ELSE,
    given_to,
    modes,
    needs_root,
    told_to,
    told_under,
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
    """Where the SDK keeps everything in this test, in reach of every user, which pytest's folders are not."""
    with tempfile.TemporaryDirectory(prefix="nimbus-home-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        place = Path(folder, "nimbus")
        place.mkdir()
        monkeypatch.setenv("NIMBUS_SDK_HOME", str(place))
        yield place


@pytest.fixture
def key_file(key: str, home: Path) -> str:
    """A file with a valid key; everybody may read it here."""
    path = home.parent / "key.txt"
    path.write_text(key)
    path.chmod(0o644)
    return str(path)


@pytest.fixture
def planted(key: str, home: Path) -> Path:
    """A whole home, with key, session and core, that another user has prepared, and that all may read."""
    nimbus_sdk.install_core(key)
    for path in (home, *home.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    given_to(SOMEBODY_ELSE, home)
    return home


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o027], ids="{:03o}".format)
def test_no_umask_opens_or_closes_too_much(home: Path, sandbox: Sandbox, key_file: str, umask: int):
    """Under any umask all files are 0600 (0700 where executable) and all folders 0700, and all works.

    What Python compiles when the core is first used lies there too.
    """
    assert told_under(umask, INSTALL, home, KEY_FILE=key_file)[0] == "done"
    assert told_under(umask, RUN_ALL, home, PYTHONDONTWRITEBYTECODE="")[0] == "done"
    found = modes(home)
    assert any(name.endswith(".pyc") and "simulation" in name for name in found)
    assert {name for name, mode in found.items() if mode not in (0o600, 0o700)} == set()
    assert found["config/credentials.json"] == found["state/seal.key"] == 0o600
    assert told_under(0o077, WHOLE, home) == ("done", "True")


def test_what_lies_open_is_closed_before_a_secret_goes_in(home: Path, sandbox: Sandbox, key: str):
    """Files and folders that were made with wide modes are mended by the next install."""
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
@pytest.mark.parametrize("story", ["save", "install", "read", "delete"])
def test_a_credentials_path_that_leads_elsewhere_is_refused(
    home: Path, own_world: Path, sandbox: Sandbox, key: str, kind: str, story: str
):
    """A link in the place of the credentials file: nothing is written to, or read from, where it leads."""
    elsewhere = own_world / "elsewhere.json"
    elsewhere.write_text("{}\n")
    (home / "config").mkdir()
    (os.symlink if kind == "symbolic" else os.link)(elsewhere, home / "config" / "credentials.json")
    stories = {
        "save": lambda: nimbus_sdk.save_api_key(key),
        "install": lambda: nimbus_sdk.install_core(key),
        "read": nimbus_sdk.get_stored_api_key,
        "delete": nimbus_sdk.delete_stored_api_key,
    }
    with pytest.raises(CredentialStoreError, match="is a link to somewhere else"):
        stories[story]()
    assert elsewhere.read_text() == "{}\n"
    assert [path for path in home.rglob("*") if path.is_file() and key.encode() in path.read_bytes()] == []


def test_a_dangling_link_is_refused_too(home: Path, own_world: Path, key: str):
    """A link to a file that is not there yet makes no file there."""
    (home / "config").mkdir()
    (home / "config" / "credentials.json").symlink_to(own_world / "not-there.json")
    with pytest.raises(CredentialStoreError, match="is a link to somewhere else"):
        nimbus_sdk.save_api_key(key)
    assert not (own_world / "not-there.json").exists()


def test_a_link_in_the_place_of_a_small_file_is_not_written_through(
    home: Path, own_world: Path, sandbox: Sandbox, key: str
):
    """What other small files' names lead to is left alone: they are replaced, never written into."""
    victim = own_world / "victim"
    victim.write_text("precious")
    nimbus_sdk.install_core(key)
    paths = Settings.load().paths
    small = (paths.session, paths.key_metadata, paths.last_seen, paths.core_pointer)
    for path in (*small, paths.lock):
        Path(path).unlink(missing_ok=True)
        os.symlink(victim, path)
    nimbus_sdk.install_core(key, force=True)
    assert victim.read_text() == "precious"
    assert told_under(0o077, WHOLE, home) == ("done", "True")
    assert not any(os.path.islink(path) for path in (paths.session, paths.key_metadata, paths.last_seen))


def test_a_link_in_the_place_of_the_keys_lock_is_refused(
    home: Path, own_world: Path, sandbox: Sandbox, key: str
):
    """The keys' lock leads nowhere either: the install fails, says so, and keeps nothing."""
    victim = own_world / "victim"
    victim.write_text("precious")
    (home / "config").mkdir()
    (home / "config" / "credentials.json.lock").symlink_to(victim)
    with pytest.raises(CredentialStoreError, match=r"credentials\.json cannot be changed"):
        nimbus_sdk.install_core(key)
    assert victim.read_text() == "precious"
    assert not nimbus_sdk.check_installation().installed


@needs_root
def test_another_users_home_is_not_believed(planted: Path):
    """A session and a core that somebody else has planted are neither used nor run."""
    kind, text = told_to(LOOK, SOMEBODY, planted)
    assert (kind, "it belongs to another user" in text) == ("SessionError", True)
    kind, text = told_to(RUN, SOMEBODY, planted)
    assert (kind, "it belongs to another user" in text) == ("CoreInstallError", True)
    assert told_to(RUN, SOMEBODY_ELSE, planted)[0] == "done", "to its owner it is as good as ever"


@needs_root
@pytest.mark.parametrize("folder", ["state", "config", "data", "cache"])
def test_no_secret_goes_into_another_users_folder(
    home: Path, sandbox: Sandbox, key: str, key_file: str, folder: str
):
    """A folder that somebody else made first, and opened to all, gets no key and no session."""
    given_to(SOMEBODY, home)
    (home / folder).mkdir()
    (home / folder).chmod(0o777)
    given_to(SOMEBODY_ELSE, home / folder)
    kind, text = told_to(INSTALL, SOMEBODY, home, KEY_FILE=key_file)
    assert kind in ("CoreInstallError", "SessionError", "CredentialStoreError")
    assert "belongs to another user" in text
    for path in (home / folder).rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes()
    assert not (home / "config" / "credentials.json").exists(), "half of an install was kept"


@needs_root
def test_another_users_credentials_file_is_refused(home: Path, own_world: Path):
    """Keys of somebody else are not used, and none is added to them."""
    config = home / "config"
    config.mkdir(mode=0o777)
    given_to(SOMEBODY, home)
    (config / "credentials.json").write_text('{"default": "nbci_test_%s"}' % ("0" * 48))
    (config / "credentials.json").chmod(0o666)
    given_to(SOMEBODY_ELSE, config / "credentials.json")
    for story in (SAVE, "return nimbus_sdk.get_stored_api_key()"):
        kind, text = told_to(story, SOMEBODY, home)
        assert (kind, "belongs to another user" in text) == ("CredentialStoreError", True)
    assert "feed" not in (config / "credentials.json").read_text()


@needs_root
@pytest.mark.parametrize("mode", [0o600, 0o666], ids="{:03o}".format)
def test_another_users_lock_takes_nothing_from_an_install(
    home: Path, sandbox: Sandbox, key_file: str, mode: int
):
    """A lock file that somebody else left (after sudo, for instance) does not stop an install."""
    (home / "state").mkdir()
    given_to(SOMEBODY, home)
    lock = home / "state" / "nimbus-sdk.lock"
    lock.touch()
    lock.chmod(mode)
    given_to(SOMEBODY_ELSE, lock)
    assert told_to(INSTALL, SOMEBODY, home, KEY_FILE=key_file)[0] == "done"


@needs_root
def test_another_users_lock_of_the_keys_is_told(home: Path):
    """Where the keys' own lock cannot be had, the error names the file and no key is written."""
    (home / "config").mkdir()
    given_to(SOMEBODY, home)
    lock = home / "config" / "credentials.json.lock"
    lock.touch(mode=0o600)
    given_to(SOMEBODY_ELSE, lock)
    kind, text = told_to(SAVE, SOMEBODY, home)
    assert kind == "CredentialStoreError"
    assert "credentials.json" in text
    assert not (home / "config" / "credentials.json").exists()


@needs_root
def test_other_users_can_read_and_list_nothing(home: Path, sandbox: Sandbox, key_file: str):
    """After an install another user finds no file that can be opened and no folder that can be listed."""
    given_to(SOMEBODY, home)
    assert told_to(INSTALL, SOMEBODY, home, KEY_FILE=key_file)[0] == "done"
    spied = f"""
    home, seen = {str(home)!r}, []
    for folder in ("config", "data", "state", "cache"):
        try:
            seen += os.listdir(os.path.join(home, folder))
        except PermissionError:
            pass
    return seen"""
    assert told_to(spied, SOMEBODY_ELSE, home) == ("done", "[]")
