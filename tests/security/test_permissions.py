"""Whatever the umask and the existing files: no other user can read a secret, or plant one."""

from __future__ import annotations

import json
import os
import shutil
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
    Users,
    give_to,
    modes,
    needs_root,
)
from tests.support.fork_server import ForkServer

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="Windows has no modes; a profile's folder is its user's own"
)
LOOK = "return nimbus_sdk.current_session()"
RUN = "from nimbus_sdk.core.wheel import loader; return loader.load()"
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
def users(fork_server: ForkServer) -> Users:
    """Runs code in processes of other users."""
    return Users(fork_server)


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
def test_no_umask_opens_or_closes_too_much(
    home: Path, sandbox: Sandbox, key_file: str, umask: int, users: Users
):
    """Under any umask all files are 0600 (0700 if executable) and all folders 0700, and everything works.

    This includes what Python compiles when the core is first used.
    """
    assert users.run_under_umask(umask, INSTALL, home, KEY_FILE=key_file)[0] == "done"
    assert users.run_under_umask(umask, RUN_ALL, home, PYTHONDONTWRITEBYTECODE="")[0] == "done"
    found = modes(home)
    assert any(name.endswith(".pyc") and "simulation" in name for name in found)
    assert {name for name, mode in found.items() if mode not in (0o600, 0o700)} == set()
    assert found["config/credentials.json"] == found["state/seal.key"] == 0o600
    assert users.run_under_umask(0o077, WHOLE, home) == ("done", "True")


@pytest.mark.tiny_core
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
@pytest.mark.tiny_core
def test_a_credentials_path_that_leads_elsewhere_is_refused(
    home: Path, sandbox: Sandbox, key: str, kind: str, call: str
):
    """A link instead of the credentials file: its target is neither read nor written."""
    elsewhere = home.parent / "elsewhere.json"
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


