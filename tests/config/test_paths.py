"""Every path below the folders of the settings."""

import os
from dataclasses import fields, replace

import platformdirs
import pytest

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import ConfigurationError

PATHS = [
    ("credentials", "config/credentials.json"),
    ("seal", "state/seal.key"),
    ("session", "state/profiles/lab/session.json"),
    ("next_session", "state/profiles/lab/session.next.json"),
    ("profiles", "state/profiles"),
    ("profile_folder", "state/profiles/lab"),
    ("dotenv_sessions", "state/profiles/lab/dotenv"),
    ("sandbox", "state/sandbox.json"),
    ("last_seen", "state/profiles/lab/last-seen.json"),
    ("key_metadata", "state/profiles/lab/key.json"),
    ("rotation", "state/profiles/lab/rotation.json"),
    ("audit", "state/audit"),
    ("key_removal", "state/profiles/lab/key-removal.json"),
    ("keyring_breaker", "state/keyring.json"),
    ("keyring_lock", "state/keyring.lock"),
    ("lock", "state/nimbus-sdk.lock"),
    ("core", "data/core"),
    ("core_pointer", "data/core/current.json"),
    ("models", "data/models"),
    ("downloads", "cache/downloads"),
    ("rejected", "state/refused"),
    ("usage", "state/profiles/lab/usage"),
]


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_one_home_holds_everything(name, path):
    """With a home named, every path is below it."""
    paths = Settings(home="/srv/nimbus", profile="lab").paths
    assert getattr(paths, name) == f"/srv/nimbus/{path}"


def test_a_rejection_has_a_file_of_its_own():
    """One record for each key and service, by fingerprint, in one folder."""
    paths = Settings(home="/srv/nimbus").paths
    one, other = (paths.rejection("0123456789ab", f"https://{host}.example") for host in ("one", "other"))
    assert one != other
    assert {one.rpartition("/")[0], other.rpartition("/")[0]} == {paths.rejected}
    assert one.startswith(f"{paths.rejected}/0123456789ab-")


def test_no_path_is_forgotten_here():
    """The table above names every path there is."""
    public = {name for name in vars(Paths) if not name.startswith("_")}
    named = {name for name, _ in PATHS} | {field.name for field in fields(Paths)}
    assert public - named == {"of", "rejection", "dotenv_session", "state_root", "keyring_user"}


def test_the_keyring_knows_the_default_home_by_the_profile_alone(tmp_path, monkeypatch):
    """Every other home has a name of its own there, however its path is spelt."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NIMBUS_SDK_HOME")
    assert Settings().paths.keyring_user == "default"
    (tmp_path / "link").symlink_to(tmp_path / "one")
    users = [Settings(home=str(tmp_path / name)).paths.keyring_user for name in ("one", "one/../one", "link")]
    assert users == users[:1] * 3
    assert users[0].startswith("default@")
    assert users[0] != Settings(home=str(tmp_path / "two")).paths.keyring_user
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    assert Settings().paths.keyring_user != "default"


def test_without_a_home_the_platforms_folders_are_used(tmp_path, monkeypatch):
    """Configuration, data, state and cache are in the folders of the platform."""
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind))
    paths = Settings().paths
    assert paths.config == platformdirs.user_config_dir("nimbus-sdk", appauthor=False)
    assert paths.cache == platformdirs.user_cache_dir("nimbus-sdk", appauthor=False)
    assert paths.credentials.startswith(paths.config)
    assert paths.core.startswith(platformdirs.user_data_dir("nimbus-sdk", appauthor=False))
    assert paths.session.startswith(platformdirs.user_state_dir("nimbus-sdk", appauthor=False))


def test_no_two_kinds_share_a_folder(monkeypatch):
    """Where the platform has one folder for data and state, as on macOS and Windows, ours still differ."""
    for kind in ("config", "data", "state", "cache"):
        monkeypatch.setattr(platformdirs, f"user_{kind}_dir", lambda *_, **__: "/one/folder")
    paths = Settings().paths
    assert len({paths.config, paths.data, paths.state}) == 3


def test_profiles_do_not_share_what_is_theirs():
    """Session and key metadata belong to one profile; seal, lock and core to all."""
    one = Settings(home="/srv", profile="one").paths
    two = replace(one, profile="two")
    for name in ("session", "next_session", "last_seen", "key_metadata"):
        assert getattr(one, name) != getattr(two, name)
    for name in ("seal", "lock", "core", "credentials", "keyring_breaker"):
        assert getattr(one, name) == getattr(two, name)


def test_the_error_for_a_user_without_a_home_names_the_variable(monkeypatch):
    """Random user ids in containers have no home folder: the hint names the variable."""
    monkeypatch.setattr(platformdirs, "user_state_dir", lambda *_, **__: "~/.local/state/nimbus-sdk")
    with pytest.raises(ConfigurationError, match="no home folder") as caught:
        _ = Settings().paths
    assert "NIMBUS_SDK_HOME" in caught.value.hint


@pytest.mark.parametrize("kind", ["CONFIG", "DATA", "STATE", "CACHE"])
@pytest.mark.parametrize("folder", ['"/data/nimbus"', "nimbus", "~/nimbus"])
def test_a_relative_platform_folder_is_refused_by_its_variable(monkeypatch, kind, folder):
    """Files never end up in the working directory because a variable has quotes, or is no absolute path."""
    monkeypatch.setenv(f"XDG_{kind}_HOME", folder)
    with pytest.raises(ConfigurationError, match=f"XDG_{kind}_HOME must be an absolute path"):
        _ = Settings().paths


def test_naming_the_places_makes_nothing(tmp_path):
    """Folders are made when something is written, not before."""
    assert Settings(home=str(tmp_path / "later")).paths
    assert not os.path.exists(tmp_path / "later")
