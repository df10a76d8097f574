"""A key from a ``.env``, which may come from a stranger, takes nothing from the profile's own key."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import InvalidKeyError, SessionError, SessionNotFoundError
from nimbus_sdk.sandbox import Sandbox

pytestmark = pytest.mark.tiny_core
Clone = Callable[[str], None]


@pytest.fixture
def clone(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """Changes into a folder whose ``.env`` has a key; without a key, into one without a ``.env``."""

    def change(key: str) -> None:
        folder = isolated_home / "work" / (key[-8:] or "elsewhere")
        folder.mkdir(exist_ok=True)
        (folder / ".git").mkdir(exist_ok=True)
        if key:
            (folder / ".env").write_text(f"NIMBUS_API_KEY={key}\n")
        monkeypatch.chdir(folder)

    return change


def fingerprint_in_use() -> str:
    """The fingerprint of the key whose session counts, by a look at the disk."""
    return nimbus_sdk.current_session().key_fingerprint


def of(key: str) -> str:
    """The fingerprint of a key."""
    return ApiKey.parse(key).fingerprint


@pytest.mark.parametrize("come", [nimbus_sdk.install_core, nimbus_sdk.authenticate])
def test_a_strangers_key_counts_in_its_folder_and_leaves_the_session_of_the_profile(
    sandbox: Sandbox, key: str, clone: Clone, come: Callable[[], object]
) -> None:
    """Nothing that the stranger's key meets, not even its end, changes the session elsewhere."""
    theirs = sandbox.new_key("enterprise")
    nimbus_sdk.install_core(key)
    own = Path(Paths.of(os.environ["NIMBUS_SDK_HOME"], "default").session).read_bytes()
    clone(theirs)
    come()
    assert fingerprint_in_use() == of(theirs)
    nimbus_sdk.refresh_quota()
    nimbus_sdk.check_quota_and_refresh()
    clone("")
    assert fingerprint_in_use() == of(key)
    clone(theirs)
    assert fingerprint_in_use() == of(theirs)
    sandbox.revoke_key(theirs)
    with pytest.raises(InvalidKeyError):
        nimbus_sdk.refresh_quota()
    with pytest.raises(SessionNotFoundError):
        nimbus_sdk.current_session()
    clone("")
    assert fingerprint_in_use() == of(key)
    assert Path(Paths.of(os.environ["NIMBUS_SDK_HOME"], "default").session).read_bytes() == own


def test_without_another_session_that_of_a_dotenv_counts_everywhere(sandbox: Sandbox, clone: Clone) -> None:
    """Who has a key in a .env alone can work in any folder, until a key comes from elsewhere."""
    first, second, own = (sandbox.new_key("research") for _ in range(3))
    clone(first)
    nimbus_sdk.install_core()
    clone("")
    assert fingerprint_in_use() == of(first)
    clone(second)
    nimbus_sdk.authenticate()
    clone("")
    assert fingerprint_in_use() == of(second)
    nimbus_sdk.authenticate(own)
    assert fingerprint_in_use() == of(own)
    for key in (first, second):
        clone(key)
        assert fingerprint_in_use() == of(key)


def test_one_key_from_both_has_one_session(sandbox: Sandbox, key: str, clone: Clone) -> None:
    """A .env with the profile's own key renews its session, which stays that of the stored key."""
    clone(key)
    nimbus_sdk.authenticate()
    assert nimbus_sdk.current_session().key_source == "dotenv"
    nimbus_sdk.authenticate(key)
    assert nimbus_sdk.current_session().key_source == "file"
    nimbus_sdk.authenticate()
    clone("")
    assert nimbus_sdk.current_session().key_source == "file"
    assert os.listdir(Paths.of(os.environ["NIMBUS_SDK_HOME"], "default").dotenv_sessions) == []


def test_signing_out_removes_the_sessions_of_every_dotenv(sandbox: Sandbox, key: str, clone: Clone) -> None:
    """Nothing is left that would count as soon as the profile's own session is gone."""
    nimbus_sdk.authenticate(key)
    clone(sandbox.new_key("research"))
    nimbus_sdk.authenticate()
    nimbus_sdk.invalidate_session()
    for folder in ("", key):
        clone(folder)
        with pytest.raises(SessionNotFoundError):
            nimbus_sdk.current_session()


def test_signing_out_names_a_folder_of_sessions_that_cannot_be_read(
    key: str, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever signs out learns that a session may be left, where it is, and why; all others are removed."""
    nimbus_sdk.authenticate(key)
    clone(key)
    nimbus_sdk.authenticate()
    paths = Paths.of(os.environ["NIMBUS_SDK_HOME"], "default")
    folder = paths.dotenv_sessions
    assert os.path.exists(paths.session)
    real = os.listdir

    def refuse(path: str) -> list[str]:
        if path == folder:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    with monkeypatch.context() as refused:
        refused.setattr(os, "listdir", refuse)
        with pytest.raises(SessionError, match="cannot be removed") as caught:
            nimbus_sdk.invalidate_session()
    assert folder in str(caught.value)
    assert not os.path.exists(paths.session)
    nimbus_sdk.invalidate_session()
    with pytest.raises(SessionNotFoundError):
        nimbus_sdk.current_session()


def test_a_session_beside_is_noticed_when_it_changes(sandbox: Sandbox, key: str, clone: Clone) -> None:
    """The copy in memory ends with the file, as for any other session."""
    nimbus_sdk.authenticate(key)
    theirs = sandbox.new_key("research")
    clone(theirs)
    nimbus_sdk.authenticate()
    assert fingerprint_in_use() == of(theirs)
    os.unlink(Paths.of(os.environ["NIMBUS_SDK_HOME"], "default").dotenv_session(of(theirs)))
    with pytest.raises(SessionNotFoundError):
        nimbus_sdk.current_session()