@pytest.mark.tiny_core
def test_a_link_in_the_place_of_a_small_file_is_not_written_through(
    home: Path, isolated_home: Path, sandbox: Sandbox, key: str, users: Users
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
    assert users.run_under_umask(0o077, WHOLE, home) == ("done", "True")
    assert not any(os.path.islink(path) for path in (paths.session, paths.key_metadata, paths.last_seen))


@pytest.mark.tiny_core
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
@pytest.mark.tiny_core
def test_another_users_home_is_not_trusted(planted: Path, users: Users):
    """A session and a core that another user has planted are neither used nor run."""
    kind, text = users.run_as(LOOK, USER, planted)
    assert (kind, f"{planted} belongs to another user" in text) == ("SessionError", True)
    kind, text = users.run_as(RUN, USER, planted)
    assert (kind, f"{planted} belongs to another user" in text) == ("CoreIntegrityError", True)
    kind, text = users.run_as(RUN, OTHER_USER, planted)
    assert (kind, "can be written by others" in text) == ("CoreIntegrityError", True)
    for path in (planted, *planted.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert users.run_as(RUN, OTHER_USER, planted)[0] == "done", "to its owner it is as good as ever"


def _link(path: Path, elsewhere: Path) -> None:
    """Move a file or folder out of the home and put a link in its place; both are its user's own."""
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)
    os.chown(path, USER, USER, follow_symlinks=False)


def _give_away(path: Path, elsewhere: Path) -> None:
    os.chown(path, OTHER_USER, OTHER_USER)


def _open(path: Path, elsewhere: Path) -> None:
    path.chmod(0o777)


def _give_to_root_and_open(path: Path, elsewhere: Path) -> None:
    os.chown(path, 0, 0)
    path.chmod(0o777)


def _leave(path: Path, elsewhere: Path) -> None:
    pass


# What somebody else did to one component of a home that is otherwise its user's own.
DEEDS = [
    (_leave, "."),
    *(
        (deed, component)
        for deed in (_give_away, _link, _open, _give_to_root_and_open)
        for component in (
            *(".", "data", "data/core", "data/core/current.json", "data/core/0.1.0", "INSTALLED"),
            *("INSTALLED/manifest.json", "INSTALLED/lib", "INSTALLED/lib/nimbus_sdk_core"),
            *("INSTALLED/lib/nimbus_sdk_core/__init__.py", "INSTALLED/lib/nimbus_sdk_core/__pycache__"),
            *("state", "state/seal.key", "state/profiles", "state/profiles/default"),
            "state/profiles/default/session.json",
        )
        # A home may be a link of its own user.
        if (deed, component) != (_link, ".")
    ),
]
USE = """
    from nimbus_sdk.account.session_lookup import find_session
    from nimbus_sdk.config.paths import Paths
    from nimbus_sdk.core.wheel import loader

    def outcome(call, *given):
        try:
            call(*given)
        except nimbus_sdk.NimbusError as error:
            return f"{type(error).__name__}: {error}"
        return ""

    found = {}
    folder = os.path.dirname(os.environ["NIMBUS_SDK_HOME"])
    for name in os.listdir(folder) if os.geteuid() else ():
        paths = Paths.of(os.path.join(folder, name, "home"), "default")
        found[name] = [outcome(loader._loadable, paths.core), outcome(find_session, paths, None)]
    return json.dumps(found)"""


@needs_root
@pytest.mark.tiny_core
def test_no_component_of_a_home_may_be_changed_by_others(
    home: Path, sandbox: Sandbox, key: str, users: Users
):
    """From the home down to each file that is imported or believed: no link, no other owner, no open mode."""
    nimbus_sdk.install_core(key)
    (installed,) = home.glob("data/core/0.1.0/*")
    expected = {}
    for deed, component in DEEDS:
        name = f"{deed.__name__} {component.replace('/', ' ')}"
        copy = home.parent / name / "home"
        shutil.copytree(home, copy)
        give_to(USER, copy)
        deed(
            copy / component.replace("INSTALLED", str(installed.relative_to(home))), copy.parent / "elsewhere"
        )
        expected[name] = (not component.startswith("state"), not component.startswith(("data", "INSTALLED")))
    shutil.rmtree(home)
    home.mkdir()
    home.parent.chmod(0o755)
    kind, text = users.run_as(USE, USER, home)
    assert kind == "done"
    found = json.loads(text)
    expected["_leave ."] = (False, False)
    assert {name: tuple(map(bool, found[name])) for name in expected} == expected
    reasons = [line for name in expected for line in found[name] if line]
    words = ("is a link", "belongs to another", "can be written", "Permission denied")
    assert [line for line in reasons if not any(word in line for word in words)] == []


@needs_root
@pytest.mark.parametrize("folder", ["state", "config", "data", "cache"])
@pytest.mark.tiny_core
def test_no_secret_goes_into_another_users_folder(
    home: Path, sandbox: Sandbox, key: str, key_file: str, folder: str, users: Users
):
    """A folder that another user created first, and opened to all, gets no key and no session."""
    give_to(USER, home)
    (home / folder).mkdir()
    (home / folder).chmod(0o777)
    give_to(OTHER_USER, home / folder)
    kind, text = users.run_as(INSTALL, USER, home, KEY_FILE=key_file)
    assert kind in ("CoreInstallError", "SessionError", "CredentialStoreError")
    assert "belongs to another user" in text
    for path in (home / folder).rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes()
    assert not (home / "config" / "credentials.json").exists(), "half of an install was stored"


@needs_root
def test_another_users_credentials_file_is_refused(home: Path, isolated_home: Path, users: Users):
    """Another user's keys are not used, and none is added to them."""
    config = home / "config"
    config.mkdir(mode=0o777)
    give_to(USER, home)
    (config / "credentials.json").write_text('{"default": "nbci_test_%s"}' % ("0" * 48))
    (config / "credentials.json").chmod(0o666)
    give_to(OTHER_USER, config / "credentials.json")
    for code in (SAVE, "return nimbus_sdk.get_stored_api_key()"):
        kind, text = users.run_as(code, USER, home)
        assert (kind, "belongs to another user" in text) == ("CredentialStoreError", True)
    assert "feed" not in (config / "credentials.json").read_text()


@needs_root
@pytest.mark.parametrize("mode", [0o600, 0o666], ids="{:03o}".format)
@pytest.mark.tiny_core
def test_another_users_lock_takes_nothing_from_an_install(
    home: Path, sandbox: Sandbox, key_file: str, mode: int, users: Users
):
    """A lock file of another user (after sudo, for instance) does not stop an install."""
    (home / "state").mkdir()
    give_to(USER, home)
    lock = home / "state" / "nimbus-sdk.lock"
    lock.touch()
    lock.chmod(mode)
    give_to(OTHER_USER, lock)
    assert users.run_as(INSTALL, USER, home, KEY_FILE=key_file)[0] == "done"


@needs_root
def test_another_users_lock_of_the_keys_is_reported(home: Path, users: Users):
    """If the lock of the keys cannot be acquired, the error names the file and no key is written."""
    (home / "config").mkdir()
    give_to(USER, home)
    lock = home / "config" / "credentials.json.lock"
    lock.touch(mode=0o600)
    give_to(OTHER_USER, lock)
    kind, text = users.run_as(SAVE, USER, home)
    assert kind == "CredentialStoreError"
    assert "credentials.json" in text
    assert not (home / "config" / "credentials.json").exists()


@needs_root
@pytest.mark.tiny_core
def test_other_users_can_read_and_list_nothing(home: Path, sandbox: Sandbox, key_file: str, users: Users):
    """After an install another user finds no file that can be opened and no folder that can be listed."""
    give_to(USER, home)
    assert users.run_as(INSTALL, USER, home, KEY_FILE=key_file)[0] == "done"
    code = f"""
    home, seen = {str(home)!r}, []
    for folder in ("config", "data", "state", "cache"):
        try:
            seen += os.listdir(os.path.join(home, folder))
        except PermissionError:
            pass
    return seen"""
    assert users.run_as(code, OTHER_USER, home) == ("done", "[]")
